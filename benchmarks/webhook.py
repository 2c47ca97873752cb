"""Throughput of the webhook role, relative to the limit server: `make bench-webhook`."""

import argparse
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.rig import Load, Rig, Server, closed_loop
from tests.cluster.loopback_http import request

_WARM_UP_SECONDS = 2
MIN_RATIO, MAX_MEGABYTES = 0.9, 120


def main() -> None:
    """Prints one line per run, memory, and the median ratio in the last line; fails if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--workloads", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-webhook-") as directory, Rig(Path(directory)) as rig:
        print(
            f"index: {options.workloads} workloads; one core each for server and client; 16 connections, TLS"
        )
        webhook = rig.webhook(rig.profile_server(options.workloads))
        idle_megabytes = _print_memory(webhook, "idle")
        servers = (rig.limit_server(), webhook)
        loads = _measure(servers, options.rounds, options.seconds)
        _check_all_patched(webhook)
        loaded_megabytes = _print_memory(webhook, "loaded")
    ratios = [
        ours.requests_per_second / limit.requests_per_second
        for limit, ours in zip(loads["limit"], loads["webhook"], strict=True)
    ]
    ratio = median(ratios)
    print(f"webhook/limit throughput: {ratio:.2f}")
    if ratio < MIN_RATIO or max(idle_megabytes, loaded_megabytes) > MAX_MEGABYTES:
        sys.exit(1)


def _print_memory(webhook: Server, state: str) -> float:
    megabytes = webhook.resident_megabytes
    print(f"webhook, {state}: {megabytes:.0f} MB resident (limit {MAX_MEGABYTES} MB)")
    return megabytes


def _measure(servers: tuple[Server, ...], rounds: int, seconds: float) -> dict[str, list[Load]]:
    """Measures the servers in turn in each round, so that a slow machine affects both."""
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


def _check_all_patched(webhook: Server) -> None:
    """Raises if a response had no patch, which would make the measurement invalid."""
    metrics = request(f"{webhook.health_url}/metrics").decode()
    counted = [
        line for line in metrics.splitlines() if line.startswith("job_profiler_admission_requests_total{")
    ]
    others = [line for line in counted if 'result="mutated"' not in line and not line.endswith(" 0.0")]
    if others:
        raise RuntimeError(f"some responses had no patch: {others}")


if __name__ == "__main__":
    main()
