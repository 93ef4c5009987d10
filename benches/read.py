#!/usr/bin/env python3
"""Reading X of an .h5ad file: yoto-gpu against h5py + scipy, in turn in one run, each in a process of its own.

    python benches/read.py FILE.h5ad [--repeats 3]

Both end with all of X in memory, ready to be walked by rows: scipy as a csr_matrix, yoto-gpu in the form that training
starts from. Printed: seconds of the reading alone (the smallest of the repeats), the peak memory of the process, and
whether both saw the same number and sum of values. Needs h5py and scipy, and target/release/yoto-gpu (or YOTO_GPU).
"""
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OTHER = """
import json, resource, sys, time
import h5py, scipy.sparse as sp
begin = time.perf_counter()
with h5py.File(sys.argv[1]) as f:
    x = f["X"]
    x = sp.csr_matrix((x["data"][:], x["indices"][:], x["indptr"][:]), shape=tuple(x.attrs["shape"]))
seconds = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "nnz": int(x.nnz), "sum": float(x.data.sum(dtype="f8")), "peak_memory_bytes": peak}))
"""


def once(command):
    r = subprocess.run(command, capture_output=True, text=True)
    if r.returncode != 0:
        raise SystemExit(r.stderr)
    return json.loads(r.stdout)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("file")
    ap.add_argument("--repeats", type=int, default=3)
    a = ap.parse_args()
    binary = os.environ.get("YOTO_GPU", os.path.join(HERE, "..", "target", "release", "yoto-gpu"))
    commands = {"yoto-gpu": [binary, "bench", "read", a.file], "h5py + scipy": [sys.executable, "-c", OTHER, a.file]}
    runs = {name: [] for name in commands}
    for _ in range(a.repeats):
        for name, command in commands.items():
            runs[name].append(once(command))
    ours, other = (r[0] for r in runs.values())
    assert ours["nnz"] == other["nnz"] and abs(ours["sum"] - other["sum"]) <= 1e-9 * abs(other["sum"]), (ours, other)
    print(f"{a.file}: {ours['n_obs']} x {ours['n_vars']}, {ours['nnz']} stored values")
    print("| reader | seconds | values/s | peak memory |\n|---|---|---|---|")
    for name, r in runs.items():
        seconds = min(x["seconds"] for x in r)
        peak = max(x["peak_memory_bytes"] for x in r)
        print(f"| {name} | {seconds:.2f} | {ours['nnz'] / seconds / 1e6:.1f} M | {peak / 1e6:.0f} MB |")


if __name__ == "__main__":
    main()
