#!/usr/bin/env python3
"""Panels of yoto-gpu against the alternatives of ../shared/peers, under the identical split.

    python benches/panels.py run   [--peers ../shared/peers] [--data ../shared/data] [--out results.jsonl]
                                   [--only baron_human] [--methods random,hvg_seurat,...] [--k 8,16,32,64]
                                   [--seeds 0,1,2] [--hvg 4000] [--option --recipe --option '{...}']
    python benches/panels.py table [--out results.jsonl] [--methods yoto-gpu,scanpy_wilcoxon,...] [--seeds 0,1,2,3,4] [--only ...]
    python benches/panels.py ranks [--out results.jsonl] [--seeds 0,1,2,3,4] [--only ...]
    python benches/panels.py bar   [--out results.jsonl] [--seeds 0,1,2,3,4] [--only ...]
    python benches/panels.py save  [--out results.jsonl,more.jsonl] [--to panels.csv]

`bar` says how often nobody would be more than a point ahead of a method that is so many points better, were the
splits drawn again. `run` appends one JSON line a method, data set, k and seed, and skips what is there already. `save` puts the scores of
several files into one table, which `table` and `ranks` read too (`--out panels.csv`). Needs a Python with
scanpy, scikit-learn and the packages of the methods asked for, and target/release/yoto-gpu (or YOTO_GPU).

Split and preparation are those of bench_peers.py for every method: StratifiedShuffleSplit, 20 % test, random_state =
seed, classes of at least 5 cells; log1p of counts per 10,000 (`raw` where there is one); the --hvg most variable genes of
the training cells. yoto-gpu gets the prepared values and the split as an `obs` column. Two views of each panel: `own`,
the jointly trained network's predictions for the test cells; `lr`, a logistic regression refitted on the panel's genes,
the same for all methods.
"""
import argparse
import csv
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
SETS = {
    "baron_human": ("baron_human_pancreas_counts.h5ad", "cell_type"),
    "pbmc3k": ("pbmc3k_counts.h5ad", "cell_type"),
    "zeisel": ("zeisel_cortex_4000g_counts.h5ad", "cell_type"),
    "zeisel_sub": ("zeisel_cortex_4000g_counts.h5ad", "cell_subtype"),
    "kang": ("kang_ifnb_pbmc_counts.h5ad", "cell_type"),
    "kang_condition": ("kang_ifnb_pbmc_counts.h5ad", "condition"),
    "pbmc68k_reduced": ("10x_pbmc68k_reduced.h5ad", "bulk_labels"),
}
# Only where --only names them.
OTHERS = {
    "baron_donor": ("baron_human_pancreas_counts.h5ad", "donor"),
    "kang_sample": ("kang_ifnb_pbmc_counts.h5ad", "sample"),
    "rnamix": ("sc_mixology_rnamix_counts.h5ad", "mix"),
    "rnamix_protocol": ("sc_mixology_rnamix_counts.h5ad", "protocol"),
    "demo": ("demo_baron_small_counts.h5ad", "cell_type"),
    # what fresh.py writes
    "mouse": ("mouse.h5ad", "cell_type"),
    "li": ("li.h5ad", "cell_type"),
    "pollen": ("pollen.h5ad", "cell_type"),
    "hsmm_hours": ("hsmm_myoblast_fpkm.h5ad", "hours"),
}
ALL = {**SETS, **OTHERS}
METHODS = (
    "random,hvg_seurat,scanpy_wilcoxon,scanpy_ttest,scanpy_logreg,cosg,f_classif,rankcorr,scgenefit,sepsolve,rf,xgboost,"
    "lightgbm,mutual_info,l1_logreg,mrmr,stg,nsforest,lassonet,spapros,markermap,markermap_joint,scmer,relieff,activesvm,"
    "concrete_ae,persist,yoto_torch"
)


