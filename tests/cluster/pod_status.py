"""The status that a kubelet writes for a Pod, from the Pod and the state of its containers.

Pure: the time is an argument. All containers of a Pod share one state, and init containers have run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.quantities import parse_quantity

RUN_SECONDS = "kubelet.example/run-seconds"  # the annotation of a Pod that ends by itself
# That of a Pod whose containers need so much memory: at a lower limit they are OOM-killed again and again.
NEEDS_MEMORY = "kubelet.example/needs-memory"
JOB_SECONDS = 10.0
TERMINATED_BY_SIGNAL = 143  # 128 + SIGTERM
KILLED_BY_SIGNAL = 137  # 128 + SIGKILL
FIRST_MINOR_WITH_RESIZE = 33
FINAL_PHASES = frozenset({"Succeeded", "Failed"})

Object = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """The node of the Pods: its name, its address, and the minor version of its Kubernetes."""

    name: str
    address: str
    minor: int


@dataclass(frozen=True)
class Run:
    """The state of a Pod's containers; *ended* and *exit_code* are set once they have exited."""

    started: datetime
    is_ready: bool = True
    restarts: int = 0
    ended: datetime | None = None
    exit_code: int = 0
    is_oom_killed: bool = False  # and restarted, and killed again

    def end(self, now: datetime, exit_code: int) -> "Run":
        """The containers after their exit."""
        return Run(self.started, is_ready=False, restarts=self.restarts, ended=now, exit_code=exit_code)


def run_without_processes(pod: Object, now: datetime) -> Run:
    """The state of containers of which nothing runs: ready at once, and ended by time or by a deletion.

    Pods that are restarted never end. A Pod with the annotation `RUN_SECONDS` ends after that time, a Pod of
    a Job without it after `JOB_SECONDS`, and any other Pod only when it is deleted.
    """
    started = _time(pod["status"].get("startTime")) or now
    run = Run(started)
    if is_being_deleted(pod):
        return run.end(now, TERMINATED_BY_SIGNAL)
    if _is_above_a_limit(pod):
        return Run(started, is_ready=False, restarts=1, is_oom_killed=True)
    lifetime = _lifetime(pod)
    if lifetime is not None and now >= started + lifetime:
        return run.end(now, 0)
    return run


def is_being_deleted(pod: Object) -> bool:
    """True if the API server waits for the kubelet to stop the Pod."""
    return "deletionTimestamp" in pod["metadata"]


def is_final(pod: Object) -> bool:
    """True if the containers have ended and will not start again."""
    return pod["status"].get("phase") in FINAL_PHASES


def status_patch(pod: Object, run: Run, node: Node, pod_ip: str, now: datetime) -> Object | None:
    """The strategic merge patch of the Pod's status, or None if the API server has it already."""
    wanted = _status(pod, run, node, pod_ip, now)
    if _has(pod["status"], wanted):
        return None
    if generation := pod["metadata"].get("generation"):
        wanted["observedGeneration"] = generation  # dropped before Kubernetes 1.34
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": wanted}


def timestamp(time: datetime) -> str:
    """The time as the API server writes it: seconds of UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _status(pod: Object, run: Run, node: Node, pod_ip: str, now: datetime) -> Object:
    spec, stored = pod["spec"], pod["status"]
    address = node.address if spec.get("hostNetwork") else stored.get("podIP") or pod_ip
    status: Object = {
        "phase": _phase(run),
        "conditions": _conditions(pod, run, now),
        "hostIP": node.address,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": stored.get("startTime") or timestamp(run.started),
        "containerStatuses": [_container(container, run, node) for container in spec["containers"]],
    }
    if initial := spec.get("initContainers"):
        status["initContainerStatuses"] = [
            _container(container, run if container.get("restartPolicy") == "Always" else _done(run), node)
            for container in initial
        ]
    return status


def _phase(run: Run) -> str:
    if run.ended is None:
        return "Running"
    return "Failed" if run.exit_code else "Succeeded"


def _done(run: Run) -> Run:
    """An init container that has exited before the other containers started."""
    return Run(run.started, ended=run.started)


def _container(container: Object, run: Run, node: Node) -> Object:
    status: Object = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": "",
        # An init container that has completed counts as ready.
        "ready": run.is_ready,
        "started": run.ended is None,
        "restartCount": run.restarts,
        "state": _state(run),
    }
    if run.is_oom_killed:
        status |= {"started": False, "lastState": _killed(run)}
    if node.minor >= FIRST_MINOR_WITH_RESIZE:
        resources = container.get("resources", {})
        status["resources"] = resources
        if requests := resources.get("requests"):
            status["allocatedResources"] = requests
    return status


def _is_above_a_limit(pod: Object) -> bool:
    """True if a container has a memory limit below the need of the Pod's annotation."""
    need = pod["metadata"].get("annotations", {}).get(NEEDS_MEMORY)
    limits = (one.get("resources", {}).get("limits", {}).get("memory") for one in pod["spec"]["containers"])
    return bool(need) and any(limit and parse_quantity(limit) < parse_quantity(need) for limit in limits)


