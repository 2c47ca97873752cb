"""Query results of a fake Prometheus: each is generated once, written to disk, and served from there.

The cluster has meshed Pods, each with the containers `main` and linkerd-proxy, scraped every 30 s, and three
outgoing connections per workload. The numbers are random.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import cycle, islice, product
from operator import add
from pathlib import Path

import msgspec

from app.domain.workloads import Workload
from app.history.samples import STEP_SECONDS
from app.sources.connections.linkerd import READ_BYTES, REQUESTS, RESPONSES, WRITTEN_BYTES
from app.sources.owners import POD_OWNER
from app.sources.pressure import LAST_REASON, PERIODS
from app.sources.queries import CPU_USAGE, MEMORY_USAGE
from benchmarks.stored_profiles import workload

REPLICAS = 2
_SCRAPES_OF_A_STEP = 10
_CONNECTIONS_EACH = 3
_CONTAINERS = ("main", "linkerd-proxy")
_THROTTLED = 20  # one in so many containers
_LEVELS, _VARIANTS = 32, 509  # mean levels, and numbers at each level

Labels = dict[str, str]
Pool = tuple[str, ...]  # the JSON ends of a series' points, in order
Row = tuple[Labels, Pool]


@dataclass(frozen=True, slots=True)
class Replica:
    """A Pod and its owners."""

    workload: Workload
    replica_set: str
    pod: str


@dataclass(frozen=True)
class Population:
    """The Deployments of the cluster, with two Pods each."""

    workloads: int

    @cached_property
    def replicas(self) -> tuple[Replica, ...]:
        """All Pods."""
        return tuple(
            Replica(owner, replica_set, f"{replica_set}-{_hash(f'{replica_set}{number}', 5)}")
            for owner, replica_set in self.replica_sets
            for number in range(REPLICAS)
        )

    @cached_property
    def replica_sets(self) -> tuple[tuple[Workload, str], ...]:
        """One for each Deployment."""
        owners = map(workload, range(self.workloads))
        return tuple((owner, f"{owner.name}-{_hash(str(owner), 10)}") for owner in owners)

    @cached_property
    def connections(self) -> tuple[tuple[Labels, Workload], ...]:
        """The labels of each source, with its destination."""
        return tuple(
            (_source(owner, replica_set), workload((number + other * 7) % self.workloads))
            for number, (owner, replica_set) in enumerate(self.replica_sets)
            for other in range(1, _CONNECTIONS_EACH + 1)
        )


class ReplayedAnswers:
    """Files of query results in *directory*."""

    def __init__(self, population: Population, directory: Path) -> None:
        self._population, self._directory = population, directory
        generator = random.Random(7)  # the same numbers in each run
        shapes = [
            [level * generator.lognormvariate(0, 0.3) for _ in range(_VARIANTS)]
            for level in (generator.lognormvariate(-2.5, 1) for _ in range(_LEVELS))
        ]
        self._cores = [tuple(f'{number:.17g}"]' for number in shape) for shape in shapes]
        self._bytes = [tuple(f'{number * 1e9:.0f}"]' for number in shape) for shape in shapes]

    def file_of(self, query: str, start: int, end: int) -> Path:
        """The file with the result of a range query."""
        key = f"{self._population.workloads} {start} {end} {query}"
        path = self._directory / f"{sha256(key.encode()).hexdigest()}.json"
        if not path.exists():
            unfinished = path.with_suffix(".part")
            with unfinished.open("wb") as file:
                file.writelines(self._answer(query, range(start, end + 1, STEP_SECONDS)))
            unfinished.rename(path)
        return path

    def _answer(self, query: str, moments: range) -> Iterator[bytes]:
        yield b'{"status":"success","data":{"resultType":"matrix","result":['
        point_starts = [f'[{moment},"' for moment in moments]
        for number, (labels, pool) in enumerate(self._rows(query)):
            values = islice(cycle(pool), number % len(pool), None)
            points = ",".join(map(add, point_starts, values))
            metric = msgspec.json.encode(labels).decode()
            yield f'{"," if number else ""}{{"metric":{metric},"values":[{points}]}}'.encode()
        yield b"]}}"

    def _rows(self, query: str) -> Iterable[Row]:
        if "istio_" in query or query.startswith("label_replace("):  # no Pod is young
            return ()
        if "(namespace)(count_over_time" in query:
            return self._load(4 * _CONNECTIONS_EACH if REQUESTS in query else len(_CONTAINERS))
        rows_by_metric: Mapping[str, Callable[[], Iterable[Row]]] = {
            CPU_USAGE: lambda: self._containers(self._cores),
            MEMORY_USAGE: lambda: self._containers(self._bytes),
            PERIODS: lambda: islice(self._containers([_always(0.1)]), 0, None, _THROTTLED),
            LAST_REASON: lambda: (),
            POD_OWNER: self._owners,
            REQUESTS: self._connections,
            "up{": self._proxies,
        }
        return next(rows for metric, rows in rows_by_metric.items() if metric in query)()

    def _load(self, series_of_a_pod: int) -> Iterator[Row]:
        pods = Counter(replica.workload.namespace for replica in self._population.replicas)
        samples = series_of_a_pod * _SCRAPES_OF_A_STEP
        return (({"namespace": namespace}, _always(count * samples)) for namespace, count in pods.items())

    def _containers(self, pools: Sequence[Pool]) -> Iterator[Row]:
        containers = product(self._population.replicas, _CONTAINERS)
        for (replica, container), pool in zip(containers, cycle(pools)):
            namespace = replica.workload.namespace
            yield {"namespace": namespace, "pod": replica.pod, "container": container}, pool

    def _owners(self) -> Iterator[Row]:
        for replica in self._population.replicas:
            owned = {"namespace": replica.workload.namespace, "pod": replica.pod}
            yield owned | {"owner_kind": "ReplicaSet", "owner_name": replica.replica_set}, _always(1)
        for owner, replica_set in self._population.replica_sets:
            owned = {"namespace": owner.namespace, "replicaset": replica_set}
            yield owned | {"owner_kind": owner.kind, "owner_name": owner.name}, _always(1)

    def _connections(self) -> Iterator[Row]:
        """The four rates of each edge, and the number of scrapes of its source."""
        rates = (REQUESTS, RESPONSES, WRITTEN_BYTES, READ_BYTES)
        edges = product(range(len(rates)), self._population.connections)
        for (part, (source, target)), pool in zip(edges, cycle(self._cores)):
            destination = {"dst_namespace": target.namespace, "dst_deployment": target.name}
            yield {"part": str(part)} | source | destination, pool
        for owner, replica_set in self._population.replica_sets:
            yield {"part": str(len(rates))} | _source(owner, replica_set), _always(_SCRAPES_OF_A_STEP)

    def _proxies(self) -> Iterator[Row]:
        for replica in self._population.replicas:
            source = _source(replica.workload, replica.replica_set)
            yield {"part": "0", "pod": replica.pod} | source, _always(1)


def _always(number: float) -> Pool:
    return (f'{number:g}"]',)


def _source(owner: Workload, replica_set: str) -> Labels:
    return {"namespace": owner.namespace, "replicas": replica_set, "deployment": owner.name}


def _hash(text: str, length: int) -> str:
    return sha256(text.encode()).hexdigest()[:length]
