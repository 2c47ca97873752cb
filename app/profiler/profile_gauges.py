"""Gauges of the stored profiles, to plot beside usage: needs, requests and replicas, and connections."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.domain.catalogue import ProfileCatalogue
from app.domain.profiles import ProfileKind, Resource, StoredProfile
from app.domain.workloads import Connection, Workload
from app.profiler.gauge_selection import number_in, select

_WORKLOAD = ("namespace", "workload_kind", "workload")
_CONTAINER = (*_WORKLOAD, "container")
_CONNECTION = tuple(
    f"{end}{label}" for end in ("source", "destination") for label in ("_namespace", "_kind", "")
)


@dataclass(frozen=True, slots=True)
class _ResourceGauges:
    """The name and the help text of each family of one resource."""

    need: tuple[str, str]
    request: tuple[str, str]
    container_need: tuple[str, str]
    container_request: tuple[str, str]


def _resource_gauges(resource: Resource, unit: str) -> _ResourceGauges:
    """The families of *resource*, whose names end in *unit*."""
    amounts = unit.capitalize()
    return _ResourceGauges(
        (f"job_profiler_profile_{resource}_{unit}", f"{amounts} that one replica of the workload needs"),
        (
            f"job_profiler_profile_{resource}_request_{unit}",
            f"{amounts} that one replica of the workload requests, if it requests any",
        ),
        (
            f"job_profiler_container_{resource}_need_{unit}",
            f"{amounts} that the container needs in one replica",
        ),
        (
            f"job_profiler_container_{resource}_request_{unit}",
            f"{amounts} that the container requests in one replica, if it requests any",
        ),
    )


_RESOURCES = {
    ProfileKind.CPU: _resource_gauges(Resource.CPU, "cores"),
    ProfileKind.MEMORY: _resource_gauges(Resource.MEMORY, "bytes"),
}
_REPLICAS = "job_profiler_workload_replicas", "Desired replicas of a workload that runs for long"
_MESSAGES = (
    "job_profiler_connection_messages_per_minute",
    "Mean requests and responses per minute from the source and back, over the last 24 hours",
)
_REQUEST_BYTES = (
    "job_profiler_connection_request_bytes_per_second",
    "Mean bytes per second from the source to the destination, if they are measured",
)
_RESPONSE_BYTES = (
    "job_profiler_connection_response_bytes_per_second",
    "Mean bytes per second from the destination to the source, if they are measured",
)
_LEFT_OUT = (
    "job_profiler_profiles_without_gauges",
    "Profiles without gauges because of MAX_WORKLOAD_SERIES",
)
_LABELS: Mapping[tuple[str, str], tuple[str, ...]] = {
    **{
        family: labels
        for gauges in _RESOURCES.values()
        for family, labels in (
            (gauges.need, _WORKLOAD),
            (gauges.request, _WORKLOAD),
            (gauges.container_need, _CONTAINER),
            (gauges.container_request, _CONTAINER),
        )
    },
    _REPLICAS: _WORKLOAD,
    **dict.fromkeys((_MESSAGES, _REQUEST_BYTES, _RESPONSE_BYTES), _CONNECTION),
    _LEFT_OUT: ("kind",),
}


class ProfileGauges(Collector):
    """The gauges of at most *max_series*, while *is_exported*: one replica exports them.

    Nothing is kept between two collections, so that a profile that goes takes its series with it.
    """

    def __init__(
        self,
        catalogue: ProfileCatalogue,
        is_exported: Callable[[], bool],
        registry: CollectorRegistry,
        max_series: int,
    ) -> None:
        self._catalogue, self._max_series = catalogue, max_series
        self._is_exported = is_exported
        registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """The metric families without samples, as the registry needs them at registration."""
        return list(_families().values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The current values."""
        if not self._is_exported():
            return
        selection = select(self._catalogue, self._max_series)
        families = _families()
        replicas: dict[Workload, int] = {}
        for profile in selection.profiles:
            subject = profile.subject
            if isinstance(subject, Connection):
                _add_connection(families, profile, subject)
                continue
            _add_workload(families, profile, subject)
            if profile.state and profile.state.desired_replicas is not None:
                replicas[subject] = profile.state.desired_replicas
        for workload, count in replicas.items():
            families[_REPLICAS].add_metric(_labels(workload), count)
        for kind, count in selection.left_out.items():
            families[_LEFT_OUT].add_metric([kind], count)
        yield from families.values()


_Families = Mapping[tuple[str, str], GaugeMetricFamily]


def _families() -> _Families:
    return {family: GaugeMetricFamily(*family, labels=labels) for family, labels in _LABELS.items()}


def _labels(workload: Workload) -> list[str]:
    return [workload.namespace, workload.kind, workload.name]


def _add_workload(families: _Families, profile: StoredProfile, workload: Workload) -> None:
    gauges, labels = _RESOURCES[profile.kind], _labels(workload)
    _add(families[gauges.need], labels, profile.value)
    if state := profile.state:
        _add(families[gauges.request], labels, state.request)
        _add_containers(families[gauges.container_need], labels, state.values_by_container)
        _add_containers(families[gauges.container_request], labels, state.requests_by_container)


def _add_containers(family: GaugeMetricFamily, labels: list[str], amounts: Mapping[str, str]) -> None:
    for container, amount in amounts.items():
        _add(family, [*labels, container], amount)


def _add(family: GaugeMetricFamily, labels: list[str], text: str) -> None:
    """Add the number in *text*; what is not known, or no number, has no sample."""
    if text and (value := number_in(text)) is not None:
        family.add_metric(labels, value)


def _add_connection(families: _Families, profile: StoredProfile, connection: Connection) -> None:
    labels = [*_labels(connection.source), *_labels(connection.destination)]
    _add(families[_MESSAGES], labels, profile.value)
    for family, amount in (
        (_REQUEST_BYTES, profile.request_bytes),
        (_RESPONSE_BYTES, profile.response_bytes),
    ):
        if amount is not None:
            families[family].add_metric(labels, amount)
