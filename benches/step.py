"""Training steps a second of yoto-gpu's CPU path and of the plain PyTorch implementation, in turn, in one run.

    python benches/step.py [--sizes small,reference] [--rounds 3] [--threads 2]

Needs torch and numpy, a release build (YOTO_GPU overrides its path), and `yoto_torch.py` of the folder with the
alternatives (YOTO_PEERS, default ../shared/peers). Both train the selection: one mask a step, hidden layer H, a
class label of ten, AdamW; both on the same number of cells, genes, nonzeros, threads. PyTorch runs in a process of
its own, so that its peak memory is its own.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PEERS = Path(os.environ.get("YOTO_PEERS", ROOT.parent / "shared" / "peers"))
PROGRAM = os.environ.get("YOTO_GPU", str(ROOT / "target" / "release" / "yoto-gpu"))
# genes, nonzeros a cell, cells a step, hidden width, genes of the panel
SIZES = {"small": (2000, 200, 64, 32, 16), "reference": (20000, 2000, 256, 128, 64)}
CELLS = 2048
STEPS = {"small": 300, "reference": 30}

TORCH = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
import numpy as np, torch, yoto_torch
G, nnz, B, H, k, cells, steps, threads = map(int, sys.argv[2:10])
torch.set_num_threads(threads)
rng = np.random.default_rng(0)
X = np.zeros((cells, G), np.float32)
for row in X:
    row[rng.choice(G, nnz, replace=False)] = rng.uniform(0.3, 3, nnz)
run = yoto_torch.fit(X, [rng.integers(0, 10, cells)], k, hidden=(H,), norm="none", batch=B, steps=steps, select=1.0,
                     warmup=0.7)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"steps_per_s": 1 / run["s_per_step"], "peak_mb": peak}))
"""


def torch_step(size, threads):
    numbers = map(str, (*SIZES[size], CELLS, STEPS[size], threads))
    command = [sys.executable, "-c", TORCH, str(PEERS), *numbers]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def own_step(size, threads):
    command = [PROGRAM, "bench", "--device", "cpu", "--size", size, "--cells", str(CELLS), "--json", "-"]
    environment = os.environ | {"RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    report = json.loads(done.stdout)
    device = report["devices"][0]
    step = next(s for s in device["steps"] if s["phase"] == "select")
    return {"steps_per_s": step["steps_per_s"], "peak_mb": device["peak_memory_bytes"] / 1e6}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", default="small,reference")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    print("size        round  yoto-gpu steps/s  PyTorch steps/s   ratio   yoto-gpu MB  PyTorch MB")
    for size in args.sizes.split(","):
        ratios = []
        for turn in range(args.rounds):
            own, other = own_step(size, args.threads), torch_step(size, args.threads)
            ratios.append(own["steps_per_s"] / other["steps_per_s"])
            print(f"{size:<10} {turn + 1:>6} {own['steps_per_s']:>17.1f} {other['steps_per_s']:>16.2f} {ratios[-1]:>7.1f}"
                  f" {own['peak_mb']:>13.0f} {other['peak_mb']:>11.0f}", flush=True)
        print(f"{size}: median ratio {statistics.median(ratios):.1f}")


if __name__ == "__main__":
    main()
