"""Compare kimi_async with other SDKs and with bare HTTP clients: ``nox -s bench [-- --full] [-- --save]``.

The quick form takes about two minutes, the full one about three quarters of an hour. Everything goes over a loopback
socket, each client and the server in their own process, and the content that each client read is compared with the
body. ``--save`` writes tables and plots into the documentation and rows into the README. The full form ends with 1
when a budget of DESIGN.md does not hold; ``--show`` prints the saved results, and measures nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from _budgets import rows
from _clients import CLIENTS
from _measure import FULL, QUICK, Measurement
from _plots import save_plots
from _replay import serve
from _report import page, save_tables
from _results import Results, dump, load
from _server import serving

ROOT: Final = Path(__file__).parent.parent
FIGURES: Final = ROOT / "docs" / "figures"
SAVED: Final = FIGURES / "benchmarks.json"


def save(results: Results) -> None:
    SAVED.write_bytes(dump(results))
    save_tables(FIGURES, ROOT / "README.md", results)
    save_plots(FIGURES, results)


def measured(arguments: argparse.Namespace) -> Results:
    pythons = dict(pair.split("=", 1) for pair in arguments.python)
    form = FULL if arguments.full else QUICK
    clients = [name for name in CLIENTS if arguments.only in name]
    measurement = Measurement(form, pythons, clients, arguments.rounds)
    begun = time.monotonic()
    with serving(serve) as (served, pipe):
        results = measurement.run(served, pipe)
    print(f"measured for {time.monotonic() - begun:.0f} seconds", file=sys.stderr)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="measure everything")
    parser.add_argument("--save", action="store_true", help="write docs/figures and the README")
    parser.add_argument("--show", action="store_true", help="measure nothing, take what was saved")
    parser.add_argument("--rounds", type=int, help="rounds of one stream at a time")
    parser.add_argument("--only", default="", help="measure clients with this in their name alone")
    parser.add_argument(
        "--python", action="append", default=[], metavar="GROUP=PATH", help="an interpreter"
    )
    arguments = parser.parse_args()
    results = load(SAVED.read_bytes()) if arguments.show else measured(arguments)
    print(page(results))
    if arguments.save:
        save(results)
    broken = any(row.holds is False for row in rows(results))
    return 1 if broken and results.form == "full" else 0


if __name__ == "__main__":
    sys.exit(main())
