"""The figures of a cluster's workloads from its stored profiles, and the objects that they rest on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.command_line.cluster_objects import ClusterObjects, in_namespaces
from app.command_line.releases import with_variables
from app.decisions.figures import WorkloadFigures, read_workloads
from app.decisions.live import with_live
from app.decisions.savings import Prices
from app.decisions.scaling_targets import Autoscalers
from app.domain.profiles import RiskLevel
from app.domain.workloads import CRON_JOB, JOB, Workload
from app.kubernetes.list_options import Object
from app.kubernetes.workloads import WORKLOAD_KINDS
from app.rightsizing.governors import Governor
from app.settings.environment import Settings
from app.task_group import task_group

_IF_REFUSED = "have the requests and replicas that their profiles state"
_PRICES = ("cpu_price", "memory_price")


@dataclass(frozen=True, slots=True)
class StoredFigures:
    """The figures in the namespaces that are asked for, all autoscalers, and the CPU and memory profiles."""

    figures: Sequence[WorkloadFigures]
    governors: Mapping[Workload, Sequence[Governor]]
    manifests: Sequence[Object]
    scaling: Autoscalers


async def read_stored_figures(
    objects: ClusterObjects, risk: RiskLevel | None = None, cluster: str = ""
) -> StoredFigures:
    """The figures of one cluster, with the requests and replicas of now, as far as the user may list them.

    Raises:
        ClusterError: the profiles can't be listed.
    """
    covers = in_namespaces(objects.namespaces)
    async with task_group() as tasks:
        profiles = tasks.create_task(objects.profiles())
        governors = tasks.create_task(objects.governors())
        scaling = tasks.create_task(objects.scaling_targets())
    manifests = [manifest for listed in profiles.result().values() for manifest in listed]
    figures = [each for each in read_workloads(manifests, risk, cluster) if covers(each.workload.namespace)]
    listing = replace(objects, if_refused=_IF_REFUSED)
    records = await listing.records(_kinds_of(figures))
    return StoredFigures(with_live(figures, records), governors.result(), manifests, scaling.result())


def _kinds_of(figures: Iterable[WorkloadFigures]) -> list[str]:
    """The kinds to list; a Job never changes its Pod template, so what its profile has is that of now."""
    wanted = {each.workload.kind for each in figures if each.workload.kind != JOB or not each.has_template}
    return [kind for kind in (*WORKLOAD_KINDS, CRON_JOB) if kind in wanted]


def with_prices(settings: Settings, objects: ClusterObjects) -> Settings:
    """The *settings* with the prices of the installed release, unless any is given."""
    if settings.cpu_price or settings.memory_price:
        return settings
    return with_variables(settings, objects.variables, _PRICES)


def prices_of(settings: Settings) -> Prices:
    """The prices of the settings; 0 is none."""
    return Prices(_price(settings.cpu_price), _price(settings.memory_price))


def _price(price: float) -> Decimal | None:
    return Decimal(repr(price)) if price else None
