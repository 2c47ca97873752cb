"""Rows of an answer over the limit: dropped before their points are decoded, and shared by namespaces."""

from app.sources.answers import AnswerReader
from app.sources.query_result import QueryResult
from app.sources.row_limit import RowLimit, RowShares
from tests.sources.wire import FIRST, STEPS, encoded, matrix, row


def read(limit: RowLimit | None, *rows: tuple[str, int]) -> QueryResult:
    """The result of an answer with so many rows of each namespace, one after the other."""
    reader = AnswerReader(("namespace", "n"), STEPS, (), limit)
    listed = [
        row({"namespace": namespace, "n": str(number)}, [(FIRST, "1")])
        for namespace, count in rows
        for number in range(count)
    ]
    reader.feed(encoded(matrix(*listed)))
    reader.decode_rows()
    return reader.finish()


def namespaces(result: QueryResult) -> dict[str, int]:
    """The number of kept rows of each namespace."""
    counts: dict[str, int] = {}
    for namespace, _ in result.keys:
        counts[namespace] = counts.get(namespace, 0) + 1
    return counts


def test_everything_is_kept_within_the_limit() -> None:
    """100 rows of one namespace and a limit of 100."""
    result = read(RowLimit(100), ("evil", 100))

    assert (namespaces(result), result.left_out) == ({"evil": 100}, {})


def test_a_namespace_that_comes_late_has_its_share() -> None:
    """A flood fills the limit of 100 first: it loses the rest, and 50 = 100 / 2 of `shop` are kept."""
    result = read(RowLimit(100), ("evil", 300), ("shop", 60), ("web", 5))

    assert namespaces(result) == {"evil": 100, "shop": 50, "web": 5}
    assert result.left_out == {"evil": 200, "shop": 10}
    assert len(result.samples) == 155


def test_without_a_limit_all_rows_are_kept() -> None:
    """Answers about containers have no limit."""
    assert namespaces(read(None, ("evil", 300))) == {"evil": 300}


def test_a_thousand_namespaces_keep_a_bounded_number_of_rows() -> None:
    """Each floods: 1,000 rows, then 1,000 / n of the n-th namespace: at most 1,000 * (1 + ln 1,000)."""
    shares = RowShares(RowLimit(1000))

    kept = sum(shares.takes(f"ns-{namespace}") for namespace in range(1000) for _ in range(2000))

    assert 1000 <= kept <= 1000 * (1 + 6.91)


def test_each_query_of_an_answer_has_the_limit() -> None:
    """Of two queries with 150 and 120 rows, 100 of each are kept; 50 is what the first has left out."""
    shares = RowShares(RowLimit(100, query_label="part"))

    kept = [sum(shares.takes("evil", query) for _ in range(rows)) for query, rows in (("", 150), ("1", 120))]

    assert (kept, shares.left_out) == ([100, 100], {"evil": 50})
