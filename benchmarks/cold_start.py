"""Cold start: what `import tierstore` and a first put and get add to a bare interpreter.

    python benchmarks/cold_start.py [--rounds 25] [--why]

Whole processes, in turns: `pass`; importing tierstore; and import, opening a compiled policy, a put
under `durability: memory` and a resident read. The processes end without closing the store, which
would connect to the region. The goal is of wall time; the processor time says more on a busy
machine. Also checks that this imports no module from outside the standard library, and `--why`
lists the costliest imports.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common

ADDED_MS_MAX = 30.0
POLICY = """\
tiers:
  edge: {url: "memory://", capacity: 64MiB, journal: none}
  regional: {url: "sqlite:///region.db"}
rules:
  - {match: "session/*", durability: memory}
  - {match: "**", durability: memory, ttl: 30d}
"""
FIRST_USE = """\
import tierstore
store = tierstore.open("policy.json")
store.put("session/1", b"value")
assert store.get("session/1") == b"value"
"""
WAYS = {
    "bare": "pass",
    "import tierstore": "import tierstore",
    "import, open, put, get": FIRST_USE,
}
LIST_FOREIGN = """\
import sys
known = {"tierstore", *sys.stdlib_module_names, *before}
print(*sorted({name.partition(".")[0] for name in sys.modules} - known))
"""


def run(source, folder, *flags):
    """The wall and processor time of a process in milliseconds, its output and its messages."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    start, start_cpu_s = perf_counter(), children_cpu_s()
    done = subprocess.run(
        [sys.executable, *flags, "-c", source],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    took_ms = (perf_counter() - start) * 1000, (children_cpu_s() - start_cpu_s) * 1000
    return took_ms, done.stdout, done.stderr


def children_cpu_s():
    """Processor time of all processes that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def compile_policy(folder):
    """Write policy.json, and let every module be compiled before the first round."""
    Path(folder, "policy.yaml").write_text(POLICY, encoding="utf-8")
    compiled = [sys.executable, "-m", "tierstore", "policy", "compile", "policy.yaml"]
    subprocess.run([*compiled, "-o", "policy.json"], cwd=folder, check=True)
    run(FIRST_USE, folder)


def measure(folder, rounds):
    """(wall, processor) milliseconds of each way, taking turns."""
    times = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, source in WAYS.items():
            times[name].append(run(source, folder)[0])
    return times


def report(times):
    """Print the table and whether the goal is met."""
    print(f"\nwhole processes, {len(times['bare'])} rounds, ms; least and median are above bare")
    titles = "wall", "least", "median", "cpu least", "median"
    print(f"  {'':<28}" + "".join(f"{title:>11}" for title in titles))
    for name, own in times.items():
        wall = median(wall for wall, _ in own)
        above = added(own, times["bare"])
        print(f"  {name:<28}" + "".join(f"{figure:>11.1f}" for figure in (wall, *above)))
    return common.verdict("import, open, put, get: wall ms above bare", above[1], ADDED_MS_MAX)


def added(own, bare):
    """Difference of the least, median of the differences: of wall, then of processor time."""
    results = []
    for mine, base in zip(zip(*own, strict=True), zip(*bare, strict=True), strict=True):
        differences = (one - other for one, other in zip(mine, base, strict=True))
        results += (min(mine) - min(base), median(differences))
    return results


def find_foreign(folder):
    """Modules from outside the standard library that a first use imports."""
    before = "import sys; before = {name.partition('.')[0] for name in sys.modules}\n"
    return run(before + FIRST_USE + LIST_FOREIGN, folder)[1].split()


def explain(folder, count=25):
    """Print the imports that take longest by themselves."""
    messages = run(FIRST_USE, folder, "-X", "importtime")[2]
    rows = [line.removeprefix("import time:").split("|") for line in messages.splitlines()]
    parsed = [(int(own), int(total), name.strip()) for own, total, name in rows[1:]]
    start = next(i for i, row in enumerate(parsed) if row[2].startswith("tierstore"))
    all_ms = sum(row[0] for row in parsed[start:]) / 1000
    print(f"\nimports after `import tierstore`: {all_ms:.1f} ms")
    for own, total, name in sorted(parsed[start:], reverse=True)[:count]:
        print(f"  {own / 1000:8.2f} ms alone  {total / 1000:8.2f} ms with its imports  {name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--why", action="store_true", help="list the costliest imports")
    options = parser.parse_args()
    print(common.machine())
    with tempfile.TemporaryDirectory() as folder:
        compile_policy(folder)
        met = report(measure(folder, options.rounds))
        foreign = find_foreign(folder)
        print(f"  {'MISSED' if foreign else 'met':<7} third-party modules: {foreign or 'none'}")
        if options.why:
            explain(folder)
    return 0 if met and not foreign else 1


if __name__ == "__main__":
    sys.exit(main())
