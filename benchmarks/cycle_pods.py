"""Memory and writes of the profiler in a cluster of 150,000 Pods: `make bench-pods`.

The benchmark runs `serve` in the profiler role. The first leader finds no stored profiles: it lists Pods in
pages, reads past usage from a real Prometheus, and writes every profile. Then the Pods get the annotations of
the webhook, and a second leader takes over, with back-fill. One of its cycles folds a new step of all Pods,
and the next one finds no new samples. A fake API server keeps objects in memory, with pages, versions and
watches. There is no webhook: the self-probe is off, and cert-manager is set as the certificate provider.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import msgspec
import uvloop
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from app.domain.annotation_index import AnnotationIndex
from app.domain.catalogue import ProfileCatalogue
from app.domain.custom_resources import KINDS
from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY
from app.kubernetes.checkpoint_maps import PREFIX as CHECKPOINT
from app.kubernetes.status_map import NAME as STATUS_MAP
from benchmarks.cycle_sizes import machine
from benchmarks.past_usage import RunningPast, Size, owned_pods, past_of
from benchmarks.rig import ROOT, image_settings
from tests.cluster.loopback_http import answers, request
from tests.cluster.processes import Process, free_ports
from tests.cluster.waiting import wait_until

LIMIT_MEGABYTES = 700
_PAST_STEPS, _AHEAD_STEPS = 14, 9

Object = dict[str, Any]
_PATH = re.compile(
    r"/(?:api|apis/[^/]+)/v[^/]+(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)"
    r"(?:/(?P<name>[^/]+)(?P<status>/status)?)?"
)
_PROFILES = {kind.plural: resource for resource, kind in KINDS.items()}
_PRECONDITIONS = ("uid", "resourceVersion")
_KEPT_CHANGES = 20_000
_SHOWN_WARNINGS = 20


class ObjectServer:
    """A fake API server; `writes` counts the writes by kind of object."""

    def __init__(self) -> None:
        self.writes: Counter[str] = Counter()
        [self._port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self._port}"
        self._version = 0
        # By the plural of a kind: objects by namespace and name, the newest changes, open watches.
        self._objects: defaultdict[str, dict[tuple[str, str], Object]] = defaultdict(dict)
        self._changes = defaultdict[str, deque[tuple[int, bytes]]](lambda: deque(maxlen=_KEPT_CHANGES))
        self._watches: defaultdict[str, set[asyncio.Queue[bytes]]] = defaultdict(set)

    def put(self, plural: str, manifest: Object) -> None:
        """Stores an object without notifying watches."""
        self._version += 1
        metadata = manifest["metadata"]
        metadata["resourceVersion"] = str(self._version)
        metadata.setdefault("uid", str(UUID(int=self._version)))
        self._objects[plural][metadata.get("namespace", ""), metadata["name"]] = manifest

    def objects(self, plural: str) -> Iterable[Object]:
        """All objects of one resource."""
        return self._objects[plural].values()

    @contextmanager
    def served(self) -> Iterator[None]:
        """Serves on loopback in a thread until the context ends."""
        loop = uvloop.new_event_loop()
        thread = Thread(target=loop.run_forever)
        thread.start()
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1, handler_cancellation=True)
        try:
            asyncio.run_coroutine_threadsafe(runner.setup(), loop).result()
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            asyncio.run_coroutine_threadsafe(site.start(), loop).result()
            yield
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = _PATH.fullmatch(request.path)
        if path is None:
            return _respond({"resources": [{"name": "cronjobs"}]})  # discovery of one API group
        if request.method != "GET":
            return await self._change(request, path)
        if path["name"]:
            manifest = self._objects[path["plural"]].get((path["namespace"] or "", path["name"]))
            return _respond(manifest) if manifest else _respond({}, 404)
        if request.query.get("watch"):
            return await self._watch(request, path["plural"])
        return self._page(request, path["plural"])

    def _page(self, request: web.Request, plural: str) -> web.Response:
        items = list(self.objects(plural))
        if label := request.query.get("labelSelector"):  # for check-points and Namespaces (there are none)
            items = [item for item in items if label in item["metadata"].get("labels", ())]
        version, _, start = request.query.get("continue", f"{self._version}.0").partition(".")
        end = int(start) + int(request.query.get("limit") or len(items))
        more = f"{version}.{end}" if end < len(items) else ""
        items = items[int(start) : end]
        if "as=PartialObjectMetadataList" in request.headers["Accept"]:
            items = [{"metadata": item["metadata"]} for item in items]
        metadata = {"resourceVersion": version, "continue": more}
        return _respond({"kind": "List", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        for version, line in self._changes[plural]:
            if version > int(request.query["resourceVersion"]):
                queue.put_nowait(line)
        self._watches[plural].add(queue)
        try:
            with suppress(TimeoutError, ConnectionResetError):
                async with asyncio.timeout(float(request.query["timeoutSeconds"])):
                    while True:
                        await response.write(await self._next_line(queue))
        finally:
            self._watches[plural].discard(queue)
        return response

    async def _next_line(self, queue: asyncio.Queue[bytes]) -> bytes:
        try:
            return await asyncio.wait_for(queue.get(), 50)
        except TimeoutError:
            return _line("BOOKMARK", {"metadata": {"resourceVersion": str(self._version)}})

    async def _change(self, request: web.Request, path: re.Match[str]) -> web.Response:
        """Applies a write; responds 404 or 409 if its object or version does not exist."""
        body: Object = msgspec.json.decode(await request.read() or b"{}")
        plural, metadata = path["plural"], body.get("metadata", {})
        key = (path["namespace"] or "", path["name"] or metadata["name"])
        before = self._objects[plural].get(key)
        applies = request.content_type == "application/apply-patch+yaml"
        if before is None and request.method != "POST" and not (applies and not path["status"]):
            return _respond({}, 404)
        required, stored = metadata | body.get("preconditions", {}), before["metadata"] if before else {}
        is_conflict = any(required.get(key, stored.get(key)) != stored.get(key) for key in _PRECONDITIONS)
        if is_conflict or (before and request.method == "POST"):
            return _respond({}, 409)
        self.writes[_kind_of(plural, key[1], is_status=bool(path["status"]))] += 1
        if request.method == "DELETE":
            self._objects[plural].pop(key)
            return _respond({})
        after = _merge(before or {}, body) if request.method == "PATCH" else body
        self.put(plural, after)
        line = _line("MODIFIED" if before else "ADDED", after)
        self._changes[plural].append((self._version, line))
        for queue in self._watches[plural]:
            queue.put_nowait(line)
        return _respond(after)


def _merge(target: Object, patch: Object) -> Object:
    """JSON merge patch (RFC 7386); equals a server-side apply that removes no field."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged


