"""What was seen, printed as it is found, and whether it is as expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.real_vpa.pod_states import Change, changes, most_unsettled, shortest_gap
from tests.real_vpa.pod_watch import PodWatch
from tests.real_vpa.updater_log import most_in_a_loop
from tests.real_vpa.workloads import EVICTED, IN_PLACE, UNTOUCHED, WORKLOADS, Workload

_TOUCH = {IN_PLACE: "resized", EVICTED: "leaves"}
Recommendations = Mapping[str, Mapping[str, Mapping[str, Mapping[str, str]]]]


class Findings:
    """Prints facts; one that is not as expected makes the exit code 1."""

    def __init__(self, title: str) -> None:
        self.exit_code = 0
        print(title, flush=True)

    def note_recommendations(self, found: Recommendations, seconds: float) -> None:
        """The recommendations of all workloads."""
        print(f"\nRecommendations after {seconds:.1f} s")
        for workload, containers in found.items():
            for name, item in containers.items():
                parts = ", ".join(
                    f"{part} {_text(item[part])}" for part in ("lowerBound", "target", "upperBound")
                )
                print(f"  {workload}/{name}: {parts}")

    def note_changes(
        self, title: str, watch: PodWatch, since: float, log: str, workloads: Sequence[Workload] = WORKLOADS
    ) -> None:
        """What happened to the Pods since a time, and whether it is the fate of these workloads.

        *log* is the updater's: it must not have changed two Pods of one workload in one loop.
        """
        print(f"\n{title}: what happened, in seconds")
        for change in changes(list(watch.states)):
            if change.at >= since:
                print(f"  {change.at - since:6.2f} {change.workload:9} {change.pod:27} {_described(change)}")
        for workload in workloads:
            self._judge(workload, watch, since, log)

    def note_pods(self, pods: Sequence[Mapping[str, Any]], recommended: Recommendations) -> None:
        """Pods that VPA sets are at the target, and its webhook admitted those in place of evicted ones."""
        for workload in WORKLOADS:
            if workload.fate == UNTOUCHED:
                continue
            own = [pod for pod in pods if pod["metadata"]["labels"].get("app") == workload.name]
            wrong = [
                f"{pod['metadata']['name']}/{container['name']}: {container['resources'].get('requests')}"
                for pod in own
                for container in pod["spec"]["containers"]
                if container["resources"].get("requests")
                != recommended[workload.name][container["name"]]["target"]
            ]
            self._check(f"{workload.name}: {len(own)} Pods at the target", not wrong, "; ".join(wrong))
            if workload.fate == EVICTED:
                written = {pod["metadata"]["annotations"].get("vpaUpdates", "") for pod in own}
                self._check(f"{workload.name}: vpaUpdates: {'; '.join(written)}", all(written), "missing")

    def note_quiet(self, watch: PodWatch, since: float, loops: int, requests: Sequence[str]) -> None:
        """Nothing happens at the target."""
        seen = [change for change in changes(list(watch.states)) if change.at >= since]
        text = f"{loops} loops at the target: {len(requests)} requests, {len(seen)} changes"
        self._check(text, not requests and not seen, f"{requests} {seen}")

    def note_requests(self, requests: Sequence[str]) -> None:
        """The requests of the updater that change Pods."""
        print("\nRequests of the updater, from the audit log")
        for request in requests:
            print(f"  {request}")

    def _judge(self, workload: Workload, watch: PodWatch, began: float, log: str) -> None:
        """The fate of each Pod, and how many were touched in one loop, and at one time."""
        states = watch.of(workload.name)
        touched = [
            change for change in changes(states) if change.at >= began and change.what in _TOUCH.values()
        ]
        expected, in_a_loop = _TOUCH.get(workload.fate), most_in_a_loop(log, workload.name)
        text = f"{workload.name}: {workload.replicas} replicas, {workload.fate}"
        if (gap := shortest_gap(touched)) is not None:
            most = most_unsettled(states, workload.replicas)
            text += f", at most {in_a_loop} in a loop and {most} at one time, at least {gap:.2f} s apart"
        wanted = workload.replicas if expected else 0
        fits = [change.what for change in touched] == [expected] * wanted and in_a_loop <= 1
        self._check(text, fits, "; ".join(map(_described, touched)))

    def _check(self, text: str, is_true: bool, details: str) -> None:  # noqa: FBT001 - the fact
        self.exit_code |= not is_true
        print(f"{'ok   ' if is_true else 'WRONG'} {text}{'' if is_true else f' ({details})'}", flush=True)


def _described(change: Change) -> str:
    before, after = (
        ", ".join(f"{name} {_amounts(own)}" for name, own in resources.items())
        for resources in (change.before, change.after)
    )
    if change.what == "resized":
        return f"resized: {before} → {after}"
    return f"{change.what} with {after}"


def _amounts(own: Mapping[str, Mapping[str, str]]) -> str:
    text = _text(own.get("requests", {}))
    return f"{text} (limits {_text(own['limits'])})" if "limits" in own else text


def _text(quantities: Mapping[str, str]) -> str:
    return " ".join(f"{quantities[name]}" for name in sorted(quantities)) or "nothing"
