"""Throughput of the whole webhook role against that of the limit server: `make bench-webhook`."""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.rig import Load, Rig, Server, closed_loop
from tests.cluster.loopback_http import request

_WARM_UP_SECONDS = 2
LEAST_RATIO, MOST_MEGABYTES = 0.9, 120


def main() -> None:
    """Print one line per run, memory, and the median ratio as the last line; fails beyond a limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--workloads", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-webhook-") as directory, Rig(Path(directory)) as rig:
        print(f"index: {given.workloads} workloads; one core each for server and client; 16 connections, TLS")
        webhook = rig.webhook(rig.profile_server(given.workloads))
        idle_megabytes = _tell_memory(webhook, "idle")
        servers = (rig.limit_server(), webhook)
        loads = _measure(servers, given.rounds, given.seconds)
        _check_that_all_were_patched(webhook)
        loaded_megabytes = _tell_memory(webhook, "loaded")
    ratios = [
        ours.requests_per_second / limit.requests_per_second
        for limit, ours in zip(loads["limit"], loads["webhook"], strict=True)
    ]
    ratio = median(ratios)
    print(f"webhook/limit throughput: {ratio:.2f}")
    if ratio < LEAST_RATIO or max(idle_megabytes, loaded_megabytes) > MOST_MEGABYTES:
        sys.exit(1)


def _tell_memory(webhook: Server, state: str) -> float:
    megabytes = webhook.resident_megabytes
    print(f"webhook, {state}: {megabytes:.0f} MB resident (limit {MOST_MEGABYTES} MB)")
    return megabytes


def _measure(servers: tuple[Server, ...], rounds: int, seconds: float) -> dict[str, list[Load]]:
    """The servers in turn, round after round, so that what slows the machine slows all of them."""
    for server in servers:
        closed_loop(server, seconds=_WARM_UP_SECONDS)
    loads: dict[str, list[Load]] = {server.name: [] for server in servers}
    print(f"{'round':<7}{'server':<9}{'reviews/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for number in range(1, rounds + 1):
        for server in servers:
            load = closed_loop(server, seconds=seconds)
            loads[server.name].append(load)
            figures = f"{load.requests_per_second:>10.0f}{load.p50_ms:>9.2f}{load.p99_ms:>9.2f}"
            print(f"{number:<7}{server.name:<9}{figures}", flush=True)
    return loads


def _check_that_all_were_patched(webhook: Server) -> None:
    """A fast answer that gives nothing would be no measurement."""
    told = request(f"{webhook.health_url}/metrics").decode()
    counted = [
        line for line in told.splitlines() if line.startswith("job_profiler_admission_requests_total{")
    ]
    others = [line for line in counted if 'result="mutated"' not in line and not line.endswith(" 0.0")]
    if others:
        raise RuntimeError(f"not every review was answered with a patch: {others}")


if __name__ == "__main__":
    main()