def _killed(run: Run) -> Object:
    """The last state of a container that was OOM-killed as soon as it had started."""
    terminated = {
        "exitCode": KILLED_BY_SIGNAL,
        "reason": "OOMKilled",
        "startedAt": timestamp(run.started),
        "finishedAt": timestamp(run.started),
    }
    return {"terminated": terminated}


def _state(run: Run) -> Object:
    if run.is_oom_killed:
        return {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
    if run.ended is None:
        return {"running": {"startedAt": timestamp(run.started)}}
    return {
        "terminated": {
            "exitCode": run.exit_code,
            "reason": "Error" if run.exit_code else "Completed",
            "startedAt": timestamp(run.started),
            "finishedAt": timestamp(run.ended),
        }
    }


def _conditions(pod: Object, run: Run, now: datetime) -> list[Object]:
    stored = {condition["type"]: condition for condition in pod["status"].get("conditions", [])}
    reason = ""
    if run.ended is not None:
        reason = "PodFailed" if run.exit_code else "PodCompleted"
    elif not run.is_ready:
        reason = "ContainersNotReady"
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates", [])]
    closed = [gate for gate in gates if stored.get(gate, {}).get("status") != "True"]
    return [
        _condition(stored, "Initialized", "", now),
        _condition(stored, "ContainersReady", reason, now),
        _condition(stored, "Ready", reason or ("ReadinessGatesNotReady" if closed else ""), now),
    ]


def _condition(stored: Mapping[str, Object], kind: str, reason_against: str, now: datetime) -> Object:
    """A condition that is True without a reason against it; its time is that of its last change."""
    status = "False" if reason_against else "True"
    before = stored.get(kind, {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    # None removes the reason of an earlier state.
    return {
        "type": kind,
        "status": status,
        "reason": reason_against or None,
        "lastTransitionTime": since or timestamp(now),
    }


def _has(stored: Any, wanted: Any) -> bool:
    """True if *stored* has every field of *wanted*; conditions are found by their type."""
    if isinstance(wanted, dict):
        return isinstance(stored, dict) and all(
            _has(stored.get(key), value) and (key not in _WHOLE or stored.get(key) == value)
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        if wanted and "type" in wanted[0]:
            found = {condition["type"]: condition for condition in stored or []}
            return all(_has(found.get(condition["type"]), condition) for condition in wanted)
        return len(stored or []) == len(wanted) and all(map(_has, stored or [], wanted))
    return bool(stored == wanted)


# Fields from which an entry can be removed: a resize can remove a limit.
_WHOLE = frozenset({"resources", "allocatedResources", "state"})


def _lifetime(pod: Object) -> timedelta | None:
    if pod["spec"].get("restartPolicy", "Always") == "Always":
        return None
    metadata = pod["metadata"]
    if asked := metadata.get("annotations", {}).get(RUN_SECONDS):
        return timedelta(seconds=float(asked))
    if any(owner["kind"] == "Job" for owner in metadata.get("ownerReferences", [])):
        return timedelta(seconds=JOB_SECONDS)
    return None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
