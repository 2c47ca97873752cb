"""The labels by which scrapers differ, from the labels of targets; `test_real_*.py` ask a real server."""

import json

from app.sources.connections.scrapers import repeated_targets, scraper_labels
from app.sources.queries import Scope


def target(pod: str, **labels: str) -> tuple[str]:
    own = {"namespace": "shop", "pod": pod, "job": "envoy", "instance": f"{pod}:15090", "version": pod}
    return (json.dumps(own | labels),)


def test_labels_that_differ_between_targets_of_a_pod() -> None:
    """`version` differs between Pods alone; of two agents one has a label that the other lacks."""
    pairs = [
        target("web", ha_replica="a"),
        target("web", ha_replica="b"),
        target("db"),
        target("db", vmagent="1"),
    ]

    assert scraper_labels(pairs) == ("job", "instance", "ha_replica", "vmagent")


def test_without_repeated_targets_jobs_and_addresses_differ() -> None:
    """Two PodMonitors, or two ports of a Pod."""
    assert scraper_labels([]) == ("job", "instance")


def test_the_query() -> None:
    """Five targets of each job, of those that have several series at both ends of a step."""
    lasting = '(up{x="y"} and up{x="y"} offset 5m)'
    labels = "namespace,pod,job,instance"

    assert repeated_targets(('x="y"',), Scope()).query == (
        f"{lasting} and on ({labels}) topk by (job)(5,count by ({labels})({lasting}) > 1)"
    )