def _kind_of(plural: str, name: str, *, is_status: bool) -> str:
    if plural in _PROFILES:
        return "status" if is_status else "profiles"
    return "check-points" if name.startswith(CHECKPOINT) else plural


def _line(kind: str, manifest: Object) -> bytes:
    return msgspec.json.encode({"type": kind, "object": manifest}) + b"\n"


def _respond(document: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(document), status=status, content_type="application/json")


# Managed fields, which are half of the size of a Pod's metadata.
_FIELDS: Object = {f"f:{number}": {"f:status": {}, "f:lastTransitionTime": {}} for number in range(16)}
_MANAGED = [
    {"manager": manager, "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": _FIELDS}}
    for manager in ("kube-controller-manager", "kubelet")
]


def fill(server: ObjectServer, owned: Mapping[tuple[str, str], str]) -> None:
    """Stores the Pods, which are *owned* by ReplicaSets, their Deployments, and the objects of the chart."""
    for (namespace, pod), replica_set in owned.items():
        deployment, _, template = replica_set.rpartition("-")
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": replica_set, "controller": True}
        labels = {f"app.kubernetes.io/{key}": deployment for key in ("name", "instance", "part-of")}
        metadata = {
            "name": pod,
            "namespace": namespace,
            "generateName": f"{replica_set}-",
            "labels": labels | {"pod-template-hash": template},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "ownerReferences": [owner | {"blockOwnerDeletion": True, "uid": str(UUID(template.zfill(32)))}],
            "managedFields": _MANAGED,
        }
        server.put("pods", {"metadata": metadata})
    for namespace, name in {(pod[0], owner.rpartition("-")[0]) for pod, owner in owned.items()}:
        container = {"name": "app", "image": f"registry.example/{name}:1.4.2", "imagePullPolicy": "Always"}
        metadata = {"name": name, "namespace": namespace, "managedFields": _MANAGED}
        spec = {"template": {"spec": {"containers": [container]}}}
        server.put("deployments", {"metadata": metadata, "spec": spec})
    for plural, name in (("configmaps", STATUS_MAP), ("leases", "job-profiler")):
        server.put(plural, {"metadata": {"name": name, "namespace": "profiling"}})


