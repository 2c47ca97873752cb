"""PromQL texts on containers' usage, and the selectors and matchers of all queries; pure.

A query is evaluated at the ends of aligned 5-minute steps and looks back over exactly one step. Every
selector is built by `selector`, which excludes the series of other clusters.

`rate` divides by the whole step, also for a container that ran for a part of it. A series that is younger
than two steps is marked: its usage is the slope between the first and the last sample seen. That is asked for
by the names of Pods, since the times of samples take a server 30 times as long as a rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from app.domain.namespaces import NamespaceSelection
from app.domain.profiles import Resource

CONTAINER_LABELS = ("namespace", "pod", "container")
CORE_LABEL = "cpu"
# The profiler's own label on the marks of young series: scraped ones have none with this beginning.
YOUNG_LABEL, YOUNG = "__young", "young"
CORE_LABELS = (*CONTAINER_LABELS, CORE_LABEL)
LOAD_LABELS = ("namespace",)
LOAD_OF = "__load"  # the profiler's own label
CONTAINER_LOAD_LABELS = ("namespace", "job", LOAD_OF)

CPU_USAGE = "container_cpu_usage_seconds_total"
MEMORY_USAGE = "container_memory_working_set_bytes"
CONTAINER_REQUESTS = "kube_pod_container_resource_requests"
CONTAINER_LIMITS = "kube_pod_container_resource_limits"

WINDOW, TWO_WINDOWS = "5m", "10m"
# The points at which a slope looks for samples: those of a step and, in every version, its begin.
_POINTS = "[301s:15s]"
# The ends of six steps. None lies on the begin of the range, which only some versions would count.
_LAST_STEPS = f"[26m:{WINDOW}]"
# cAdvisor also has series for the whole Pod (no container name) and its pause container: both count twice.
_CONTAINERS = ('container!=""', 'container!="POD"')
# VictoriaMetrics refuses texts of more than 16 KiB; a part is left to names in other alphabets.
MAX_QUERY_CHARACTERS = 16_000
_MAX_DESTINATION_CHARACTERS, _MAX_NAME_CHARACTERS = 200, 14_000
Matchers = tuple[str, ...]
_ESCAPED = str.maketrans({character: f"\\{character}" for character in r"\.+*?()|[]{}^$"})


Shard: TypeAlias = NamespaceSelection  # of the namespaces of one query
ABSENT = '""'  # the name of a cluster whose series lack the label


@dataclass(frozen=True, slots=True)
class ClusterName:
    """The value of a label on the series of this cluster; empty if no setting names it."""

    name: str = ""
    label: str = "cluster"


@dataclass(frozen=True, slots=True)
class Scope(NamespaceSelection):
    """The profiled namespaces of one cluster.

    If several clusters share a Prometheus, series of this cluster have the value *cluster* in the label
    *cluster_label*, or *cluster* is ABSENT and they lack it. An empty *cluster* means that no setting names
    it; *cluster_matchers* are those that its Pods showed, and *mesh_cluster* is its name in the labels of a
    mesh. *cadvisor_matchers* select the series of the kubelets' cAdvisor among series of the same names,
    *state_matchers* those of kube-state-metrics. *state_reporter* is the namespace whose targets are trusted
    on objects where scraping renamed the labels; empty if none is.
    """

    cluster: str = ""
    cluster_label: str = "cluster"
    cadvisor_matchers: Matchers = ()
    state_matchers: Matchers = ()
    state_reporter: str = ""
    cluster_matchers: Matchers = ()
    mesh_cluster: str = ""

    @property
    def cluster_value(self) -> str:
        """The value of the label, if a setting names the cluster."""
        return "" if self.cluster == ABSENT else self.cluster

    @property
    def is_empty(self) -> bool:
        """True if no namespace is profiled, so that there is nothing to query."""
        return self.included is not None and not any(map(self.covers, self.included))

    def within(self, shard: Shard) -> "Scope":
        """The same scope without the namespaces outside *shard*."""
        included = self.included if shard.included is None else shard.included
        excluded = {*self.excluded, *shard.excluded} if shard.excluded else self.excluded
        return replace(self, included=included, excluded=excluded)

    def restricted_to(self, namespaces: NamespaceSelection) -> "Scope":
        """The same scope without the namespaces outside *namespaces*."""
        common = self.intersection(namespaces)
        return replace(self, included=common.included, excluded=common.excluded)

    def covers_edge(self, source: str, destination: str) -> bool:
        """True if the namespace of an endpoint is profiled and neither is excluded."""
        excluded = source in self.excluded or destination in self.excluded
        return not excluded and (self.covers(source) or self.covers(destination))


def container_usage(resource: Resource, scope: Scope) -> str:
    """The query on usage per step: mean CPU cores, or the maximum of the working set in bytes.

    A container may have several series: it was restarted, the kubelet is scraped twice, a runtime has two
    cgroups for it. The largest of them counts; CPU by core, which are then to be added up.
    """
    if resource is Resource.CPU:
        return _rates_and_marks(cadvisor_selector(CPU_USAGE, scope))
    largest = f"max_over_time({cadvisor_selector(MEMORY_USAGE, scope)}[{WINDOW}])"
    return aggregate("max", usage_labels(resource), largest)


def container_series(resource: Resource, scope: Scope) -> tuple[str, ...]:
    """The queries on the same usage that have all series of a container; of CPU, that on the marks is apart.

    For many steps: to aggregate series takes a server twice as long as to read them, at each step anew, and
    so does `or`; the labels of a series are sent once.
    """
    if resource is Resource.CPU:
        series = cadvisor_selector(CPU_USAGE, scope)
        return f"rate({series}[{WINDOW}])", _marks(series)
    return (f"max_over_time({cadvisor_selector(MEMORY_USAGE, scope)}[{WINDOW}])",)


def usage_labels(resource: Resource) -> tuple[str, ...]:
    """The labels of the series of `container_usage`."""
    return (*CORE_LABELS, YOUNG_LABEL) if resource is Resource.CPU else CONTAINER_LABELS


def _rates_and_marks(series: str) -> str:
    """The rates by container and core, and a mark for those with a series that is young.

    Both are aggregated apart, since a server hashes the labels of all that `or` joins.
    """
    rates = aggregate("max", CORE_LABELS, f"rate({series}[{WINDOW}])")
    return f"{rates} or {_marks(series)}"


def _marks(series: str) -> str:
    """A mark for each container and core with a series that is young."""
    return f'label_replace({aggregate("max", CORE_LABELS, young(series))},"{YOUNG_LABEL}","{YOUNG}","","")'


def young(series: str) -> str:
    """The *series* with samples in one or two of the last six steps.

    They are counted, since a comparison with the same series earlier costs a server more.
    """
    return f"count_over_time(last_over_time({series}[{WINDOW}]){_LAST_STEPS}) < 3"


def cpu_slopes(pods: Iterable[str], scope: Scope) -> str:
    """The query on the slopes of the series of *pods*, of which some are young."""
    series = cadvisor_selector(CPU_USAGE, scope, *equal_matchers("pod", pods))
    return aggregate("max", CORE_LABELS, f"{slope(series)} > 0")


def slope(series: str) -> str:
    """The increase between two samples, divided by the time between them.

    These are the first and the last sample of a step; in place of the first, the last one before the step if
    there is one. After a reset the slope is too small.
    """
    return f"{_difference(series)} / delta(timestamp({series}){_POINTS})"


def ratio(first: str, second: str) -> str:
    """The increase of *first* by that of *second*, between the same samples as `slope`."""
    return f"{_difference(first)} / {_difference(second)}"


def _difference(series: str) -> str:
    """The increase, extrapolated as all of the same samples are.

    VictoriaMetrics would count the first value of a new series too, if it were not a large one.
    """
    return f"delta(({series} + 1e9){_POINTS})"


def with_short_names(scope: Scope, *, occurrences: int) -> Scope:
    """The same scope; all namespaces if the names are too long for a text that has all of them so often."""
    names = (*(scope.included or ()), *scope.excluded)
    if occurrences * (sum(map(len, names)) + len(names)) <= _MAX_NAME_CHARACTERS:
        return scope
    return replace(scope, included=None, excluded=())


def container_load(scope: Scope, clusters: Iterable[str] = ()) -> str:
    """The query on the samples of memory in one step, by namespace and scrape job, and on those of CPU.

    They are counted by the labels of *clusters*, too.
    """
    labels = (*CONTAINER_LOAD_LABELS[:-1], *clusters)
    memory, cpu = (
        aggregate("sum", labels, f"count_over_time({cadvisor_selector(metric, scope)}[{WINDOW}])")
        for metric in (MEMORY_USAGE, CPU_USAGE)
    )
    return f'{memory} or label_replace({cpu},"{LOAD_OF}","{Resource.CPU.value}","","")'


def cadvisor_selector(metric: str, scope: Scope, *matchers: str) -> str:
    """The selector of cAdvisor's series of *metric* that match *matchers*, of the containers in scope."""
    return container_selector(metric, scope, *scope.cadvisor_matchers, *matchers)


