"""Series of kube-state-metrics by the objects that they describe, also where scraping renamed labels; pure.

Without `honorLabels`, the labels `namespace`, `pod` and `container` of a series name kube-state-metrics
itself, and Prometheus renames those of the object: to `exported_namespace`, `exported_pod` and
`exported_container`. A label that the target lacks keeps its name.

Any Pod that is scraped can expose a series with such labels. Those are trusted of the targets of one
namespace only, the scope's `state_reporter`, and only on namespaces that no series of the same metric
describes by its own labels: such a series is of its target's namespace, so a tenant's describe its own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.sources.queries import Scope, aggregate, equal_matchers, namespace_matchers, selector

EXPORTED_NAMESPACE, EXPORTED_POD = "exported_namespace", "exported_pod"
_EXPORTED = "exported_"
_OBJECT = "__object_"  # the beginning of the profiler's own labels
_TARGET = ("job", "instance")
_TARGET_LABELS = frozenset({"namespace", "pod", "container"})
# Prometheus renames the namespace, if any label, and never to an empty value.
_IS_OWN = (f'{EXPORTED_NAMESPACE}=""',)
_IS_RENAMED = (f'{EXPORTED_NAMESPACE}!=""',)


@dataclass(frozen=True, slots=True)
class ObjectSeries:
    """The series of objects in *scope*, with their own labels or with renamed ones."""

    scope: Scope
    is_renamed: bool = False

    def selector(self, metric: str, *matchers: str) -> str:
        """The selector of the series of *metric* that match *matchers*."""
        namespace = EXPORTED_NAMESPACE if self.is_renamed else "namespace"
        reporters = filter(None, (self.scope.state_reporter,))
        named = (*_IS_RENAMED, *equal_matchers("namespace", reporters)) if self.is_renamed else _IS_OWN
        namespaces = namespace_matchers(namespace, self.scope)
        return selector(metric, (*matchers, *named, *self.scope.state_matchers, *namespaces), self.scope)

    def of_pods(self, pods: Iterable[str]) -> tuple[str, ...]:
        """The matcher of the series of *pods*."""
        return tuple(equal_matchers(EXPORTED_POD if self.is_renamed else "pod", pods))

    def max_by(self, labels: Iterable[str], expression: str) -> str:
        """The maximum by *labels* of the object; kube-state-metrics may run more than once."""
        return aggregate("max", self._named(labels), expression)

    def min_by(self, labels: Iterable[str], expression: str) -> str:
        """The minimum by *labels* of the object."""
        return aggregate("min", self._named(labels), expression)

    def _named(self, labels: Iterable[str]) -> tuple[str, ...]:
        labels = tuple(labels)
        renamed = [f"{_EXPORTED}{label}" for label in labels if label in _TARGET_LABELS]
        return (*labels, *renamed) if self.is_renamed else labels


def by_object(  # noqa: PLR0913 - a query's parts
    labels: Iterable[str],
    build: Callable[[ObjectSeries], str],
    metric: str,
    scope: Scope,
    *,
    window: str,
    beside: str = "",
) -> str:
    """The expression that *build* makes of series by *labels*, which begin with the namespace.

    Series with renamed labels count in namespaces without other series of *metric* in the *window*. With a
    metric *beside*, these are of targets that have it, too: OpenCost has some metrics of the same names.

    If `label_replace` made two series equal, the server would refuse the whole query: those of one object
    from two Pods of kube-state-metrics. The labels of the object so are new ones at first; once the series
    are aggregated by these, they get their names.
    """
    labels, own = tuple(labels), ObjectSeries(scope)
    if not scope.state_reporter:
        return build(own)
    renamed = build(ObjectSeries(scope, is_renamed=True))
    of_objects = {label: f"{_OBJECT}{label}" for label in labels if label in _TARGET_LABELS}
    for label, of_object in of_objects.items():
        for name in (label, f"{_EXPORTED}{label}"):
            renamed = f'label_replace({renamed},"{of_object}","$1","{name}","(.+)")'
    renamed = aggregate("max", (of_objects.get(label, label) for label in labels), renamed)
    for label, of_object in of_objects.items():
        renamed = f'label_replace({renamed},"{label}","$1","{of_object}","(.+)")'
    described = f"last_over_time({own.selector(metric)}[{window}])"
    if beside:
        targets = aggregate("group", _TARGET, f"last_over_time({own.selector(beside)}[{window}])")
        described = f"{described} and on ({','.join(_TARGET)}) {targets}"
    described = aggregate("group", ("namespace",), described)
    return f"{build(own)} or ({aggregate('max', labels, renamed)} unless on (namespace) {described})"