def annotate(server: ObjectServer) -> None:
    """Adds the annotations that the webhook adds when a Pod is created."""
    catalogue = ProfileCatalogue()
    for plural, resource in _PROFILES.items():
        catalogue.replace(resource, server.objects(plural))
    index = AnnotationIndex(catalogue, max_connections=64)
    for pod in server.objects("pods"):
        deployment = pod["metadata"]["labels"]["app.kubernetes.io/name"]
        workload = Workload(pod["metadata"]["namespace"], deployment)
        pod["metadata"]["annotations"] |= index.annotations(workload)


@dataclass(frozen=True, slots=True)
class Cycle:
    """The activity from the end of the previous cycle to the end of this one."""

    leader: str
    seconds: float
    samples: int
    queries: int
    writes: Counter[str]
    peak_megabytes: float

    @property
    def counted_writes(self) -> int:
        """All writes but those of Leases and check-points."""
        return self.writes.total() - self.writes["leases"] - self.writes["check-points"]

    def __str__(self) -> str:
        """A row of the table."""
        kinds = [self.writes[kind] for kind in ("profiles", "status", "pods", "check-points", "leases")]
        others = self.counted_writes - sum(kinds[:3])
        figures = (self.samples, self.queries, *kinds[:3], others, *kinds[3:])
        columns = " | ".join(f"{figure:,}" for figure in figures)
        return f"| {self.leader} | {self.seconds:.1f} s | {columns} | {self.peak_megabytes:.0f} MB |"


_HEAD = """\
| leader | cycle | samples | queries | profiles | status | Pods | others | check-points | Leases | peak |
|---|---|---|---|---|---|---|---|---|---|---|"""
_CYCLES = "job_profiler_cycle_duration_seconds_count"
_FIGURES = (
    "job_profiler_cycle_duration_seconds_sum",
    "job_profiler_samples_folded_total",
    "job_profiler_prometheus_queries_total",
)