def load(path, label):
    """Log values, labels and names as bench_peers.py prepares them: raw where there is one, counts as log1p of counts
    per 10,000, cells with a label whose class has at least 5 cells."""
    import anndata
    import numpy as np
    import scipy.sparse as sp

    a = anndata.read_h5ad(path)
    x, names = (a.raw.X, a.raw.var_names) if a.raw is not None else (a.X, a.var_names)
    x = sp.csr_matrix(x, dtype=np.float32)
    if np.allclose(x.data, np.round(x.data)) and x.data.max() > 20:
        x = x.multiply(1e4 / np.maximum(np.asarray(x.sum(1)), 1)).tocsr()
        x.data = np.log1p(x.data)
    n = a.obs[label].map(a.obs[label].value_counts()).astype(float)
    keep = (~a.obs[label].isna() & (n >= 5)).values
    y = a.obs[label][keep].astype("category").cat.remove_unused_categories()
    return x[keep], np.array(names), y


def split(y, seed):
    import numpy as np
    from sklearn.model_selection import StratifiedShuffleSplit

    y = y.cat.codes.to_numpy()
    train, test = next(StratifiedShuffleSplit(1, test_size=0.2, random_state=seed).split(np.zeros(len(y)), y))
    return y, train, test


def variable(x, train, n):
    """The genes that bench_peers.py --hvg keeps: scanpy's seurat flavour on the training cells."""
    import anndata
    import numpy as np
    import scanpy as sc

    if not n or n >= x.shape[1]:
        return np.arange(x.shape[1])
    a = anndata.AnnData(x[train].copy())
    a.uns["log1p"] = {"base": None}
    sc.pp.highly_variable_genes(a, n_top_genes=n, flavor="seurat")
    return np.where(a.var.highly_variable)[0]


def refit(x, y, train, test, genes):
    """Logistic regression on the panel, as bench_peers.py refits it."""
    import warnings

    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score

    warnings.filterwarnings("ignore")
    d = x[:, genes].toarray()
    mean, sd = d[train].mean(0), d[train].std(0)
    d = (d - mean) / np.where(sd < 1e-6, 1, sd)
    p = LogisticRegression(C=1.0, max_iter=2000).fit(d[train], y[train]).predict(d[test])
    return accuracy_score(y[test], p), f1_score(y[test], p, average="macro")


def ours(folder, x, names, labels, ks, seed, hvg, options):
    import anndata
    import pandas as pd
    from sklearn.metrics import accuracy_score, f1_score

    y, train, test = split(labels, seed)
    genes = variable(x, train, hvg)
    cells = [f"c{i}" for i in range(len(y))]
    column = ["train"] * len(y)
    for i in test:
        column[i] = "test"
    obs = pd.DataFrame({"label": labels.to_numpy(), "part": column}, index=cells)
    path = os.path.join(folder, "data.h5ad")
    anndata.AnnData(x[:, genes], obs=obs, var=pd.DataFrame(index=names[genes].astype(str))).write_h5ad(path)
    binary = os.environ.get("YOTO_GPU", os.path.join(ROOT, "target", "release", "yoto-gpu"))
    for k in ks:
        out = os.path.join(folder, f"run{k}")
        command = [binary, "train", path, "--label", "label", "--input", "none", "--split-by", "part"]
        command += ["--genes", str(k), "--seed", str(seed), "--out", out, "--json", "--quiet", "--force", *options]
        t = time.perf_counter()
        r = subprocess.run(command, capture_output=True, text=True)
        seconds = time.perf_counter() - t
        if r.returncode != 0:
            raise SystemExit(r.stderr)
        result = json.loads(r.stdout)
        with open(os.path.join(out, "predictions.csv"), newline="") as f:
            rows = list(csv.DictReader(f))
        true = [row["true"] for row in rows]
        predicted = [row["predicted"] for row in rows]
        assert sorted(int(row["obs_names"][1:]) for row in rows) == sorted(test), "another split"
        accuracy, f1 = refit(x, y, train, test, genes[[g["index"] for g in result["panel"]]])
        yield dict(
            k=k, own_acc=accuracy_score(true, predicted), own_f1=f1_score(true, predicted, average="macro"),
            lr_acc=accuracy, lr_f1=f1, seconds=seconds, genes=[g["gene"] for g in result["panel"]],
            device=result["device"]["name"], train_seconds=result["training"]["seconds"])


