"""Edges in memory: namespaces take turns once there are too many, and only then."""

from collections import Counter

import numpy as np

from app.domain.reporters import Reporters
from app.domain.workloads import Connection, Workload
from app.history.connection_history import ConnectionHistory
from app.history.samples import ConnectionSamples, EdgeFault, StepRange
from app.profiler.cycle.edge_limit import limit_edges


def samples(
    counts: dict[str, int], step: int = 1000, reporters: Reporters = Reporters.SOURCE
) -> ConnectionSamples:
    """One step with so many edges from one source of each namespace, one request a second each."""
    edges = tuple(
        Connection(Workload(namespace, "client"), Workload("db", f"s{number:05d}"))
        for namespace, count in counts.items()
        for number in range(count)
    )
    sources = tuple(dict.fromkeys(edge.source for edge in edges))
    rates = np.ones((len(edges), 1))
    return ConnectionSamples(
        StepRange(step, step),
        edges,
        rates,
        rates,
        sources,
        np.ones((len(sources), 1), dtype=np.bool_),
        request_bytes=rates,
        response_bytes=rates,
        reporters=np.full(len(edges), reporters, dtype=np.uint8),
    )


def fold(history: ConnectionHistory, answer: ConnectionSamples, max_edges: int) -> ConnectionSamples:
    """Fold what is within the limit, as a cycle does; returns it."""
    limited = limit_edges(answer, history, max_edges)
    if limited:
        history.keep(limited.kept_edges, limited.kept_sources)
        answer = limited.samples
    history.fold(answer)
    return answer


def by_source(history: ConnectionHistory) -> dict[str, int]:
    """The number of edges by the namespace of their source."""
    return dict(Counter(edge.connection.source.namespace for edge in history.edges))


def test_within_the_limit_everything_is_kept() -> None:
    """100 edges and a limit of 100: nothing is compared or copied."""
    assert limit_edges(samples({"evil": 60, "shop": 40}), ConnectionHistory(), 100) is None


def test_a_flood_in_one_answer_is_cut_to_its_share() -> None:
    """60,000 edges of `evil` beside 40 of `shop`, limit 1,000: 960 and 40; 59,040 are counted."""
    history = ConnectionHistory()

    folded = fold(history, samples({"evil": 60_000, "shop": 40}), 1000)

    assert by_source(history) == {"evil": 960, "shop": 40}
    assert folded.dropped == {(EdgeFault.OVER_SHARE, "evil"): 59_040}
    assert history.rates["requests"].values.shape == (1000, 288)


def test_an_earlier_flood_makes_room() -> None:
    """1,000 edges of `evil` fill the memory; when 40 of `shop` come, the newest 40 of evil go."""
    history = ConnectionHistory()
    fold(history, samples({"evil": 1000}), 1000)
    first = list(history.edges)[:960]

    fold(history, samples({"shop": 40}, step=1001), 1000)

    assert by_source(history) == {"evil": 960, "shop": 40}
    assert list(history.edges)[:960] == first
    means = {mean.connection.source.namespace: mean.requests_per_minute for mean in history.means()}
    assert means == {"evil": 60.0, "shop": 60.0}


def test_a_flood_removes_nothing_of_others() -> None:
    """400 edges of `shop` are in memory, limit 1,000: they stay, whatever `evil` declares."""
    history = ConnectionHistory()
    fold(history, samples({"shop": 400}), 1000)

    fold(history, samples({"evil": 60_000}, step=1001), 1000)

    assert by_source(history) == {"shop": 400, "evil": 600}


def test_edges_that_servers_claim_count_for_the_servers() -> None:
    """Servers in `db` claim 2,000 clients in `shop`, limit 100: 50 for each of the two namespaces."""
    history = ConnectionHistory()
    fold(history, samples({"shop": 50}), 100)

    claims = samples({"shop": 2050}, step=1001, reporters=Reporters.DESTINATION)
    fold(history, claims, 100)

    flags = Counter(history.reporters.tolist())
    assert flags == {int(Reporters.BOTH): 50, int(Reporters.DESTINATION): 50}
