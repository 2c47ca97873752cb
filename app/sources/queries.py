"""What is asked of containers, and the words of every query; pure text.

Each text is evaluated at the ends of aligned 5-minute steps and looks back over exactly one step. Series are
named by `selector` alone: it leaves out those of other clusters.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from app.domain.profiles import Resource

CONTAINER_LABELS = ("namespace", "pod", "container")
LOAD_LABELS = ("namespace",)

CPU_USAGE = "container_cpu_usage_seconds_total"
MEMORY_USAGE = "container_memory_working_set_bytes"

WINDOW = "5m"
# cAdvisor counts the whole Pod (no container name) and its pause container too; both would count twice.
_CONTAINERS = ('container!=""', 'container!="POD"')
Matchers = tuple[str, ...]
_REGEX_SYNTAX = frozenset(r"\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of all namespaces: those *only* named (None means all) that are not in *without*."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def covers(self, namespace: str) -> bool:
        """True where *namespace* is in this part."""
        return namespace not in self.without and (self.only is None or namespace in self.only)


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that are profiled: those *included* (None means all) that are not *excluded*.

    Where several clusters share a Prometheus, the value of `cluster_label` tells ours; empty: it is alone.
    """

    included: Collection[str] | None = None
    excluded: Collection[str] = ()
    cluster: str = ""
    cluster_label: str = "cluster"

    @property
    def is_empty(self) -> bool:
        """True where no namespace is profiled, and nothing is to be asked."""
        return self.included is not None and not any(map(self.covers, self.included))

    def covers(self, namespace: str) -> bool:
        """True where *namespace* is profiled."""
        return namespace not in self.excluded and (self.included is None or namespace in self.included)

    def narrowed(self, shard: Shard) -> "Scope":
        """The same scope without the namespaces that are not in *shard*."""
        only = self.included if shard.only is None else shard.only
        without = {*self.excluded, *shard.without} if shard.without else self.excluded
        return replace(self, included=only, excluded=without)

    def covers_edge(self, source: str, destination: str) -> bool:
        """True where one end is profiled and none is excluded."""
        excluded = source in self.excluded or destination in self.excluded
        return not excluded and (self.covers(source) or self.covers(destination))


def container_usage(resource: Resource, scope: Scope) -> str:
    """CPU: mean cores over the step; memory: maximum of the working set over the step.

    The kubelet may be scraped twice, hence the maximum over the duplicates of one container.
    """
    over_step, metric = {
        Resource.CPU: ("rate", CPU_USAGE),
        Resource.MEMORY: ("max_over_time", MEMORY_USAGE),
    }[resource]
    return aggregate("max", CONTAINER_LABELS, f"{over_step}({of_containers(metric, scope)}[{WINDOW}])")


def container_load(scope: Scope) -> str:
    """How many samples a step of one question on containers loads in each namespace."""
    counts = f"count_over_time({of_containers(MEMORY_USAGE, scope)}[{WINDOW}])"
    return aggregate("sum", LOAD_LABELS, counts)


def of_containers(metric: str, scope: Scope, *matchers: str) -> str:
    """The series of *metric* of the containers in scope that all *matchers* fit."""
    namespaces = (*included("namespace", scope), *excluded("namespace", scope))
    return selector(metric, (*_CONTAINERS, *matchers, *namespaces), scope)


def aggregate(operator: str, labels: Iterable[str], expression: str) -> str:
    """One series for each combination of *labels*."""
    return f"{operator} by ({','.join(labels)})({expression})"


def selector(metric: str, matchers: Iterable[str], scope: Scope) -> str:
    """The series of *metric* in our cluster that all *matchers* fit."""
    ours = [f'{scope.cluster_label}="{escape_label_value(scope.cluster)}"'] if scope.cluster else []
    return f"{metric}{{{','.join((*matchers, *ours))}}}"


def included(label: str, scope: Scope) -> tuple[str, ...]:
    """The matcher of the namespaces that are included, if they are named; where none is, nothing fits it."""
    return _matcher(label, "=", () if scope.included is None else scope.included or ("",))


def excluded(label: str, scope: Scope) -> tuple[str, ...]:
    """The matcher that leaves out the excluded namespaces, if there are any; no label passes it."""
    return _matcher(label, "!", scope.excluded)


def of_shard(label: str, scope: Scope, shard: Shard) -> Matchers:
    """The matchers of all namespaces of *shard* but the excluded ones, whether they are included or not."""
    everywhere = replace(scope, included=None).narrowed(shard)
    return (*included(label, everywhere), *excluded(label, everywhere))


def _matcher(label: str, sign: str, values: Iterable[str]) -> tuple[str, ...]:
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
    """*text* as it stands between the double quotes of a matcher."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def escape_regex(text: str) -> str:
    """A regular expression (RE2, anchored by Prometheus) that matches *text* alone."""
    return "".join(f"\\{character}" if character in _REGEX_SYNTAX else character for character in text)
