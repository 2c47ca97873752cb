"""What the documents and tables of several commands have in common; pure."""

from decimal import Decimal

from app.decisions.savings import UNITS
from app.domain.profiles import Resource
from app.domain.workloads import Workload

API_VERSION = "job-profiler.liqo.io/v1"
ARROW = "→"
NO_REQUEST = "none"
UNIT_NAMES = {Resource.CPU: "cores", Resource.MEMORY: "GiB"}


def identity(cluster: str, workload: Workload) -> dict[str, str]:
    """The fields of a document that name a workload."""
    named = {"namespace": workload.namespace, "kind": workload.kind, "name": workload.name}
    return ({"cluster": cluster} if cluster else {}) | named


def number(value: Decimal | None) -> float | int | None:
    """A JSON number: a whole one where it is."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def in_units(resource: Resource, value: Decimal) -> float:
    """The amount in cores or GiB, as `UNIT_NAMES` has them, with three decimals."""
    return round(float(value / UNITS[resource]), 3)
