"""Tail latency of the webhook under load from the rest of the product, compared with the idle webhook.

`make bench-isolation` sends reviews at a fixed rate that does not depend on the response times (open loop).
For the webhook role, idle rounds alternate with rounds in which 10,000 profiles change per minute. Then both
roles run in one process, at growing sizes, during whole cycles.
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
_MAX_RATIO = 2.0


def main() -> None:
    """Prints the latencies, and the ratio of the medians in the last line; fails if it is 2 or more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--combined", type=int, nargs="*", default=combined.SIZES, metavar="WORKLOADS")
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    ratio = _webhook_alone(options)
    if options.combined:
        _combined(options)
    print(f"p99 while changing / idle: {ratio:.2f}")
    if ratio >= _MAX_RATIO:
        sys.exit(1)


def _webhook_alone(options: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory(prefix="bench-isolation-") as directory, Rig(Path(directory)) as rig:
        profiles = rig.profile_server(options.workloads)
        client = Reviews(rig.webhook(profiles), rig.authority, options.rate)
        client.during(_WARM_UP_SECONDS)
        print(
            f"{options.rate:g} reviews/s, {options.workloads} workloads, {_CHANGES_A_MINUTE} changes a minute"
        )
        tails: dict[str, list[float]] = {"idle": [], "changing": []}
        for number in range(1, options.rounds + 1):
            for state, measured in tails.items():
                if state == "changing":
                    _change_profiles(profiles, options.seconds)
                measured.append(p99_ms(client.during(options.seconds)))
                print(f"round {number}   {state:<9} p99 {measured[-1]:6.2f} ms", flush=True)
    return median(tails["changing"]) / median(tails["idle"])


def _combined(options: argparse.Namespace) -> None:
    print(f"both roles in one process, {options.rate:g} reviews/s; response times in ms\n{combined.HEAD}")
    results = []
    for workloads in options.combined:
        with tempfile.TemporaryDirectory(prefix="bench-answers-") as answers:
            result = combined.measure(
                workloads,
                rounds=options.rounds,
                seconds=options.seconds / 2,
                rate=options.rate,
                answers=Path(answers),
            )
        print(result, flush=True)
        results.append(result)
    print(combined.advice(results))


def _change_profiles(profiles: str, seconds: float) -> None:
    count = round(_CHANGES_A_MINUTE / 60 * seconds)
    request = urllib.request.Request(f"{profiles}/changes?count={count}&seconds={seconds:g}", method="POST")
    with urllib.request.urlopen(request, timeout=10):
        pass


if __name__ == "__main__":
    main()
