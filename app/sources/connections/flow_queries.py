"""PromQL texts on the counters of collectors of flows; pure.

A collector drops the counter of a flow that was idle for a while, and starts it at 0 again. `increase` starts
at the first sample of a series, and does not see that a counter was dropped if it is as large again. So the
last value of a series counts in full

- if it is there at the end of the step, and was absent at the begin, or a third or two thirds later, or
- if it begins and ends in the step, for which a flow has to be idle for a shorter time,

where each scrape of its target in this time was successful: a failed one ends all series of the target.
In the first step of a scrape job nothing counts: a metric that a job begins to keep has the counts of weeks.
So it is after an outage; these steps are unknown.

NetObserv's ServiceMonitor replaces the label `namespace` of its metrics by that of the destination: the
namespace of such a collector is that of its target's `up`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from app.history.samples import STEP_SECONDS
from app.sources.connections.conversation import OWN_CLUSTER, LabeledQuery
from app.sources.connections.flow_metrics import FlowMetric
from app.sources.connections.new_series import UP
from app.sources.connections.scrapers import TARGET
from app.sources.queries import (
    WINDOW,
    Matchers,
    Scope,
    Shard,
    aggregate,
    destination_matchers,
    equal_matchers,
    escape_label_value,
    excluded_matchers,
    selector,
    shard_matchers,
    unequal_matchers,
)

# The profiler's own labels: the namespace of the collector, and a mark of one of two numbers.
COLLECTOR, _HALF = "__collector", "__half"
JOB = ("job",)
NAMESPACE = "namespace"
_ADDRESS = ("job", "instance")
_ON_TARGET = "on (job,instance)"
# Both ends of a step, and two times between: the begin of the range is none of them, which only some versions
# would count.
_INSTANTS, _TIMES = 4, "[350s:100s]"
_SCRAPED = "[350s]"
# A client that sent nothing for so long is known again when it sends.
_KNOWN_CLIENT = "[1h]"
# As many samples as of a window of raw samples: those of an increase and of a last value, and at six times.
# Of both ends they are read for the sum and for the largest, and again for the namespace of the destination.
_WINDOWS = 4
_WINDOWS_OF_BOTH_ENDS = 4 * _WINDOWS


@dataclass(frozen=True, slots=True)
class FlowQueries:
    """Queries on the flows of *metric* that collectors with *targets*, the matchers of their `up`, report.

    Without *scraper_labels*, each collector is scraped once. *beginnings* are the scrape jobs that begin to
    have the metric, and the Unix times of the ends of the steps in which they do.
    """

    metric: FlowMetric
    scope: Scope
    shard: Shard
    targets: Matchers = ()
    scraper_labels: tuple[str, ...] = ()
    beginnings: tuple[tuple[str, int], ...] = ()

    @property
    def collector(self) -> str:
        """The label with the namespace of the collector."""
        return NAMESPACE if self.metric.names_collector else COLLECTOR

    @property
    def from_sources(self) -> Matchers:
        """The matchers of the flows from the namespaces of the shard."""
        sources = shard_matchers(self.metric.source[0], self.scope, self.shard)
        return (*sources, *destination_matchers(self.metric.destination[0], self.scope))

    @property
    def to_sources(self) -> Matchers | None:
        """The matchers of the other flows to these namespaces; None if there are none, or none is a reply."""
        source, destination = self.metric.source[0], self.metric.destination[0]
        if not self.metric.direction or (self.shard.included is None and not self.shard.excluded):
            return None
        others = (
            equal_matchers(source, self.shard.excluded)
            if self.shard.included is None
            else unequal_matchers(source, filter(self.shard.covers, self.shard.included))
        )
        own = shard_matchers(destination, self.scope, self.shard)
        return (*own, *others, *destination_matchers(source, self.scope))

    @property
    def of_edges(self) -> tuple[LabeledQuery, ...]:
        """All queries with a row for each flow."""
        return (self.rates(self.from_sources), *self.to_other_sources, *self.of_steps)

    @property
    def to_other_sources(self) -> tuple[LabeledQuery, ...]:
        """The rates of flows to the namespaces of the shard, if there are such."""
        return () if self.to_sources is None else (self.rates(self.to_sources),)

    @property
    def of_steps(self) -> tuple[LabeledQuery, ...]:
        """How each flow was sampled, where it differs, and the scrapes."""
        return (*((self.sampling(),) if self.metric.sampling else ()), self.scrapes())

    def jobs(self) -> LabeledQuery:
        """The scrape jobs with flows in the step."""
        return LabeledQuery(aggregate("group", JOB, self._present()), JOB, frozenset(JOB))

    def jobs_of_all(self) -> LabeledQuery:
        """The same with flows of any namespace."""
        every = f"last_over_time({selector(self.metric.metric, (), self.scope)}[{WINDOW}])"
        return LabeledQuery(aggregate("group", JOB, every), JOB, frozenset(JOB))

    def several_targets(self) -> LabeledQuery:
        """1 if a Pod has several targets in these jobs."""
        jobs = aggregate("group", JOB, self._present())
        up = selector(UP, ('pod!=""',), self.scope)
        by_pod = aggregate("count", TARGET[:2], f"{up} and on (job) {jobs}")
        return LabeledQuery(f"group({by_pod} > 1)", ())

    def unscraped(self) -> LabeledQuery:
        """1 if there are flows of no target."""
        up = f"last_over_time({selector(UP, (), self.scope)}[{WINDOW}])"
        return LabeledQuery(f"group({self._present()} unless {_ON_TARGET} {up})", ())

    def untyped(self) -> LabeledQuery:
        """1 if there are flows whose source is named without its kind."""
        namespace, kind, _ = self.metric.source
        matchers = (f'{namespace}!=""', f'{kind}=""', *shard_matchers(namespace, self.scope, self.shard))
        return LabeledQuery(f"group({selector(self.metric.metric, matchers, self.scope)})", ())

    def clients(self, collectors: Collection[str]) -> LabeledQuery:
        """The sources of the last hour that *collectors*, which are namespaces, report."""
        trusted = equal_matchers(NAMESPACE, collectors)
        if self.metric.names_collector:
            present = f"last_over_time({self._flows((*self.from_sources, *trusted))}{_KNOWN_CLIENT})"
        else:
            flows = f"last_over_time({self._flows(self.from_sources)}{_KNOWN_CLIENT})"
            up = f"last_over_time({selector(UP, trusted, self.scope)}{_KNOWN_CLIENT})"
            by_target = aggregate("group", (*self.metric.source, *_ADDRESS), flows)
            present = f"{by_target} and {_ON_TARGET} {up}"
        return LabeledQuery(aggregate("group", self.metric.source, present), self.metric.source)

    def scrapes(self) -> LabeledQuery:
        """The scrapes of the collector with most of them, by its namespace; none where nothing counts."""
        counts = f"sum_over_time({self._up()}[{WINDOW}]){self._unless_begun()}"
        return LabeledQuery(aggregate("max", (NAMESPACE,), counts), (NAMESPACE,), frozenset({NAMESPACE}))

    def rates(self, matchers: Matchers) -> LabeledQuery:
        """The bytes per second of each flow, by the namespace of the collector."""
        labels = self._labels
        if self.metric.is_seen_at_both_ends:
            reported = self._of_both_ends(labels, matchers)
        else:
            reported = self._by_target(labels, matchers)
        return self._labeled(f"{aggregate('sum', labels, reported)} / {STEP_SECONDS}")

    def sampling(self) -> LabeledQuery:
        """The mean of the packets of which one was looked at, of each flow."""
        matchers = (*self.metric.matchers, *self.from_sources)
        last = f"last_over_time({selector(self.metric.sampling, matchers, self.scope)}[{WINDOW}])"
        by_target = aggregate("avg", (*self.metric.labels, *_ADDRESS), last)
        return self._labeled(aggregate("avg", self._labels, self._with_collector(by_target)))

    def agent_sampling(self, collectors: Collection[str]) -> LabeledQuery:
        """The same of all agents in the namespaces *collectors*."""
        gauge = selector(self.metric.agent_sampling, equal_matchers(NAMESPACE, collectors), self.scope)
        return LabeledQuery(f"avg(last_over_time({gauge}[{WINDOW}]) > 0)", ())

    def load(self, clusters: tuple[str, ...]) -> LabeledQuery:
        """The samples of a batch per step, by the namespace of the source and the labels of *clusters*.

        The namespace of the collector may not be profiled: that of the source takes its place. The agents'
        own label of the cluster is not one of the targets, of which `up` has all.
        """
        namespace, cluster = self.metric.source[0], self.metric.cluster
        clusters = tuple(label for label in clusters if label != cluster)
        counts = f"count_over_time({self._of_own_cluster()}[{WINDOW}])"
        loads = aggregate("sum", (namespace, cluster, *clusters), counts)
        loads = f'label_replace({loads},"namespace","$1","{namespace}","(.*)")'
        windows = _WINDOWS_OF_BOTH_ENDS if self.metric.is_seen_at_both_ends else _WINDOWS
        labels = (namespace, "namespace", *clusters, OWN_CLUSTER)
        return LabeledQuery(f"{windows} * {self._with_own_cluster(loads)}", labels, frozenset(labels[1:]))

    def reporters(self) -> str:
        """The flows with the namespace and the Pod of their collector in place of other labels."""
        targets = selector(UP, ('pod!=""',), self.scope)
        up = f"topk by (job,instance)(1,{targets})"
        flows = self._with_own_cluster(self._of_own_cluster())
        return f"{flows} * {_ON_TARGET} group_left (namespace,pod) {up}"

    def _with_own_cluster(self, values: str) -> str:
        return f'label_replace({values},"{OWN_CLUSTER}","$1","{self.metric.cluster}","(.+)")'

    def _of_own_cluster(self) -> str:
        ends = (self.metric.source[0], self.metric.destination[0])
        excluded = (*excluded_matchers(ends[0], self.scope), *destination_matchers(ends[1], self.scope))
        return self._flows(excluded)

    def _bytes(self, matchers: Matchers) -> str:
        """The bytes of each series in the step."""
        flows = self._flows(matchers)
        begun = f"{flows} and (count_over_time({flows}{_TIMES}) < {_INSTANTS})"
        if self.metric.idle_seconds < STEP_SECONDS:
            begun = f"{begun} or last_over_time({flows}[{WINDOW}]) unless {flows} offset {WINDOW}"
        in_full = f"({begun}) and {_ON_TARGET} {self._scraped_throughout()}"
        return f"{in_full} or increase({flows}[{WINDOW}])"

    def _scraped_throughout(self) -> str:
        """The targets each scrape of which in the step, and the one before, was successful."""
        up = self._up()
        return f"(min_over_time({up}{_SCRAPED}) == 1 and {up} offset {WINDOW})"

    def _unless_begun(self) -> str:
        """The condition that the scrape job of a target does not begin in the step."""
        if not self.beginnings:
            return ""
        begun = " or ".join(
            f'label_replace(vector(time()) == {seconds},"job","{escape_label_value(job)}","","")'
            for job, seconds in self.beginnings
        )
        return f" unless on (job) ({begun})"

    def _of_both_ends(self, labels: tuple[str, ...], matchers: Matchers) -> str:
        """Of all that agents report of a flow the largest, or half of the sum if that is more.

        One or two agents see a packet, so that neither is more than was sent. What is sent from one place is
        all seen by one agent. It is the same in each place that labels show.
        """
        by_place = (*labels, *self.metric.places)
        by_agent = self._by_target((*by_place, *self.metric.agents), matchers)
        total, largest = (aggregate(operator, by_place, by_agent) for operator in ("sum", "max"))
        return aggregate("max", by_place, f'label_replace({total} / 2,"{_HALF}","1","","") or {largest}')

    def _by_target(self, labels: tuple[str, ...], matchers: Matchers) -> str:
        """The bytes by *labels* and target; of a Pod with several scrapers, by Pod, as one of them counts."""
        summed = tuple(label for label in labels if label != COLLECTOR)
        if not self.scraper_labels:
            return self._with_collector(aggregate("sum", (*summed, *_ADDRESS), self._bytes(matchers)))
        by_scraper = aggregate("sum", (*summed, "pod", *self.scraper_labels), self._bytes(matchers))
        return aggregate("max", (*labels, "pod"), self._with_collector(by_scraper))

    def _with_collector(self, values: str) -> str:
        """The *values* of targets that were scraped in the step, with the namespace of the collector."""
        scraped = f"sum_over_time({self._up()}[{WINDOW}]) > 0{self._unless_begun()}"
        if self.metric.names_collector:
            return f"{values} and {_ON_TARGET} ({scraped})"
        by_target = aggregate("group", (*_ADDRESS, NAMESPACE), scraped)
        one = f"topk by (job,instance)(1,{by_target})"
        named = f'label_replace({one},"{COLLECTOR}","$1","{NAMESPACE}","(.+)")'
        return f"{values} * {_ON_TARGET} group_left ({COLLECTOR}) {named}"

    def _labeled(self, query: str) -> LabeledQuery:
        direction = (self.metric.direction,) if self.metric.direction else ()
        optional = frozenset({*direction, self.metric.cluster, self.collector})
        return LabeledQuery(
            query, self._labels, optional, rows_per_edge=1 + len(direction), reporter=self.collector
        )

    @property
    def _labels(self) -> tuple[str, ...]:
        return (*self.metric.labels, self.collector)

    def _present(self) -> str:
        """The flows of the step from the namespaces of the shard."""
        return f"last_over_time({self._flows(self.from_sources)}[{WINDOW}])"

    def _flows(self, matchers: Matchers) -> str:
        return selector(self.metric.metric, (*self.metric.matchers, *matchers), self.scope)

    def _up(self) -> str:
        return selector(UP, self.targets, self.scope)
