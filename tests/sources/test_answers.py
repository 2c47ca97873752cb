"""Decoding of response bodies, and the refusal of bodies that may be incomplete."""

import json
import re
import tracemalloc
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pytest

from app.errors import SourceError
from app.history.samples import StepRange
from app.sources import answers
from app.sources.answers import AnswerReader
from app.sources.query_result import EVERY_LABEL, QueryResult, SeriesMatrix
from tests.sources.wire import FIRST, FOURTH, SECOND, STEPS, THIRD, encoded, matrix, row

LABELS = ("namespace", "pod")
WEB = {"namespace": "emojivoto", "pod": "web-1"}
VOTING = {"namespace": "emojivoto", "pod": "voting-1"}


def read(body: bytes, labels: Sequence[str] = LABELS, optional: Collection[str] = ()) -> SeriesMatrix:
    reader = AnswerReader(labels, STEPS, optional)
    reader.feed(body)
    return reader.finish().matrix()


def decoded(*rows: dict[str, Any], **envelope: Any) -> SeriesMatrix:
    return read(encoded(matrix(*rows, **envelope)))


def refusal(body: bytes) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(body)
    return caught.value


def test_points_are_at_their_steps() -> None:
    """A series may have gaps: steps without a point are NaN."""
    answer = decoded(row(WEB, [(FIRST, "0.5"), (THIRD, "1e-07")]), row(VOTING, [(FOURTH, "2")]))

    assert answer.keys == (("emojivoto", "web-1"), ("emojivoto", "voting-1"))
    np.testing.assert_array_equal(
        answer.values, [[0.5, np.nan, 1e-07, np.nan], [np.nan, np.nan, np.nan, 2.0]]
    )
    assert answer.unusable == 0


def test_a_name_is_one_object_in_all_answers() -> None:
    """The answers on CPU and on memory name the same 150,000 Pods."""
    first, second = (decoded(row(WEB, [(FIRST, "0.5")])) for _ in range(2))

    assert first.keys[0][1] is second.keys[0][1]


def test_an_empty_result_is_complete() -> None:
    """A response without series is no error: the shape is [0, 4]."""
    answer = decoded()

    assert answer.keys == ()
    assert answer.values.shape == (0, 4)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "-0.5", "1e300"])
def test_unusable_numbers_are_left_out_and_counted(text: str) -> None:
    """Of three points one is no usable number: two remain, one is counted."""
    answer = decoded(row(WEB, [(FIRST, "0.5"), (SECOND, text), (THIRD, "0.7")]))

    np.testing.assert_array_equal(answer.values, [[0.5, np.nan, 0.7, np.nan]])
    assert answer.unusable == 1


def test_a_series_that_lacks_a_label_is_left_out() -> None:
    """A series without a Pod can't be attributed; it is dropped, and its NaN is not counted."""
    answer = decoded(row({"namespace": "emojivoto"}, [(FIRST, "NaN")]), row(WEB, [(FIRST, "1")]))

    assert answer.keys == (("emojivoto", "web-1"),)
    assert answer.unusable == 0


def test_infos_are_no_fault() -> None:
    """`infos` are remarks on the query's style; the response is complete."""
    answer = decoded(row(WEB, [(FIRST, "1")]), infos=["metric might not be a counter"])

    assert len(answer.keys) == 1


def test_warnings_mean_a_partial_result() -> None:
    """A federating back end returns 200 with warnings if a store is missing."""
    error = refusal(encoded(matrix(row(WEB, [(FIRST, "1")]), warnings=["store-3 is unavailable"])))

    assert error.reason == "PartialAnswer"
    assert str(error) == "Prometheus' response may be incomplete: store-3 is unavailable"


def test_error_status_in_a_200() -> None:
    """`status: error` is an error at any HTTP status."""
    error = refusal(encoded({"status": "error", "errorType": "execution", "error": "too many samples"}))

    assert error.reason == "QueryFailed"
    assert str(error) == "Prometheus returned an error: execution: too many samples"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            422,
            b'{"status":"error","errorType":"execution","error":"query loads too many samples"}',
            "Prometheus answered 422 Unprocessable Entity: execution: query loads too many samples",
        ),
        (
            502,
            b"<html>\r\n<head><title>502 Bad Gateway</title></head>\x00",
            "Prometheus answered 502 Bad Gateway: <html> <head><title>502 Bad Gateway</title></head>",
        ),
        (401, b"", "Prometheus answered 401 Unauthorized: an empty body"),
        (500, b'{"status":"error"}', "Prometheus answered 500 Internal Server Error: no reason given"),
        (302, b"moved", "Prometheus answered 302 Found: moved"),
        (599, b"\xff\xfe", "Prometheus answered 599: \ufffd\ufffd"),
    ],
    ids=["Prometheus' own error", "a proxy's page", "nothing", "no text", "redirect", "not UTF-8"],
)
def test_http_errors_have_status_and_text(status: int, body: bytes, expected: str) -> None:
    """The message has the status, then Prometheus' error or the beginning of the body, on one line."""
    assert answers.error_message(status, body) in {
        expected,
        expected.replace("Entity", "Content"),
    }  # Python 3.13 renamed 422


