"""What is asked of containers and their owners, and the words of every query; pure text.

Each text is evaluated at the ends of aligned 5-minute steps and looks back over exactly one step.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.profiles import Resource

CONTAINER_LABELS = ("namespace", "pod", "container")

CPU_USAGE = "container_cpu_usage_seconds_total"
MEMORY_USAGE = "container_memory_working_set_bytes"

POD_OWNER, REPLICASET_OWNER, JOB_OWNER = "kube_pod_owner", "kube_replicaset_owner", "kube_job_owner"
OWNER_LABELS = {
    POD_OWNER: ("namespace", "pod", "owner_kind", "owner_name"),
    REPLICASET_OWNER: ("namespace", "replicaset", "owner_kind", "owner_name"),
    JOB_OWNER: ("namespace", "job_name", "owner_kind", "owner_name"),
}

WINDOW = "5m"
# cAdvisor counts the whole Pod (no container name) and its pause container too; both would count twice.
_CONTAINERS = ('container!=""', 'container!="POD"')
_REGEX_SYNTAX = frozenset(r"\.+*?()|[]{}^$")


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that are profiled: those *included* (none named means all) that are not *excluded*."""

    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    def covers(self, namespace: str) -> bool:
        """True where *namespace* is profiled."""
        return namespace not in self.excluded and (not self.included or namespace in self.included)

    def covers_edge(self, source: str, destination: str) -> bool:
        """True where one end is profiled and none is excluded."""
        excluded = source in self.excluded or destination in self.excluded
        return not excluded and (self.covers(source) or self.covers(destination))


def container_usage(resource: Resource, scope: Scope) -> str:
    """CPU: mean cores over the step; memory: maximum of the working set over the step.

    The kubelet may be scraped twice, hence the maximum over the duplicates of one container.
    """
    matchers = (*_CONTAINERS, *included("namespace", scope), *excluded("namespace", scope))
    over_step, metric = {
        Resource.CPU: ("rate", CPU_USAGE),
        Resource.MEMORY: ("max_over_time", MEMORY_USAGE),
    }[resource]
    return aggregate("max", CONTAINER_LABELS, f"{over_step}({selector(metric, matchers)}[{WINDOW}])")


def owners(metric: str, scope: Scope, *, seconds: int) -> str:
    """The controller of every object that was there within the last *seconds*.

    kube-state-metrics may run more than once, hence the maximum over the duplicates.
    """
    matchers = ('owner_is_controller="true"', *included("namespace", scope), *excluded("namespace", scope))
    seen = f"max_over_time({selector(metric, matchers)}[{seconds}s])"
    return aggregate("max", OWNER_LABELS[metric], seen)


def aggregate(operator: str, labels: Iterable[str], expression: str) -> str:
    """One series for each combination of *labels*."""
    return f"{operator} by ({','.join(labels)})({expression})"


def selector(metric: str, matchers: Iterable[str]) -> str:
    """The series of *metric* that all *matchers* fit."""
    return f"{metric}{{{','.join(matchers)}}}"


def included(label: str, scope: Scope) -> tuple[str, ...]:
    """The matcher of the namespaces that are included, if any are named."""
    return _matcher(label, "=", scope.included)


def excluded(label: str, scope: Scope) -> tuple[str, ...]:
    """The matcher that leaves out the excluded namespaces, if there are any; no label passes it."""
    return _matcher(label, "!", scope.excluded)


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
