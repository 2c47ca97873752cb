"""The exact text of the rate of a proxy's counter; `tests/sources/test_real_*.py` show what it gives."""

from dataclasses import replace

from app.sources.connections.counters import ProxyCounters, ProxySeries
from app.sources.connections.new_series import NO_POD, PodsWithNewSeries
from app.sources.queries import Scope

PROXY = ProxySeries(("pod", "target"), start="agent_start", uptime="uptime")
COUNTERS = ProxyCounters(PROXY, ('mesh="a"',), Scope(cluster="prod"), ("job", "instance", "vmagent"))
UP, STARTED, UPTIME = (f'{metric}{{mesh="a",cluster="prod"}}' for metric in ("up", "agent_start", "uptime"))


def increases(every: str, some: str = "", *, target: str = "namespace,pod,job,instance") -> str:
    """The increase of each series in a step; those that may be new are *some*."""
    some = some or every
    jobs = f"group by (job)({every} offset 5m)"
    young = f"({STARTED} > time() - 420) + 1e9 or ({UPTIME} < 420) + 1e9"
    scrapes = f"max by ({target})({young} or sum_over_time({UP}[420s]) and on (job) {jobs})"
    watched = f"count_over_time({some}[5m]) < on ({target}) group_left () {scrapes}"
    before = f"count_over_time({some}[2m] offset 5m)"
    new = f"max_over_time({some}[5m]) and ({watched}) unless on (pod,target) {before}"
    return f"{new} or increase({every}[5m])"


def test_a_rate() -> None:
    """A new series counts in full: its target was scraped more often than it, and it is not older.

    Series of one Pod and scraper are added, and the scraper with the highest rate counts.
    """
    of_pods, others = (f'x_total{{way="out",pod{sign}"",cluster="prod"}}' for sign in ("!=", "="))
    by_target = increases(of_pods, target="namespace,pod,job,instance,vmagent")
    by_scraper = f"sum by (a,b,pod,job,instance,vmagent)({by_target})"
    by_pod = f"max by (a,b,pod)({by_scraper}) / 300 or sum by (a,b)(increase({others}[5m])) / 300"

    question = ("a", "b"), "x_total", ('way="out"',)

    assert COUNTERS.by_pod(*question) == by_pod
    assert COUNTERS.total(*question) == f"sum by (a,b)({by_pod})"


def test_a_rate_of_proxies_that_are_scraped_once() -> None:
    """The rates of all series are added at once, which takes half of the time."""
    query = replace(COUNTERS, scraper_labels=()).total(("a",), "x_total", ())

    assert query == "sum by (a)(" + increases('x_total{cluster="prod"}') + ") / 300"


def test_a_rate_of_which_some_pods_have_new_series() -> None:
    """Only the series of these are read more than once; without any, the increase alone is asked."""
    once = replace(COUNTERS, scraper_labels=())
    some = PodsWithNewSeries(('pod="b"',))
    every = 'x_total{cluster="prod"}'

    query = replace(once, new_series=some).total(("a",), "x_total", ())
    quiet = replace(once, new_series=NO_POD).total(("a",), "x_total", ())

    of_b = increases(every, 'x_total{pod="b",cluster="prod"}')
    assert query == f"sum by (a)({of_b}) / 300"
    assert quiet == f"sum by (a)(increase({every}[5m])) / 300"


def test_a_rate_of_native_histograms() -> None:
    """The sum of a native histogram, deduplicated in the same way, unless its classic form is kept too."""
    native = 'histogram_sum(increase(x{cluster="prod"}[5m]))'
    classic = 'last_over_time(x_sum{cluster="prod"}[5m])'
    both = f"{native} unless on (pod,target) {classic}"
    by_pod = f"max by (a,pod)(sum by (a,pod,job,instance,vmagent)({both}))"

    once = replace(COUNTERS, scraper_labels=()).native_total(("a",), "x", ())

    assert COUNTERS.native_total(("a",), "x", ()) == f"sum by (a)({by_pod}) / 300"
    assert once == f"sum by (a)({both}) / 300"


def test_scrapes() -> None:
    """The maximum over the scrapers of a target."""
    assert COUNTERS.scrapes(("a",)) == f"max by (a)(sum_over_time({UP}[5m]))"


def test_a_rate_of_a_process_of_unknown_age() -> None:
    """A new series counts in full only where its target was scraped before without it."""
    counters = ProxyCounters(ProxySeries(("pod",)), ('mesh="a"',), Scope())

    query = counters.total(("a",), "x_total", ())

    jobs = "group by (job)(x_total{} offset 5m)"
    scrapes = f'sum_over_time(up{{mesh="a"}}[420s]) and on (job) {jobs}'
    assert f"max by (namespace,pod,job,instance)({scrapes})" in query