def peer(peers, path, label, ks, seed, method, hvg, limit):
    command = [sys.executable, os.path.join(peers, "bench_peers.py"), "--data", path, "--label", label]
    command += ["--k", ",".join(map(str, ks)), "--method", method, "--seed", str(seed), "--hvg", str(hvg)]
    command += ["--fast-persist"]  # the same mathematics without worker processes
    r = None
    try:
        r = subprocess.run(command, capture_output=True, text=True, timeout=limit)
        lines = r.stdout.splitlines()
    except subprocess.TimeoutExpired as e:  # its output is bytes, whatever text says
        print(f"  {method}: more than {limit} s", file=sys.stderr)
        lines = [line for line in (e.stdout or b"").decode().splitlines(keepends=True) if line.endswith("\n")]
    for line in lines:
        # some methods print progress of their own, which may stand before the result
        start = line.find('{"')
        if start < 0:
            continue
        record = json.loads(line[start:])
        if record.get("error") or record.get("lr_acc") is None:
            print(f"  {method}: {record.get('error', 'no result')}", file=sys.stderr)
            continue
        yield dict(k=record["k"], own_acc=record.get("own_acc"), own_f1=record.get("own_f1"), lr_acc=record["lr_acc"],
                   lr_f1=record["lr_f1"], seconds=record.get("select_s"), genes=record.get("genes"))
    if r and r.returncode != 0:
        print(f"  {method}: {r.stderr.strip().splitlines()[-1:]}", file=sys.stderr)


FIELDS = ("data", "method", "seed", "k", "own_acc", "own_f1", "lr_acc", "lr_f1")


def read(paths):
    """Results of files by comma, JSON lines or what `save` wrote."""
    records = []
    for path in paths.split(","):
        with open(path, newline="") as f:
            if not path.endswith(".csv"):
                records += map(json.loads, f)
                continue
            for row in csv.DictReader(f):
                row.update({n: int(row[n]) for n in ("seed", "k")})
                row.update({n: float(row[n]) if row[n] else None for n in FIELDS[4:]})
                records.append(row)
    return records


def asked(args):
    """Those results of --out that --seeds and --only ask for."""
    seeds, sets = {int(s) for s in args.seeds.split(",")}, args.only.split(",") if args.only else SETS
    return [r for r in read(args.out) if r["seed"] in seeds and r["data"] in sets], seeds


