"""Series of kube-state-metrics by the objects that they describe, also where scraping renamed labels; pure.

Without `honorLabels`, the labels `namespace`, `pod` and `container` of a series name kube-state-metrics
itself, and Prometheus renames those of the object: to `exported_namespace`, `exported_pod` and
`exported_container`. A label that the target lacks keeps its name.

Any Pod that is scraped can expose a series with such labels. They are believed of kube-state-metrics' job
only, and only if no series of the same metric has its own labels.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.sources.queries import Scope, aggregate, namespace_matchers, selector

_EXPORTED = "exported_"
_OBJECT = "__object_"  # the beginning of the profiler's own labels
_TARGET_LABELS = frozenset({"namespace", "pod", "container"})
# Prometheus renames the namespace, if any label, and never to an empty value.
_IS_OWN = (f'{_EXPORTED}namespace=""',)
_IS_RENAMED = (f'{_EXPORTED}namespace!=""', 'job=~".*kube-state-metrics.*"')


@dataclass(frozen=True, slots=True)
class ObjectSeries:
    """The series of objects in *scope*, with their own labels or with renamed ones."""

    scope: Scope
    is_renamed: bool = False

    def selector(self, metric: str, *matchers: str) -> str:
        """The selector of the series of *metric* that match *matchers*."""
        namespace = f"{_EXPORTED}namespace" if self.is_renamed else "namespace"
        named = _IS_RENAMED if self.is_renamed else _IS_OWN
        namespaces = namespace_matchers(namespace, self.scope)
        return selector(metric, (*matchers, *named, *namespaces), self.scope)

    def max_by(self, labels: Iterable[str], expression: str) -> str:
        """The maximum by *labels* of the object; kube-state-metrics may run more than once."""
        labels = tuple(labels)
        renamed = [f"{_EXPORTED}{label}" for label in labels if label in _TARGET_LABELS]
        return aggregate("max", (*labels, *renamed) if self.is_renamed else labels, expression)


def by_object(labels: Iterable[str], build: Callable[[ObjectSeries], str], metric: str, scope: Scope) -> str:
    """The expression that *build* makes of series by *labels*; *metric* shows whether labels are renamed.

    If `label_replace` made two series equal, the server would refuse the whole query: those of one object
    from two Pods of kube-state-metrics. The labels of the object so are new ones at first; once the series
    are aggregated by these, they get their names.
    """
    labels, own = tuple(labels), ObjectSeries(scope)
    renamed = build(ObjectSeries(scope, is_renamed=True))
    of_objects = {label: f"{_OBJECT}{label}" for label in labels if label in _TARGET_LABELS}
    for label, of_object in of_objects.items():
        for name in (label, f"{_EXPORTED}{label}"):
            renamed = f'label_replace({renamed},"{of_object}","$1","{name}","(.+)")'
    renamed = aggregate("max", (of_objects.get(label, label) for label in labels), renamed)
    for label, of_object in of_objects.items():
        renamed = f'label_replace({renamed},"{label}","$1","{of_object}","(.+)")'
    has_own = aggregate("max", (), own.selector(metric))
    return f"{build(own)} or ({aggregate('max', labels, renamed)} unless on () {has_own})"
