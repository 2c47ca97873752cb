"""The rounds of an examination: each asks what the one before it leaves open.

The newest samples come first: a store that lags has nothing at the current time, so everything else is asked
at the time of these. The past comes last, since it is the first that can be done without.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from app.diagnosis import questions
from app.diagnosis.candidates import CANDIDATES
from app.diagnosis.catalogue import CONTAINERS, MAIN_METRICS, MESHES, METRICS_OF, USAGE, Exporter, Metric
from app.diagnosis.observations import Answer, Observations
from app.diagnosis.questions import Fact, MetricQuestion
from app.diagnosis.target import Target
from app.domain.profiles import Resource
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.connections.conversation import LabeledQuery

# More queries or more time would be a load, or a wait, that a check is not worth.
MAX_QUERIES, MAX_SECONDS = 40, 30

_NEWEST_STEPS = 12  # the hour in which the newest samples are looked for
_METRICS_PER_QUERY = 3  # VictoriaMetrics refuses queries of more than 16 KiB

Parts = Mapping[Fact, LabeledQuery]
Examination = Generator[tuple[MetricQuestion, ...], Sequence[Answer], Observations]


def examine(target: Target, now: float) -> Examination:
    """Asks *target* at the Unix time *now*; yields questions, and receives their answers in the same order.

    It ends after the first round if the server answers no query.
    """
    seen = Observations(target, now)
    step = int(now // STEP_SECONDS)
    recent = StepRange(step - _NEWEST_STEPS, step + 1)  # the samples of the last minutes are in an open step
    first, *others = (
        _question(target, exporter, recent, questions.newest(exporter, target.scope_of(exporter)))
        for exporter in target.exporters
    )
    for batch in ((first,), tuple(others)):
        seen = seen.with_answers(batch, (yield batch))
        if seen.fault_of_server(Exporter.KUBELET):
            return seen
    for ask, of_all in ((_present, _other_providers(target, step)), (_past, ())):
        batch = tuple(chain(*(ask(exporter, seen) for exporter in target.exporters), of_all))
        seen = seen.with_answers(batch, (yield batch))
    return seen


def _other_providers(target: Target, step: int) -> tuple[MetricQuestion, ...]:
    """The question on what counts connections beside meshes, or could."""
    if not target.wants_connections:
        return ()
    metrics = chain.from_iterable((*each.counts, *each.signs) for each in CANDIDATES)
    of_connections = target.mesh_cluster is not None
    scope = target.scope_of(Exporter.LINKERD)
    return (MetricQuestion(questions.present(metrics, scope), StepRange(step - 1, step), of_connections),)


def _question(target: Target, exporter: Exporter, steps: StepRange, *parts: Parts) -> MetricQuestion:
    queries = dict(chain.from_iterable(part.items() for part in parts))
    return MetricQuestion(queries, steps, of_connections=target.is_in_mesh_server(exporter))


def _present(exporter: Exporter, seen: Observations) -> Iterator[MetricQuestion]:
    """What there is now; of an exporter without any metric nothing is asked."""
    step = int((seen.newest_seconds(exporter) or seen.now) // STEP_SECONDS)
    found = [metric for metric in MAIN_METRICS[exporter] if seen.newest_seconds_of(metric)]
    if exporter is Exporter.KUBELET:
        batches = _of_containers(seen)
    elif found:
        batches = _of_others(exporter, found[0], seen)
    else:
        return
    # The last whole step, and the one that has the newest samples, perhaps of a few targets only.
    for parts in batches:
        yield _question(seen.target, exporter, StepRange(step, step + 1), *parts)


def _of_containers(seen: Observations) -> Iterator[tuple[Parts, ...]]:
    scope = seen.target.scope
    cpu, memory, *others = CONTAINERS
    for metric in (cpu, memory):
        yield questions.series(metric, scope), questions.interval(metric, scope)
    yield tuple(questions.series(metric, scope) for metric in others)
    yield (questions.duplicates(memory, scope),)
    # All clusters may be many times as many series: they are counted if there is nothing of this one.
    has_own = seen.newest_seconds(Exporter.KUBELET)
    yield (questions.any_containers(scope if has_own else replace(scope, cluster="")),)
    for resource in Resource:
        yield (questions.sampled(resource, scope),)


def _of_others(exporter: Exporter, main: Metric, seen: Observations) -> Iterator[tuple[Parts, ...]]:
    scope = seen.target.scope_of(exporter)
    for metrics in _chunks(METRICS_OF[exporter]):
        yield tuple(questions.series(metric, scope) for metric in metrics)
    details = [questions.interval(main, scope), questions.duplicates(main, scope)]
    if exporter in MESHES:
        details += [questions.mesh_labels(exporter, scope), questions.watched(main, scope)]
    else:
        details.append(questions.owners(scope))
    yield tuple(details)


def _past(exporter: Exporter, seen: Observations) -> Iterator[MetricQuestion]:
    """The targets of an hour before; since when there are the metrics that are there, and the main ones."""
    if seen.fault_of_server(exporter):
        return
    metrics = [
        metric for metric in METRICS_OF[exporter] if metric in MAIN_METRICS[exporter] or seen.has(metric)
    ]
    step = int((seen.newest_seconds(exporter) or seen.now) // STEP_SECONDS)
    scope, last_whole = seen.target.scope_of(exporter), StepRange(step, step)
    if exporter is Exporter.KUBELET:
        yield _question(seen.target, exporter, last_whole, questions.targets(USAGE[Resource.MEMORY], scope))
    for some in _chunks(metrics):
        parts = (dict(questions.since(metric, scope)) for metric in some)
        yield _question(seen.target, exporter, last_whole, *parts)


def _chunks(metrics: Sequence[Metric]) -> Iterator[Sequence[Metric]]:
    """The metrics of one query each."""
    for first in range(0, len(metrics), _METRICS_PER_QUERY):
        yield metrics[first : first + _METRICS_PER_QUERY]