def container_selector(metric: str, scope: Scope, *matchers: str) -> str:
    """The selector of the series of *metric* that match *matchers*, of the containers in scope."""
    return selector(metric, (*_CONTAINERS, *matchers, *namespace_matchers("namespace", scope)), scope)


def aggregate(operator: str, labels: Iterable[str], expression: str) -> str:
    """The aggregation of *expression* to one series for each combination of *labels*."""
    return f"{operator} by ({','.join(labels)})({expression})"


def selector(metric: str, matchers: Iterable[str], scope: Scope) -> str:
    """The selector of the series of *metric* in this cluster that match *matchers*."""
    named = equal_matchers(scope.cluster_label, (scope.cluster_value,) if scope.cluster else ())
    return f"{metric}{{{','.join((*matchers, *named, *scope.cluster_matchers))}}}"


def namespace_matchers(label: str, scope: Scope) -> Matchers:
    """The matcher of the namespaces in scope; none if all are. If no namespace is, no series matches it."""
    if scope.included is None:
        return excluded_matchers(label, scope)
    return _matchers(label, "=", [name for name in scope.included if scope.covers(name)] or ("",))


def equal_matchers(label: str, values: Iterable[str]) -> Matchers:
    """The matcher of series whose *label* has one of *values*; none without values."""
    return _matchers(label, "=", values)


