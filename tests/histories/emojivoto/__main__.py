"""Writes the emojivoto history: as OpenMetrics text for promtool, or as the recorded history of the demo."""

import argparse
import time
from pathlib import Path

from tests.histories.emojivoto.metrics import write_past
from tests.histories.emojivoto.recording import write_recording


def main() -> None:
    """Parses the command line: --npz or --openmetrics; the other options apply to --openmetrics only."""
    parser = argparse.ArgumentParser(prog="python -m tests.histories.emojivoto", description=__doc__)
    form = parser.add_mutually_exclusive_group(required=True)
    form.add_argument("--npz", type=Path, metavar="PATH", help="the demo's recorded history")
    form.add_argument("--openmetrics", type=Path, metavar="PATH", help="a history for promtool")
    parser.add_argument(
        "--end", type=int, default=int(time.time()), help="Unix time of its end (default: now)"
    )
    parser.add_argument("--days", type=float, default=8, help="length in days (default: %(default)s)")
    parser.add_argument(
        "--scrape", type=int, default=60, help="seconds between scrapes (default: %(default)s)"
    )
    parser.add_argument("--flavour", choices=("rhythm", "constant"), default="rhythm")
    options = parser.parse_args()
    if options.npz:
        write_recording(options.npz)
    else:
        write_past(
            options.openmetrics,
            end=options.end,
            days=options.days,
            scrape_seconds=options.scrape,
            flavour=options.flavour,
        )


if __name__ == "__main__":
    main()
