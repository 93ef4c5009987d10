#!/usr/bin/env python3
"""What a budget of made-up probe costs buys, against the best genes first as far as the money goes.

    python benches/budget.py [--data ../shared/data] [--genes 32] [--seeds 0,1,2,3,4] [--budgets 6,12,24]

Each gene of baron_human costs exp of a normal deviate (of `random.Random(0)`, in the order of the genes). Prints
macro-F1 on the test cells, mean of the seeds, of `train --costs --budget`, and of the network on the genes of the panel
that `train` chooses without costs, the most useful first, of which each is taken that can still be paid. CPU path. Needs a
Python with anndata, and target/release/yoto-gpu (or YOTO_GPU).
"""
import argparse
import csv
import json
import math
import os
import random
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def train(command, *options):
    """Macro-F1, and the panel in its order."""
    out = options[options.index("--out") + 1]
    binary = os.environ.get("YOTO_GPU", os.path.join(ROOT, "target", "release", "yoto-gpu"))
    line = [binary, command, *options, "--label", "cell_type", "--device", "cpu", "--force", "--quiet", "--json"]
    result = json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)
    with open(os.path.join(out, "panel.csv"), newline="") as f:
        genes = [row["gene"] for row in csv.DictReader(f)]
    return result["tasks"][0]["test"]["macro_f1"], genes


if __name__ == "__main__":
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", default=os.path.join(ROOT, "..", "shared", "data"))
    ap.add_argument("--genes", default="32")
    ap.add_argument("--seeds", default="0,1,2,3,4")
    ap.add_argument("--budgets", default="6,12,24")
    args = ap.parse_args()
    import anndata

    data = os.path.join(args.data, "baron_human_pancreas_counts.h5ad")
    draw = random.Random(0)
    costs = {gene: math.exp(draw.gauss(0.0, 1.0)) for gene in anndata.read_h5ad(data, backed="r").var_names}
    print(f"costs from {min(costs.values()):.2f} to {max(costs.values()):.0f}\n")
    print("| budget | with the budget | genes | as far as the money goes | genes |\n|---|---|---|---|---|")
    seeds = args.seeds.split(",")
    with tempfile.TemporaryDirectory() as folder:
        table, chosen, out = (os.path.join(folder, f) for f in ("costs.csv", "genes.txt", "run"))
        with open(table, "w", newline="") as f:
            csv.writer(f).writerows([("gene", "cost"), *costs.items()])
        free = {seed: train("train", data, "--genes", args.genes, "--seed", seed, "--out", out)[1] for seed in seeds}
        for budget in args.budgets.split(","):
            rows = []
            for seed in seeds:
                rule = ("--costs", table, "--budget", budget)
                own, genes = train("train", data, "--genes", args.genes, "--seed", seed, *rule, "--out", out)
                assert sum(costs[g] for g in genes) <= float(budget), "over the budget"
                left, taken = float(budget), []
                for gene in free[seed]:
                    if costs[gene] <= left:
                        taken.append(gene)
                        left -= costs[gene]
                with open(chosen, "w") as f:
                    f.write("\n".join(taken))
                first, _ = train("evaluate-panel", data, "--panel", chosen, "--seed", seed, "--out", out)
                rows.append((own, len(genes), first, len(taken)))
            own, n, first, taken = (sum(column) / len(rows) for column in zip(*rows))
            print(f"| {budget} | {own:.3f} | {n:.0f} | {first:.3f} | {taken:.0f} |", flush=True)