def test_long_bodies_are_cut() -> None:
    """A page of 10,000 characters is cut after 200, with an ellipsis."""
    assert answers.error_message(500, b"x" * 10_000).endswith(": " + "x" * 200 + "…")


def test_another_result_type() -> None:
    """The response to a range query is a matrix; a vector is an error."""
    error = refusal(encoded({"status": "success", "data": {"resultType": "vector", "result": []}}))

    assert error.reason == "MalformedAnswer"
    assert str(error) == "Prometheus answered a range query with vector, not a matrix"


def test_success_without_data() -> None:
    """A success without data is malformed, not empty."""
    assert str(refusal(b'{"status":"success"}')) == (
        "Prometheus answered a range query with no data, not a matrix"
    )


@pytest.mark.parametrize(
    "text",
    [
        'PromQL warning: encountered a mix of histograms and floats for metric name "request_total" (1:2)',
        'PromQL info: metric might not be a counter, name does not end in _total: "request" (1:2)',
    ],
)
@pytest.mark.parametrize("field", ["warnings", "infos"])
def test_annotations_of_promql_are_no_partial_result(field: str, text: str) -> None:
    """They are about single series; Prometheus 2.48 to 2.53 lists infos among the warnings."""
    assert len(decoded(row(WEB, [(FIRST, "1")]), **{field: [text]}).keys) == 1


@pytest.mark.parametrize(
    "text",
    [
        "results truncated due to limit",
        "No StoreAPIs matched for this query",
        "remote read: unable to reach PromQL info: server",
        "",
    ],
)
def test_a_warning_of_the_storage_beside_an_annotation_means_a_partial_result(text: str) -> None:
    """The message has the storage's warning only."""
    annotation = "PromQL warning: encountered a mix of histograms and floats"
    error = refusal(encoded(matrix(row(WEB, [(FIRST, "1")]), warnings=[annotation, text])))

    assert (error.reason, str(error)) == (
        "PartialAnswer",
        f"Prometheus' response may be incomplete: {text}",
    )


def histograms_of(labels: dict[str, str], *, beside: bool) -> dict[str, Any]:
    """A row of native histograms, in place of numbers or *beside* them."""
    histograms = [[FIRST, {"count": "1", "sum": "2", "buckets": []}]]
    of_histograms = row(labels, [(FIRST, "1")] if beside else [], histograms=histograms)
    if not beside:
        del of_histograms["values"]
    return of_histograms


@pytest.mark.parametrize("beside", [True, False], ids=["beside values", "in place of values"])
def test_only_native_histograms_are_refused(*, beside: bool) -> None:
    """A response of nothing but histograms is an error, even if it has numbers too."""
    error = refusal(encoded(matrix(histograms_of(WEB, beside=beside))))

    assert error.reason == "NativeHistogram"
    assert "web-1" in str(error)


@pytest.mark.parametrize("beside", [True, False], ids=["beside values", "in place of values"])
def test_a_series_of_native_histograms_costs_only_itself(*, beside: bool) -> None:
    """One of two series is dropped and counted; the other stays."""
    answer = decoded(histograms_of(WEB, beside=beside), row(VOTING, [(SECOND, "2")]))

    assert (answer.keys, answer.unusable) == ((("emojivoto", "voting-1"),), 1)
    np.testing.assert_array_equal(answer.values, [[np.nan, 2.0, np.nan, np.nan]])


def test_an_empty_list_of_histograms_is_none() -> None:
    """A server may write the field into every row."""
    assert len(decoded(row(WEB, [(FIRST, "1")], histograms=[])).keys) == 1


