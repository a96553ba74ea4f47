"""Candidates timed side by side, and the one file that the results go to."""

import json
import os
import platform
import time
from datetime import date
from importlib import metadata
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).with_name("results.json")
PACKAGES = ("numpy", "keras", "tensorflow", "jax", "optax", "torch")


def side_by_side(candidates, rounds=15, seconds=0.03, before=None):
    """CPU seconds of each candidate, one number a round: {name: array of `rounds` numbers}.

    candidates    {name: function without arguments}; each is called twice before anything counts
    seconds       a sample repeats its candidate until it takes about this long
    before        called ahead of each sample and not timed; a sample is then one call
    All candidates run in every round, in an order that turns around from round to round: what slows the machine for a
    while slows all of them.  CPU time of all threads of this process (time.process_time), so that other programs that
    wait for the same cores do not count.
    """
    repeats = {}
    for name, run in candidates.items():
        run()
        begin = time.process_time()
        run()
        took = time.process_time() - begin
        repeats[name] = 1 if before else max(1, min(10_000, round(seconds / max(took, 1e-6))))
    times = {name: [] for name in candidates}
    for i in range(rounds):
        for name in list(candidates)[:: 1 if i % 2 else -1]:
            if before:
                before()
            begin = time.process_time()
            for _ in range(repeats[name]):
                candidates[name]()
            times[name].append((time.process_time() - begin) / repeats[name])
    return {name: np.array(samples) for name, samples in times.items()}


class Results:
    """Rows of benchmarks/results.json.  A row is replaced by the same row of a later run; the others stay.

    A file tells of one machine: where the processor, or the version of a package that both know, is another than that
    of the rows that are there, those rows go.
    """

    def __init__(self, path=RESULTS):
        self.path = path
        self.about, self.rows = {"machine": _machine(), "versions": _versions()}, {}
        self._read()

    def _read(self):
        if self.path.exists():
            there = json.loads(self.path.read_text(encoding="utf-8"))
            known, here = there["versions"], self.about["versions"]
            alike = all(known.get(name, version) == version for name, version in here.items())
            if alike and there["machine"] == self.about["machine"]:
                self.about["versions"] = known | here
                self.rows = {_key(row): row for row in there["rows"]}

    def ratio(self, benchmark, case, what, times, against, target=None):
        """Keep the median of a candidate's time over another's, pair by pair; fail if it misses its target.

        target    (lowest, highest), or None where there is nothing to hold
        """
        ratios = times[what] / times[against]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        row = dict(ratio=_short(middle), quartiles=[_short(low), _short(high)], pairs=len(ratios))
        return self.keep(benchmark, case, what, against, row, middle, target)

    def keep(self, benchmark, case, what, against, row, value, target=None):
        """Write one row down; then fail if its value misses its target.  Returns the value."""
        if target:
            row["target"] = list(target)
        row = dict(benchmark=benchmark, case=case, what=what, against=against) | row
        self._read()  # another environment may have written meanwhile
        self.rows[_key(row)] = row
        self.write()
        print(f"{benchmark}, {case}: {what} / {against} = {value:.3g}", flush=True)
        if target:
            lowest, highest = target
            assert lowest <= round(value, 3) <= highest, f"{row}: not from {lowest} to {highest}"
        return value

    def write(self):
        self.about["date"] = date.today().isoformat()
        rows = ",\n  ".join(json.dumps(self.rows[key]) for key in sorted(self.rows))
        about = json.dumps(self.about, sort_keys=True)[:-1]
        self.path.write_text(f'{about},\n"rows": [\n  {rows}\n]}}\n', encoding="utf-8")


def _key(row):
    return tuple(row[name] for name in ("benchmark", "case", "what", "against"))


def _short(x):
    """Three digits: more would be noise."""
    return float(f"{x:.3g}")


def _machine():
    name = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        name = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), name)
    return {"processor": name, "cores": os.cpu_count(), "system": platform.system()}


def _versions():
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