def unequal_matchers(label: str, values: Iterable[str]) -> Matchers:
    """The matcher of series whose *label* has none of *values*; none without values."""
    return _matchers(label, "!", values)


def excluded_matchers(label: str, scope: Scope) -> Matchers:
    """The matcher that excludes namespaces; none if none is. Series without *label* match it."""
    return unequal_matchers(label, scope.excluded)


def destination_matchers(label: str, scope: Scope) -> Matchers:
    """The matcher that excludes edges to excluded namespaces; if they are many, `covers_edge` does it."""
    matchers = excluded_matchers(label, scope)
    return matchers if sum(map(len, matchers)) <= _MAX_DESTINATION_CHARACTERS else ()


def shard_matchers(label: str, scope: Scope, shard: Shard) -> Matchers:
    """The matcher of all namespaces of *shard* but the excluded ones; they need not be included."""
    return namespace_matchers(label, replace(scope, included=None).within(shard))


def _matchers(label: str, sign: str, values: Iterable[str]) -> Matchers:
    """No matcher for no value, an exact one for one value, a regular expression for more."""
    match sorted(set(values)):
        case []:
            return ()
        case [value]:
            operator = "=" if sign == "=" else "!="
            return (f'{label}{operator}"{escape_label_value(value)}"',)
        case several:
            pattern = "|".join(map(escape_regex, several))
            return (f'{label}{sign}~"{escape_label_value(pattern)}"',)


def escape_label_value(text: str) -> str:
    """*text* as it is written between the double quotes of a matcher."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def escape_regex(text: str) -> str:
    """A regular expression (RE2, anchored by Prometheus) that matches only *text*."""
    return text.translate(_ESCAPED)
