"""`python -m bench [--only PART,PART]`: measures and merges into bench/results.json."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

PARTS = ("sync", "delta", "groups", "push", "registrations", "web", "export")
RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    """Measure the chosen parts; each has a `measure()` that returns its figures by their names."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    chosen = parser.parse_args().only.split(",")
    unknown = sorted(set(chosen) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for part in chosen:
        print(f"{part}:", file=sys.stderr, flush=True)
        figures: dict[str, float] = importlib.import_module(f"bench.{part}").measure()
        keep(figures)
        for name, value in figures.items():
            print(f"{name} {value:g}", flush=True)


def keep(figures: dict[str, float]) -> None:
    """Merge `figures` into the results of earlier runs."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | figures, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
