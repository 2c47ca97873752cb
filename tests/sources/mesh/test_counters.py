"""The exact text of the rate of a proxy's counter; `tests/sources/test_real_*.py` show what it gives."""

from dataclasses import replace

from app.sources.mesh.counters import SCRAPER_LABELS, ProxyCounters
from app.sources.mesh.new_series import PodPart
from app.sources.queries import Scope

COUNTERS = ProxyCounters(("pod", "target"), ('mesh="a"',), Scope(cluster="prod"))
UP, STARTED = (f'{metric}{{mesh="a",cluster="prod"}}' for metric in ("up", "process_start_time_seconds"))
TARGET = "namespace,pod,job,instance"
SCRAPERS = ",".join(SCRAPER_LABELS)


def increases(series: str) -> str:
    """The increase of each series in a step."""
    seen = f"max by ({TARGET})({STARTED} > time() - 360 or sum_over_time({UP}[360s]))"
    watched = f"count_over_time({series}[5m]) < on ({TARGET}) group_left () {seen}"
    before = f"count_over_time({series}[1m] offset 5m)"
    new = f"max_over_time({series}[5m]) and ({watched}) unless on (pod,target) {before}"
    return f"{new} or increase({series}[5m])"


def test_a_rate() -> None:
    """A new series counts in full: its target was scraped more often than it, and it is not one minute older.

    Series of one Pod and scraper are added, and the scraper with the highest rate counts.
    """
    of_pods, others = (f'x_total{{way="out",pod{sign}"",cluster="prod"}}' for sign in ("!=", "="))
    by_scraper = f"sum by (a,b,pod,{SCRAPERS})({increases(of_pods)})"
    by_pod = f"max by (a,b,pod)({by_scraper}) / 300 or sum by (a,b)(increase({others}[5m])) / 300"

    question = ("a", "b"), "x_total", ('way="out"',)

    assert COUNTERS.by_pod(*question) == by_pod
    assert COUNTERS.total(*question) == f"sum by (a,b)({by_pod})"


def test_a_rate_of_proxies_that_are_scraped_once() -> None:
    """The rates of all series are added at once, which takes half of the time."""
    query = replace(COUNTERS, has_duplicates=False).total(("a",), "x_total", ())

    assert query == "sum by (a)(" + increases('x_total{cluster="prod"}') + ") / 300"


def test_a_rate_of_pods_without_new_series() -> None:
    """It is that of the server, of the Pods in the part."""
    part = PodPart(('pod!="b"',), may_have_new=False)
    query = replace(COUNTERS, has_duplicates=False, part=part).total(("a",), "x_total", ())

    assert query == 'sum by (a)(increase(x_total{pod!="b",cluster="prod"}[5m])) / 300'


def test_a_rate_of_native_histograms() -> None:
    """The sum of a native histogram, deduplicated in the same way, unless its classic form is kept too."""
    native = 'histogram_sum(increase(x{cluster="prod"}[5m]))'
    classic = 'last_over_time(x_sum{cluster="prod"}[5m])'
    by_scraper = f"sum by (a,pod,{SCRAPERS})({native} unless on (pod,target) {classic})"

    assert COUNTERS.native_total(("a",), "x", ()) == f"sum by (a)(max by (a,pod)({by_scraper})) / 300"


def test_scrapes() -> None:
    """The maximum over the scrapers of a target."""
    assert COUNTERS.scrapes(("a",)) == f"max by (a)(sum_over_time({UP}[5m]))"
