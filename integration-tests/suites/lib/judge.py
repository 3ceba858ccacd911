"""Judges a foreign suite's results by the lists beside its run script.

usage: judge.py SUITE_FOLDER RESULTS

RESULTS has lines `PASS|FAIL|SKIP name`. `must-pass` lists the tests that have to pass: it may only grow. `missing` lists
the others as `name # reason`. A test on neither list is a failure as well.
"""

import pathlib
import sys


def names(path):
    lines = path.read_text().splitlines() if path.exists() else []
    lines = (line.split(" # ")[0].strip() for line in lines)
    return [line for line in lines if line and not line.startswith("#")]


def main():
    folder = pathlib.Path(sys.argv[1])
    results = {}
    for line in pathlib.Path(sys.argv[2]).read_text().splitlines():
        outcome, name = line.split()[:2]
        results[name] = outcome
    required, missing = names(folder / "must-pass"), set(names(folder / "missing"))
    failed = []
    for name in required:
        if results.get(name) != "PASS":
            failed.append(f"{name}: {results.get(name, 'did not run')}, has to pass")
    for name, outcome in sorted(results.items()):
        if name in required:
            continue
        if name not in missing:
            failed.append(f"{name}: {outcome}, but on neither list")
        if outcome == "PASS" and name in missing:
            print(f"{name} passes now: it belongs into {folder.name}/must-pass")
    for line in failed:
        print(f"FAILED: {line}")
    passed = sum(outcome == "PASS" for outcome in results.values())
    print(f"{passed} passed, {len(failed)} failed, {len(missing)} skipped")
    sys.exit(1 if failed else 0)


main()