class Leader:
    """A running profiler, observed through its metrics and its writes."""

    def __init__(self, process: Process, url: str, server: ObjectServer) -> None:
        self._process, self._metrics_url, self._server = process, f"{url}/metrics", server
        self._figures: defaultdict[str, float] = defaultdict(float)
        self._writes = server.writes.copy()

    def cycle(self) -> Cycle:
        """Waits for the end of the next cycle."""
        figures_before, writes_before = self._figures, self._writes
        wait_until(self._has_finished, 1200, "the end of a cycle", despite=(OSError,))
        self._writes = self._server.writes.copy()
        seconds, samples, queries = (self._figures[name] - figures_before[name] for name in _FIGURES)
        writes = self._writes - writes_before
        return Cycle(self._process.name, seconds, int(samples), int(queries), writes, self._take_peak())

    def _has_finished(self) -> bool:
        figures: defaultdict[str, float] = defaultdict(float)
        for family in text_string_to_metric_families(request(self._metrics_url).decode()):
            for sample in family.samples:
                figures[sample.name] += sample.value
        if finished := figures[_CYCLES] > self._figures[_CYCLES]:
            self._figures = figures
        return finished

    def _take_peak(self) -> float:
        """The peak resident memory since the last call, in megabytes."""
        process = Path(f"/proc/{self._process.pid}")
        [kibibytes] = re.findall(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
        (process / "clear_refs").write_text("5")
        return int(kibibytes) * 1024 / 1e6


@contextmanager
def leader(
    name: str, server: ObjectServer, past: RunningPast, directory: Path, **more: str
) -> Iterator[Leader]:
    """Runs a profiler, which acquires the Lease, and releases it when it stops."""
    kubeconfig = directory / "kubeconfig"
    entries = {
        "cluster": {"server": server.url},
        "user": {"token": "-"},
        "context": {"cluster": "bench", "user": "bench"},
    }
    content: Object = {f"{kind}s": [{"name": "bench", kind: entry}] for kind, entry in entries.items()}
    kubeconfig.write_bytes(msgspec.json.encode(content | {"current-context": "bench"}))
    [port] = free_ports(1)
    settings = {
        "ROLE": "profiler",
        "KUBECONFIG": str(kubeconfig),
        "PROMETHEUS_URL": past.url,
        "HISTORY_DAYS": "1",
        "BACKGROUND_ROUTINE_UPDATE_TIME": "60",
        "PROFILE_WRITE_RATE": "1000",
        "CERTIFICATE_PROVIDER": "cert-manager",
        "PROBE_ENABLED": "false",
        "BIND_ADDRESS": "127.0.0.1",
        "HEALTH_PORT": str(port),
        "PYTHONPATH": str(ROOT),
        **image_settings(),
    } | more
    environment = [f"{key}={value}" for key, value in settings.items()]
    process = Process(name, ["env", *environment, sys.executable, "-m", "app", "serve"], directory)
    url = f"http://127.0.0.1:{port}"
    process.start(lambda: answers(f"{url}/livez"), within_seconds=60)
    try:
        yield Leader(process, url, server)
    finally:
        process.stop()
        for warning in _warnings(process.log):
            print(f"  {name}: {warning}", file=sys.stderr)


def _warnings(log: Path) -> list[str]:
    """The first lines of a leader's log that are warnings or errors: what made its figures differ."""
    lines = log.read_text(errors="replace").splitlines()
    return [line for line in lines if '"level":"info"' not in line.replace(" ", "")][:_SHOWN_WARNINGS]


def cycles(past: RunningPast, owned: Mapping[tuple[str, str], str], directory: Path) -> Iterator[Cycle]:
    """Yields the first leader's cycle, then the second leader's up to the cycle after a steady one."""
    fill(server := ObjectServer(), owned)
    with server.served():
        with leader("first", server, past, directory, BACKFILL_ENABLED="false") as first:
            yield first.cycle()
        annotate(server)
        with leader("next", server, past, directory) as second:
            yield second.cycle()
            is_steady = False
            while not is_steady:
                yield (cycle := second.cycle())
                is_steady = cycle.samples == 2 * len(owned)
            yield second.cycle()


def main() -> None:
    """Prints a row for each cycle; fails if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--replicas", type=int, default=15)
    options = parser.parse_args()
    days = (_PAST_STEPS + _AHEAD_STEPS) / STEPS_PER_DAY
    size = Size(options.workloads, options.replicas, days, STEP_SECONDS)
    finished: list[Cycle] = []
    print(f"{machine()}\n\n{_HEAD}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-pods-") as name,
        past_of(size, Path(name), ahead_steps=_AHEAD_STEPS) as past,
    ):
        owned = owned_pods(past)
        for cycle in cycles(past, owned, Path(name)):
            finished.append(cycle)
            print(cycle, flush=True)
    cold, unchanged = finished[0], finished[-1]
    peak = max(cycle.peak_megabytes for cycle in finished[1:])
    summary = (
        f"cold peak {cold.peak_megabytes:.0f} MB; steady peak {peak:.0f} MB (limit {LIMIT_MEGABYTES} MB);"
        f" unchanged cycle: {unchanged.counted_writes} writes"
    )
    print(f"\n{len(owned)} Pods: {summary}")
    if peak > LIMIT_MEGABYTES or unchanged.samples or unchanged.counted_writes:
        sys.exit(1)


if __name__ == "__main__":
    main()
