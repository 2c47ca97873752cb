"""The webhook's tail while the rest of the product works, beside its tail while nothing happens.

`make bench-isolation`: a fixed number of reviews a second is sent whatever the answers take (open loop). Of
the webhook role, rounds in which nothing changes and rounds in which 10,000 profiles change within a minute
follow each other. Then come both roles in one process, at growing sizes, while whole cycles run.
"""

import argparse
import os
import sys
import tempfile
import urllib.request
from pathlib import Path
from statistics import median

from benchmarks import combined
from benchmarks.paced_reviews import Reviews, p99_ms
from benchmarks.rig import CLIENT_CORE, Rig

_WARM_UP_SECONDS = 3
_CHANGES_A_MINUTE = 10_000
_LIMIT = 2.0


def main() -> None:
    """Print what was measured; the ratio of the medians is the last line. Fails where it is 2 or more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--combined", type=int, nargs="*", default=combined.SIZES, metavar="WORKLOADS")
    given = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    ratio = _webhook_alone(given)
    if given.combined:
        _combined(given)
    print(f"p99 while changing / idle: {ratio:.2f}")
    if ratio >= _LIMIT:
        sys.exit(1)


def _webhook_alone(given: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-isolation-") as directory, Rig(Path(directory)) as rig:
        profiles = rig.profile_server(given.workloads)
        client = Reviews(rig.webhook(profiles), rig.authority, given.rate)
        client.during(_WARM_UP_SECONDS)
        print(f"{given.rate:g} reviews/s, {given.workloads} workloads; changes: {_CHANGES_A_MINUTE} a minute")
        tails: dict[str, list[float]] = {"idle": [], "changing": []}
        for number in range(1, given.rounds + 1):
            for state, measured in tails.items():
                if state == "changing":
                    _change(profiles, given.seconds)
                measured.append(p99_ms(client.during(given.seconds)))
                print(f"round {number}   {state:<9} p99 {measured[-1]:6.2f} ms", flush=True)
    return median(tails["changing"]) / median(tails["idle"])


def _combined(given: argparse.Namespace) -> None:
    print(f"both roles in one process, {given.rate:g} reviews/s; times of reviews in ms\n{combined.HEAD}")
    measured = []
    for workloads in given.combined:
        with tempfile.TemporaryDirectory(prefix="bench-answers-") as answers:
            found = combined.measure(
                workloads,
                rounds=given.rounds,
                seconds=given.seconds / 2,
                rate=given.rate,
                answers=Path(answers),
            )
        print(found, flush=True)
        measured.append(found)
    print(combined.advice(measured))


def _change(profiles: str, seconds: float) -> None:
    count = round(_CHANGES_A_MINUTE / 60 * seconds)
    request = urllib.request.Request(f"{profiles}/changes?count={count}&seconds={seconds:g}", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


if __name__ == "__main__":
    main()
