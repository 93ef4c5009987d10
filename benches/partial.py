#!/usr/bin/env python3
"""A label that 90 % of the cells lack: trained beside a full label, against alone.

    python benches/partial.py run   [--data ../shared/data] [--out results.jsonl] [--only zeisel] [--seeds 0,1,2,3,4]
                                    [--genes 32] [--hide 0.9] [--option --steps --option 500]
    python benches/partial.py table [--out results.jsonl]

`run` appends one JSON line a data set, way and seed, and skips what is there already. Needs a Python with anndata and
scikit-learn, and target/release/yoto-gpu (or YOTO_GPU).

Of each data set 20 % of the cells test (stratified by the label in question, classes of at least 5 cells, random_state
= seed), 10 % validate. Of the labels of all other cells `--hide` are taken away, class by class, one cell a class staying
at least. Three ways: `alone` (--label sparse; cells without it are left out), `together` (--label full --label sparse) and
`whole` (alone, nothing hidden: what there is to gain). Figures are those of the sparse label on all test cells.
"""
import argparse
import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SETS = {
    "zeisel": ("zeisel_cortex_4000g_counts.h5ad", "cell_type", "cell_subtype"),
    "kang": ("kang_ifnb_pbmc_counts.h5ad", "cell_type", "condition"),
}
WAYS = ["alone", "together", "whole"]


def load(path, label):
    """Cells with a label whose class has at least 5 cells."""
    import anndata

    a = anndata.read_h5ad(path)
    n = a.obs[label].map(a.obs[label].value_counts()).astype(float)
    a = a[(~a.obs[label].isna() & (n >= 5)).values].copy()
    a.obs[label] = a.obs[label].astype("category").cat.remove_unused_categories()
    return a


def prepare(a, sparse, seed, hide):
    """Columns `_split` and `_sparse`; returns how many training cells keep the sparse label."""
    import numpy as np
    from sklearn.model_selection import StratifiedShuffleSplit

    y = a.obs[sparse].cat.codes.to_numpy()
    train, test = next(StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(np.zeros(len(y)), y))
    rng = np.random.default_rng(seed)
    rng.shuffle(train)
    validation = train[: len(y) // 10]
    side = np.full(len(y), "train", dtype=object)
    side[test], side[validation] = "test", "validation"
    hidden = np.zeros(len(y), dtype=bool)
    for part in ("train", "validation"):
        for c in range(y.max() + 1):
            own = np.flatnonzero((side == part) & (y == c))
            keep = max(1, round(len(own) * (1 - hide))) if part == "train" else round(len(own) * (1 - hide))
            hidden[rng.permutation(own)[keep:]] = True
    labels = a.obs[sparse].astype(object).copy()
    labels[hidden] = np.nan
    a.obs["_sparse"] = labels.astype("category")
    a.obs["_split"] = list(side)
    return int(((side == "train") & ~hidden).sum())


def run(args):
    done = set()
    if os.path.exists(args.out):
        with open(args.out) as f:
            done = {(r["data"], r["way"], r["seed"], r["genes"]) for r in map(json.loads, f)}
    binary = os.environ.get("YOTO_GPU", os.path.join(ROOT, "target", "release", "yoto-gpu"))
    for name in args.only.split(",") if args.only else SETS:
        file, full, sparse = SETS[name]
        a = load(os.path.join(args.data, file), sparse)
        for seed in map(int, args.seeds.split(",")):
            ways = [w for w in WAYS if (name, w, seed, args.genes) not in done]
            if not ways:
                continue
            kept = prepare(a, sparse, seed, args.hide)
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "data.h5ad")
                a.write_h5ad(path)
                for way in ways:
                    labels = {"alone": ["_sparse"], "together": [full, "_sparse"], "whole": [sparse]}[way]
                    command = [binary, "train", path, "--split-by", "_split", "--genes", str(args.genes)]
                    command += [x for label in labels for x in ("--label", label)]
                    command += ["--seed", str(seed), "--json", "--quiet", "--out", os.path.join(folder, way), *args.option]
                    r = subprocess.run(command, capture_output=True, text=True)
                    if r.returncode != 0:
                        raise SystemExit(r.stderr)
                    test = json.loads(r.stdout)["tasks"][-1]["test"]
                    record = dict(data=name, full=full, sparse=sparse, way=way, seed=seed, genes=args.genes, kept=kept,
                                  accuracy=test["accuracy"], macro_f1=test["macro_f1"])
                    with open(args.out, "a") as f:
                        f.write(json.dumps(record) + "\n")
                    print(name, seed, way, kept, round(test["accuracy"], 3), round(test["macro_f1"], 3), flush=True)


def table(args):
    import statistics

    with open(args.out) as f:
        records = [json.loads(line) for line in f]
    print("| data, label of which 90 % are hidden, k | labelled | " + " | ".join(WAYS) + " | together - alone, each seed |")
    print("|---" * (3 + len(WAYS)) + "|")
    for name, k in sorted({(r["data"], r["genes"]) for r in records}):
        own = [r for r in records if (r["data"], r["genes"]) == (name, k)]
        of = {w: {r["seed"]: r["macro_f1"] for r in own if r["way"] == w} for w in WAYS}
        kept = round(statistics.mean(r["kept"] for r in own))
        gains = [of["together"][s] - of["alone"][s] for s in sorted(of["together"])]
        means = " | ".join(f"{statistics.mean(of[w].values()):.3f}" for w in WAYS)
        print(f"| {name} {own[0]['sparse']} (full: {own[0]['full']}), {k} | {kept} | {means} | "
              + ", ".join(f"{g:+.3f}" for g in gains) + " |")


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["run", "table"])
    ap.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data"))
    ap.add_argument("--out", default=os.path.join(ROOT, "target", "partial.jsonl"))
    ap.add_argument("--only", default="", help="data sets, by comma")
    ap.add_argument("--seeds", default="0,1,2,3,4")
    ap.add_argument("--genes", type=int, default=32)
    ap.add_argument("--hide", type=float, default=0.9)
    ap.add_argument("--option", action="append", default=[], help="passed to yoto-gpu; write --option=--flag")
    a = ap.parse_args()
    run(a) if a.what == "run" else table(a)