@pytest.mark.parametrize("length", range(1, len(encoded(matrix(row(WEB, [(FIRST, "0.5")]))))))
def test_truncated_json_is_refused(length: int) -> None:
    """A body that is cut off at any byte is refused and never decoded as a smaller result."""
    error = refusal(encoded(matrix(row(WEB, [(FIRST, "0.5")])))[:length])

    assert error.reason == "MalformedAnswer"
    assert str(error).startswith("Prometheus' response can't be decoded (")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>log in</html>",
        b"",
        b"[]",
        b"null",
        b'{"status":"success","data":{"resultType":"matrix","result":{}}}',
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"namespace":5}}]}}',
        b'{"status":"success\xff","data":null}',
        b"[" * 100_000,
        b'{"status":"success","data":{"resultType":"matrix","result":' + b"[" * 100_000,
    ],
    ids=["page", "empty", "list", "null", "result", "label", "UTF-8", "depth", "inner depth"],
)
def test_other_bodies_are_malformed(body: bytes) -> None:
    """A body of another form with status 200 is a malformed response and raises no other exception."""
    assert refusal(body).reason == "MalformedAnswer"


@pytest.mark.parametrize(
    "points",
    [[(FIRST, 0.5)], [(FIRST,)], [("x", "1")], [(FIRST, "much")], [(FIRST, "")], "text"],
    ids=["bare number", "no value", "no time", "a word", "nothing", "no list"],
)
def test_points_of_another_form_are_refused(points: Any) -> None:
    """A point is a pair of a time and a quoted number; otherwise the error names the series."""
    error = refusal(encoded(matrix({"metric": WEB, "values": points})))

    assert error.reason == "MalformedAnswer"
    assert "web-1" in str(error)


@pytest.mark.parametrize(
    "times",
    [[FIRST + 1], [FIRST + 0.5], [FIRST - 300], [FOURTH + 300], [SECOND, FIRST], [FIRST, FIRST], [1e300]],
    ids=["off the grid", "fraction", "before", "after", "backwards", "twice", "far away"],
)
def test_points_at_other_times_are_refused(times: list[float]) -> None:
    """Every point has one of the requested times; the times rise."""
    error = refusal(encoded(matrix(row(WEB, [(time, "1") for time in times]))))

    assert error.reason == "MalformedAnswer"
    assert f"every 300 s from {FIRST} to {FOURTH}" in str(error)


def test_more_points_than_requested_are_refused() -> None:
    """The query requested four steps; a response with a fifth point belongs to another query."""
    points = [(time, "1") for time in range(FIRST, FOURTH + 600, 300)]

    assert refusal(encoded(matrix(row(WEB, points)))).reason == "MalformedAnswer"


def test_nothing_but_a_repeated_series_is_refused() -> None:
    """Two rows of one series would count double."""
    error = refusal(encoded(matrix(row(WEB, [(FIRST, "1")]), row(WEB, [(SECOND, "1")]))))

    assert str(error) == "Prometheus' response has the series emojivoto/web-1 twice"


def test_a_repeated_series_costs_only_itself() -> None:
    """Both rows of web-1 are dropped, since neither is known to be right, and counted once; voting stays."""
    repeated = (row(WEB, [(FIRST, "1")]), row(VOTING, [(SECOND, "2")]), row(WEB, [(SECOND, "1")]))
    answer = decoded(*repeated)

    assert (answer.keys, answer.unusable) == ((("emojivoto", "voting-1"),), 1)
    np.testing.assert_array_equal(answer.values, [[np.nan, 2.0, np.nan, np.nan]])


def test_of_series_with_one_key_the_largest_sample_of_a_step_counts() -> None:
    """The query did not aggregate: web-1 was restarted in the second step, and has two series.

    The first has .1 and .4 there, the second .3 and .2; a number that is none gives way to one that is.
    """
    before = row(WEB | {"id": "1"}, [(FIRST, "0.1"), (SECOND, "0.4"), (THIRD, "NaN")])
    after = row(WEB | {"id": "2"}, [(SECOND, "0.3"), (THIRD, "0.2"), (FOURTH, "0.5")])
    reader = AnswerReader(LABELS, STEPS, is_aggregated=False)
    reader.feed(encoded(matrix(before, row(VOTING, [(SECOND, "2")]), after)))
    answer = reader.finish().matrix()

    assert (answer.keys, answer.unusable) == ((("emojivoto", "web-1"), ("emojivoto", "voting-1")), 0)
    np.testing.assert_array_equal(answer.values, [[0.1, 0.4, 0.2, 0.5], [np.nan, 2.0, np.nan, np.nan]])


def test_optional_labels_may_be_absent() -> None:
    """A series without the optional label has "" as its value; without the other label it is dropped."""
    rows = (row({"pod": "a"}, [(FIRST, "1")]), row({"kind": "b"}, [(FIRST, "1")]))

    result = read(encoded(matrix(*rows)), ("pod", "kind"), {"kind"})

    assert result.keys == (("a", ""),)


