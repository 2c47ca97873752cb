"""Which targets are trusted on objects of other namespaces, where scraping renamed the labels of series.

Without `honorLabels`, series of kube-state-metrics have their target's namespace and that of the object in
`exported_namespace`; but so has any series that a tenant's Pod exposes, also under kube-state-metrics' job.
The namespace whose targets describe most Pods that exist is trusted, and no other: a tenant would have to
know the names of more Pods in more namespaces than kube-state-metrics. Its own Pods say nothing for it.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import structlog

from app.domain.dns_names import is_dns_label
from app.errors import SourceError
from app.history.samples import STEPS_PER_HOUR, StepRange
from app.sources.exported_labels import EXPORTED_NAMESPACE, EXPORTED_POD, ObjectSeries
from app.sources.owners import POD_OWNER
from app.sources.pressure import RESTARTS
from app.sources.prometheus_api import PrometheusApi
from app.sources.queries import MEMORY_USAGE, Scope, aggregate, cadvisor_selector, with_short_names
from app.sources.row_limit import RowLimit

log = structlog.get_logger(__name__)

REPORTER = "reporter"
LABELS = ("namespace", EXPORTED_NAMESPACE)  # of the target, and of the objects
_MAX_ROWS = 20_000
_OWN = ""  # the reporter of series whose labels are not renamed


def reporters_query(scope: Scope) -> str:
    """The number of existing Pods of each namespace that each reporter describes.

    A Pod exists if its containers have usage. A label that the target lacks was not renamed.
    """
    scope = with_short_names(scope, occurrences=7)
    existing = aggregate("group", ("namespace", "pod"), cadvisor_selector(MEMORY_USAGE, scope))
    existing = f'label_replace({existing},"{EXPORTED_NAMESPACE}","$1","namespace","(.+)")'
    described = " or ".join(_described(metric, scope) for metric in (POD_OWNER, RESTARTS))
    pods = aggregate("group", (*LABELS, "pod"), described)
    return aggregate("count", LABELS, f"{pods} and on ({EXPORTED_NAMESPACE},pod) {existing}")


def _described(metric: str, scope: Scope) -> str:
    """The Pods of *metric* by renamed labels; and by their own ones, without the namespace of a target."""
    series = ObjectSeries(scope, is_renamed=True)
    # Aggregated before: `label_replace` may not make series of two targets on one Pod equal.
    renamed = aggregate(
        "group", (*LABELS, EXPORTED_POD), series.selector(metric, 'namespace!=""', f'{EXPORTED_POD}!=""')
    )
    renamed = f'label_replace({renamed},"pod","$1","{EXPORTED_POD}","(.+)")'
    kept = aggregate(
        "group", (*LABELS, "pod"), series.selector(metric, 'namespace!=""', f'{EXPORTED_POD}=""')
    )
    own = aggregate("group", ("namespace", "pod"), ObjectSeries(scope).selector(metric))
    own = f'label_replace({own},"{EXPORTED_NAMESPACE}","$1","namespace","(.+)")'
    return f'{renamed} or {kept} or label_replace({own},"namespace","","","")'


def trusted_reporter(pods: Mapping[tuple[str, str], float]) -> str:
    """The reporter that describes most, from the *pods* by reporter and namespace; empty if it is none.

    Each namespace has one vote, of which a reporter gets its share of the most Pods that one describes; the
    reporter's own has none. If two describe as much, neither is trusted. Series with own labels are no rival:
    they may be of OpenCost beside kube-state-metrics, and renamed ones count only where they say nothing.
    """
    others = {key: count for key, count in pods.items() if key[0] != key[1]}
    most: dict[str, float] = {}
    for (_, namespace), count in others.items():
        most[namespace] = max(count, most.get(namespace, 0.0))
    shares = {key: round(1000 * count / most[key[1]]) for key, count in others.items()}
    votes: Counter[str] = Counter()
    for (reporter, _), share in shares.items():
        votes[reporter] += share if reporter != _OWN else 0
    (first, most_votes), (_, second_votes) = [*votes.most_common(2), (_OWN, 0), (_OWN, 0)][:2]
    of_own = sum(share for (name, place), share in shares.items() if name == _OWN and place != first)
    return first if most_votes > second_votes and most_votes >= of_own else _OWN


class StateReporter:
    """Asks a server for the reporter, at most once an hour; of an older past it is the same."""

    def __init__(self, api: PrometheusApi) -> None:
        self._api, self._lock = api, asyncio.Lock()
        self._scope, self._next_step, self._found = Scope(), 0, _OWN

    async def within(self, scope: Scope, step: int) -> Scope:
        """*scope* with the reporter at *step*: without an answer the last known one, for one step."""
        async with self._lock:
            if scope != self._scope:
                self._scope, self._next_step, self._found = scope, step, _OWN
            if step >= self._next_step:
                try:
                    self._found = trusted_reporter(dict(await self._counts(scope, step)))
                    self._next_step = step + STEPS_PER_HOUR
                except SourceError as error:
                    log.debug("reporter_unknown", error=str(error))
                    self._next_step = step + 1
        return replace(scope, state_reporter=self._found)

    async def _counts(self, scope: Scope, step: int) -> Iterable[tuple[tuple[str, str], float]]:
        result = await self._api.query_range(
            reporters_query(scope),
            LABELS,
            StepRange(step, step),
            frozenset(LABELS),
            signal=REPORTER,
            limit=RowLimit(_MAX_ROWS, EXPORTED_NAMESPACE),
        )
        rows = (
            (result.keys[row], count) for row, count in zip(result.rows, result.samples.tolist(), strict=True)
        )
        return (
            ((reporter, namespace), count)
            for (reporter, namespace), count in rows
            if count > 0 and is_dns_label(namespace) and (not reporter or is_dns_label(reporter))
        )
