"""Which reports of Istio's proxies are trusted: those of the edge's own ends, and of the mesh's proxies."""

import numpy as np
import pytest

from app.domain.reporters import Reporters
from app.history.samples import EdgeFault
from app.sources.connections.reports import dropped_claims, trusted_rates, trusted_scrapes
from app.sources.query_result import Key, SeriesMatrix

NAN = np.nan
MESH = {"istio-system"}
WEB_DB = ("shop", "web", "storage", "db")
WEB_API = ("shop", "web", "shop", "api")


def table(rows: dict[Key, list[float]]) -> SeriesMatrix:
    return SeriesMatrix(tuple(rows), np.array(list(rows.values())).reshape(len(rows), -1))


@pytest.mark.parametrize(
    ("edge", "namespace", "reporter", "trusted"),
    [
        (WEB_DB, "shop", "source", Reporters.SOURCE),
        (WEB_DB, "storage", "destination", Reporters.DESTINATION),
        (WEB_DB, "storage", "waypoint", Reporters.DESTINATION),
        (WEB_API, "shop", "source", Reporters.BOTH),
        (WEB_DB, "istio-system", "source", Reporters.BOTH),
        (WEB_DB, "istio-system", "waypoint", Reporters.BOTH),
        (WEB_DB, "evil", "source", None),
        (WEB_DB, "evil", "destination", None),
        (WEB_DB, "evil", "waypoint", None),
        (WEB_API, "evil", "source", None),
        (WEB_DB, "storage", "source", None),
        (WEB_DB, "shop", "destination", None),
        (WEB_DB, "shop", "waypoint", None),
        (WEB_DB, "", "source", None),
    ],
)
def test_a_report_is_trusted_of_its_own_end(
    edge: Key, namespace: str, reporter: str, trusted: Reporters | None
) -> None:
    """The scraped namespace must be that of the end that reports; a waypoint belongs to the destination."""
    reports = trusted_rates(table({(*edge, namespace, reporter): [1.0]}), MESH)

    if trusted is None:
        assert (reports.rates.keys, reports.claims) == ((), {edge: namespace})
    else:
        assert (dict(reports.reporters), reports.claims) == ({edge: trusted}, {})
    assert dropped_claims([reports], {}) == ({} if trusted else {(EdgeFault.OTHER_REPORTER, namespace): 1})


def test_a_forged_report_adds_nothing_to_a_real_one() -> None:
    """`evil` claims 999 requests a second of web → db: the client's 2 and the server's 3 stay."""
    reports = trusted_rates(
        table(
            {
                (*WEB_DB, "shop", "source"): [2.0, NAN],
                (*WEB_DB, "storage", "destination"): [3.0, 3.0],
                (*WEB_DB, "evil", "source"): [999.0, 999.0],
            }
        ),
        MESH,
    )

    np.testing.assert_array_equal(reports.rates.values, [[2.0, 3.0]])
    assert reports.reporters == {WEB_DB: Reporters.BOTH}
    assert dropped_claims([reports], reports.reporters) == {}


def test_the_larger_of_client_and_waypoint_counts() -> None:
    """Each sees at most all requests; the server counts only without both."""
    reports = trusted_rates(
        table(
            {
                (*WEB_DB, "shop", "source"): [2.0, 5.0, NAN],
                (*WEB_DB, "storage", "waypoint"): [4.0, 1.0, NAN],
                (*WEB_DB, "storage", "destination"): [9.0, 9.0, 9.0],
            }
        ),
        MESH,
    )

    np.testing.assert_array_equal(reports.rates.values, [[4.0, 5.0, 9.0]])


def test_scrapes_of_a_server_by_another_namespace_do_not_count() -> None:
    """A step in which only `evil` reports as db is no step in which db was scraped."""
    scrapes = trusted_scrapes(
        table({("storage", "db", "storage"): [5.0, NAN], ("storage", "db", "evil"): [NAN, 5.0]}), MESH
    )

    assert scrapes.keys == (("storage", "db"),)
    np.testing.assert_array_equal(scrapes.values, [[5.0, NAN]])
