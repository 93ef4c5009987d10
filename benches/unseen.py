#!/usr/bin/env python3
"""How many cells of a class that training never saw `predict` flags, and how many of the others.

    python benches/unseen.py [--data ../shared/data] [--genes 32] [--seed 0]

Trains without each class in turn, on the CPU path, predicts that class's cells, and prints the README's table: the share of
them that is flagged (`uncertain` or `unlike`), and that of the test cells of the others. Needs a Python with anndata, and
target/release/yoto-gpu (or YOTO_GPU).
"""
import argparse
import csv
import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LEFT_OUT = {
    "baron_human": ("baron_human_pancreas_counts.h5ad", ["delta", "endothelial", "acinar", "beta"]),
    "pbmc3k": ("pbmc3k_counts.h5ad", ["B cells", "NK cells"]),
    "zeisel": ("zeisel_cortex_4000g_counts.h5ad", ["astrocytes_ependymal", "microglia", "oligodendrocytes", "interneurons"]),
    "kang": ("kang_ifnb_pbmc_counts.h5ad", ["CD4 T cells", "FCGR3A+ Monocytes", "CD8 T cells"]),
}
LABEL = "cell_type"


def flagged(all_cells, name, folder, args):
    """Cells of the class, the share of them that is flagged, and that of the test cells of the others."""
    new, known, out, table = (os.path.join(folder, f) for f in ("new.h5ad", "known.h5ad", "run", "new.csv"))
    own = (all_cells.obs[LABEL] == name).values
    all_cells[own].write_h5ad(new)
    others = all_cells[~own & ~all_cells.obs[LABEL].isna().values].copy()
    others.obs[LABEL] = others.obs[LABEL].astype(str).astype("category")
    others.write_h5ad(known)
    binary = os.environ.get("YOTO_GPU", os.path.join(ROOT, "target", "release", "yoto-gpu"))
    run = lambda *command: subprocess.run([binary, *command, "--force", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    run("train", known, "--label", LABEL, "--genes", str(args.genes), "--seed", str(args.seed), "--device", "cpu",
        "--rare-classes", "keep", "--out", out)
    run("predict", out, new, "--out", table)
    with open(table, newline="") as f:
        flags = [row["flag"] for row in csv.DictReader(f)]
    with open(os.path.join(out, "metrics.json")) as f:
        counts = json.load(f)["calibration"][0]["flagged"]
    return len(flags), sum(f != "ok" for f in flags) / len(flags), 1 - counts["ok"] / sum(counts.values())


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data"))
    ap.add_argument("--genes", type=int, default=32)
    ap.add_argument("--seed", type=int, default=0)
    arguments = ap.parse_args()
    import anndata

    print("| data | left out | flagged | others |\n|---|---|---|---|")
    for data, (file, classes) in LEFT_OUT.items():
        cells = anndata.read_h5ad(os.path.join(arguments.data, file))
        for i, name in enumerate(classes):
            with tempfile.TemporaryDirectory() as folder:
                n, share, others = flagged(cells, name, folder, arguments)
            print(f"| {data if i == 0 else ''} | {name} ({n:,}{' cells' if data == 'baron_human' and i == 0 else ''}) | {share:.2f} | {others:.2f} |", flush=True)