def save(args):
    """Scores of all results, in order; the last of those that are there twice."""
    place = lambda r: (list(ALL).index(r["data"]), r["method"], r["seed"], r["k"])
    rows = {place(r): r for r in read(args.out)}
    with open(args.to, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(FIELDS)
        for _, r in sorted(rows.items()):
            scores = ["" if r.get(n) is None else f"{r[n]:.6f}" for n in FIELDS[4:]]
            out.writerow([r[n] for n in FIELDS[:4]] + scores)
    print(f"{len(rows)} results in {args.to}")


def run(args):
    done = set()
    if os.path.exists(args.out):
        done = {(r["data"], r["method"], r["seed"], r["k"]) for r in read(args.out)}
    ks = [int(k) for k in args.k.split(",")]
    failed = set()
    for name, seed in [(n, int(s)) for s in args.seeds.split(",") for n in (args.only.split(",") if args.only else SETS)]:
            file, label = ALL[name]
            path = os.path.join(args.data, file)
            loaded = None
            for method in args.methods.split(","):
                missing = [k for k in ks if (name, method, seed, k) not in done]
                if not missing or (name, method) in failed:
                    continue
                if method.startswith("yoto-gpu"):
                    loaded = loaded or load(path, label)
                    with tempfile.TemporaryDirectory() as folder:
                        results = list(ours(folder, *loaded, missing, seed, args.hvg, args.option))
                else:
                    results = list(peer(args.peers, path, label, missing, seed, method, args.hvg, args.limit))
                    if not results:
                        failed.add((name, method))
                with open(args.out, "a") as f:
                    for r in results:
                        f.write(json.dumps({"data": name, "method": method, "seed": seed, **r}) + "\n")
                print(name, seed, method, [round(r["lr_f1"], 3) for r in results], [r["own_f1"] and round(r["own_f1"], 3) for r in results], flush=True)


def table(args):
    """Every data set and k, the methods of --methods that ran on all seeds there, the best in bold."""
    records, seeds = asked(args)
    columns = []
    for method in args.methods.split(","):
        views = ("own", "lr") if method.startswith("yoto-gpu") else ("lr",)
        columns += [(method, view) for view in views]
    values = {}
    for r in records:
        for column in columns:
            if r["method"] == column[0]:
                point = values.setdefault((r["data"], r["k"]), {})
                point.setdefault(column, []).append((r[f"{column[1]}_acc"], r[f"{column[1]}_f1"]))
    cells = sorted(values, key=lambda c: (list(ALL).index(c[0]), c[1]))
    columns = [c for c in columns if all(len(values[cell].get(c, [])) == len(seeds) for cell in cells)]
    if not cells or not columns:
        raise SystemExit(f"{args.out}: no method of --methods ran on every point with seeds {args.seeds}; name others")
    mean = lambda v: sum(v) / len(v)
    for i, what in ((1, "Macro-F1"), (0, "Accuracy")):
        print(f"\n{what}, mean of {len(seeds)} seeds\n")
        print("| data, k | " + " | ".join(m if v == "lr" else f"{m}, own" for m, v in columns) + " |")
        print("|---" * (len(columns) + 1) + "|")
        rows = [(f"{data}, {k}", [mean([x[i] for x in values[data, k][c]]) for c in columns]) for data, k in cells]
        rows.append(("**mean**", [mean(column) for column in zip(*(row for _, row in rows))]))
        for name, row in rows:
            best = max(round(x, 3) for x in row)
            print(f"| {name} | " + " | ".join(f"**{x:.3f}**" if round(x, 3) == best else f"{x:.3f}" for x in row) + " |")


def ranks(args):
    """Mean rank, mean and gap of each method in both views, over the data sets and k where it ran on all seeds; where
    ours is more than a point behind the best rival, with the standard error of the difference over the seeds."""
    records, seeds = asked(args)
    values = {}
    for r in records:
        ours = r["method"].startswith("yoto-gpu")
        for view in ("own", "refit"):
            what = "own" if view == "own" and ours else "lr"
            point = values.setdefault((view, r["data"], r["k"]), {})
            point.setdefault(r["method"], {})[r["seed"]] = (r[f"{what}_acc"], r[f"{what}_f1"])
    mean = lambda v: sum(v) / len(v)
    error = lambda v: statistics.stdev(v) / len(v) ** 0.5 if len(v) > 1 else math.nan
    for view in ("own", "refit"):
        for i, what in enumerate(("accuracy", "macro-F1")):
            places, means, behind = {}, {}, []
            for (_, data, k), point in sorted(p for p in values.items() if p[0][0] == view):
                point = {m: v for m, v in point.items() if v.keys() == seeds}
                scores = {m: mean([x[i] for x in v.values()]) for m, v in point.items()}
                for m, s in scores.items():
                    places.setdefault(m, []).append(1 + sum(x > s for x in scores.values()))
                    means.setdefault(m, []).append(s)
                rivals = {m: s for m, s in scores.items() if not m.startswith("yoto-gpu")}
                for m in scores:
                    if m.startswith("yoto-gpu") and rivals and scores[m] < max(rivals.values()) - 0.01:
                        best = max(rivals, key=rivals.get)
                        apart = [100 * (point[m][seed][i] - point[best][seed][i]) for seed in seeds]
                        behind.append(f"{data} {k} ({mean(apart):+.1f} +- {error(apart):.1f}, {best})")
            print(f"\n{what}, our view: {view}\n\n| method | mean rank | mean | points |\n|---|---|---|---|")
            for m in sorted(places, key=lambda m: mean(places[m])):
                print(f"| {m} | {mean(places[m]):.2f} | {mean(means[m]):.3f} | {len(places[m])} |")
            print(f"\nmore than a point behind the best rival: {len(behind)}: {', '.join(behind)}")


def bar(args, draws=4000):
    """How often none of the rivals would be more than a point of macro-F1 ahead at any point, if ours were better by at
    least so many points than each of them at every point (where it is better by more, by that), and the splits were drawn
    again. Differences around their means over the seeds are drawn with replacement, the same splits for all k of a data
    set, and widened by sqrt(n / (n - 1)), as n differences lie too near their own mean."""
    import numpy as np

    records, seeds = asked(args)
    seeds, scores = sorted(seeds), {}
    for r in records:
        scores.setdefault((r["data"], r["k"]), {}).setdefault(r["method"], {})[r["seed"]] = r
    rng = np.random.default_rng(0)
    n = len(seeds)
    drawn = {data: rng.integers(0, n, (draws, n)) for data in sorted({data for data, _ in scores})}
    for view, what in (("own", "own_f1"), ("refit", "lr_f1")):
        print(f"\nour view: {view}\n\n| better by at least | nobody more than a point ahead | points where somebody is |\n|---|---|---|")
        for lead in range(7):
            behind = np.zeros(draws)
            for (data, _), point in scores.items():
                of = lambda m, name: np.array([100 * point[m][s][name] for s in seeds])
                whole = [m for m, v in point.items() if len(v) == n]
                own = [m for m in whole if m.startswith("yoto-gpu")]
                rivals = [m for m in whole if not m.startswith("yoto-gpu")]
                if not own or not rivals:
                    continue
                apart = of(own[0], what) - np.array([of(m, "lr_f1") for m in rivals])
                mean = apart.mean(1, keepdims=True)
                again = ((apart - mean) * (n / (n - 1)) ** 0.5)[:, drawn[data]].mean(2) + np.maximum(mean, lead)
                behind += (again < -1).any(0)
            print(f"| {lead} | {(behind == 0).mean():.2f} | {behind.mean():.1f} |")


if __name__ == "__main__":
    # our refit on one thread, as bench_peers.py has it for all others: with more, its figures differ
    for threads in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[threads] = "1"
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["run", "table", "ranks", "bar", "save"])
    ap.add_argument("--peers", default=os.path.join(ROOT, "..", "shared", "peers"))
    ap.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data"))
    ap.add_argument("--out", default=os.path.join(ROOT, "target", "panels.jsonl"))
    ap.add_argument("--only", default="", help="data sets, by comma: " + ", ".join(ALL) + "; the first seven where none is named")
    ap.add_argument("--to", default=os.path.join(ROOT, "target", "panels.csv"), help="where `save` writes")
    ap.add_argument("--methods", default="yoto-gpu," + METHODS, help="by comma; a name that begins with yoto-gpu runs this program with --option")
    ap.add_argument("--k", default="8,16,32,64")
    ap.add_argument("--seeds", default="0,1,2,3,4")
    ap.add_argument("--hvg", type=int, default=4000, help="the most variable genes of the training cells, for every method; 0: all")
    ap.add_argument("--limit", type=int, default=900, help="seconds that a peer may take for all k of one data set and seed")
    ap.add_argument("--option", action="append", default=[], help="passed to yoto-gpu; write --option=--flag")
    a = ap.parse_args()
    {"run": run, "table": table, "ranks": ranks, "bar": bar, "save": save}[a.what](a)