def long_response(series: int, points: int) -> tuple[bytes, StepRange]:
    """A response with *series* series of different values; their names contain the beginning of a row."""
    steps = StepRange(STEPS.first, STEPS.first + points - 1)
    rows = [
        row(
            {"namespace": 'team,{"metric":{', "pod": f"web-{number}"},
            [(step * 300, f"{number + step / 7e6:.9g}") for step in range(steps.first, steps.last + 1)],
        )
        for number in range(series)
    ]
    return encoded(matrix(*rows, infos=["a remark"])), steps


def read_in_chunks(body: bytes, steps: StepRange, chunk_bytes: int) -> QueryResult:
    reader = AnswerReader(LABELS, steps)
    for start in range(0, len(body), chunk_bytes):
        if reader.feed(body[start : start + chunk_bytes]):
            reader.decode_rows()
    return reader.finish()


@pytest.mark.parametrize("chunk_bytes", [1, 7, 100, 1000, 10_000_000])
@pytest.mark.parametrize("decoded_bytes", [1, 200, 5000])
def test_chunks_of_a_response_do_not_change_the_result(
    chunk_bytes: int, decoded_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result depends neither on the chunks of the network nor on the number of bytes decoded at once."""
    body, steps = long_response(6, 9)
    monkeypatch.setattr(answers, "DECODED_AT_ONCE_BYTES", decoded_bytes)
    result = read_in_chunks(body, steps, chunk_bytes).matrix()

    assert [pod for _, pod in result.keys] == [f"web-{number}" for number in range(6)]
    expected = [[number + step / 7e6 for step in range(steps.first, steps.last + 1)] for number in range(6)]
    np.testing.assert_allclose(result.values, expected, rtol=1e-8)


@pytest.mark.parametrize("decoded_bytes", [1, 10**6])
@pytest.mark.parametrize(
    ("spoiled", "reason"),
    [
        (lambda body: body[:-40], "MalformedAnswer"),
        (lambda body: body.replace(b'"infos":["a', b'"warnings":["a'), "PartialAnswer"),
        (
            lambda body: body.replace(b'"status":"success"', b'"status":"success","isPartial":true'),
            "PartialAnswer",
        ),
        (lambda body: body.replace(b'"matrix"', b'"vector"'), "MalformedAnswer"),
        (lambda body: re.sub(rb"web-\d", b"web-0", body), "MalformedAnswer"),
        (lambda body: body.replace(b'"}', b'"}}', 1), "MalformedAnswer"),
        (lambda body: body.replace(b'"]]}', b'"]],"histograms":[[1,{}]]}'), "NativeHistogram"),
        (lambda body: body.replace(b"[[1772323200,", b"[[1772323201,", 1), "MalformedAnswer"),
    ],
    ids=["cut off", "warnings", "isPartial", "vector", "twice", "form", "histogram", "off the grid"],
)
def test_a_response_in_chunks_is_checked_as_a_whole(
    spoiled: Callable[[bytes], bytes], reason: str, decoded_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are already decoded are discarded if the rest of the response is an error."""
    body, steps = long_response(6, 9)
    monkeypatch.setattr(answers, "DECODED_AT_ONCE_BYTES", decoded_bytes)
    assert spoiled(body) != body

    with pytest.raises(SourceError) as caught:
        read_in_chunks(spoiled(body), steps, 100)

    assert caught.value.reason == reason


def test_the_memory_of_a_large_response_is_that_of_its_numbers() -> None:
    """400 series of 1,000 points are 11 MB of text, 3.2 MB of samples and 3.2 MB of row and column numbers.

    The numbers are in memory twice for a moment; beside them there is only a part of the text, so the peak is
    less than the length of the text.
    """
    body, steps = long_response(400, 1000)
    reader = AnswerReader(LABELS, steps)
    tracemalloc.start()
    for start in range(0, len(body), 65_536):
        if reader.feed(body[start : start + 65_536]):
            reader.decode_rows()
    reader.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(body) > 10e6
    assert peak < len(body)


def test_all_labels_of_a_series() -> None:
    """They are one value, as JSON, beside those that are asked for by name."""
    labels = {"job": "envoy", "ha_replica": 'a "quoted" one'}
    reader = AnswerReader(("job", EVERY_LABEL), STEPS, {EVERY_LABEL})
    reader.feed(encoded(matrix(row(labels, [(FIRST, "1")]))))

    [(job, every)] = reader.finish().keys
    assert (job, json.loads(every)) == ("envoy", labels)
