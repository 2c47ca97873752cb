"""Decoding of the response to a range query while it is received; pure.

A response that may be incomplete is an error: if a part counted as the whole, the published value would be
below the need. Annotations of PromQL on single series are no sign of that. Samples that are no usable number
(NaN, infinite, negative, absurdly large, a native histogram) are dropped and counted, and so are series that
the response has twice.

Complete rows are cut out of the body early, so that little of it is held at a time. The rest is a small
document of the same form, on which everything but the rows is checked. The memory for decoding is estimated
from the characters that begin an object, before it is used: a short text can have millions of them.
"""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import repeat
from sys import intern
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.errors import RefusedQueryError
from app.history.samples import STEP_SECONDS, STEPS_PER_DAY, StepRange
from app.sources.query_result import EVERY_LABEL, Key, QueryResult, concatenate, largest_of_key
from app.sources.row_limit import RowLimit, RowShares

DECODED_AT_ONCE_BYTES = 2**18

# Every row begins like this. No JSON string contains it, since quotes are escaped there.
_FIRST_ROW, _NEXT_ROW = b'[{"metric":{', b',{"metric":{'
_SHOWN_CHARACTERS = 200
# Upper limits of the memory for decoding: the copies of the text, and the Python objects by their first
# character: structs and dictionaries, entries of dictionaries, points, strings.
_COPIES = 6
_MOST_PER_BYTE = 110  # of a list of empty objects
_BYTES_PER = {b"{": 300, b":": 200, b"[": 160, b'"': 30}
# Of the samples, steps and rows of a point, and of the key and the counts of a series.
_POINT_BYTES, _SERIES_BYTES, _NUMBER_BYTES, _TEXT_BYTES = 28, 400, 8, 64
_MERGING_BYTES_PER_POINT = 80  # sorted numbers of all points, and their places
_MOST_LOADED_SAMPLES = 10**12  # a larger number is none that a server read
_LARGEST_USABLE = 1e18  # cores, bytes or requests per second: larger numbers are no measurement
T = TypeVar("T")
Body = bytes | bytearray
Numbers = NDArray[np.float64]


class _Row(msgspec.Struct):
    """One series. Its points are decoded later: as Python objects those of all rows would fill the memory."""

    metric: dict[str, str]
    values: msgspec.Raw = msgspec.Raw(b"[]")
    histograms: msgspec.Raw = msgspec.Raw(b"[]")


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw
    stats: msgspec.Raw = msgspec.Raw(b"{}")


class _Envelope(msgspec.Struct, rename="camel"):
    status: str
    data: _Data | None = None
    error_type: str = ""
    error: str = ""
    warnings: list[str] | None = None
    is_partial: bool = False


class _SampleStats(msgspec.Struct, rename="camel"):
    total_queryable_samples: int = 0


class _Stats(msgspec.Struct):
    samples: _SampleStats


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ROWS = msgspec.json.Decoder(list[_Row])
_STATS = msgspec.json.Decoder(_Stats)
_NUMBERS = msgspec.json.Decoder(list[float])
_POINTS = msgspec.json.Decoder(list[tuple[float, str]])
_EMPTY = (b"[]", b"null")
# PromQL annotates a query on a series that it left out or finds odd (a native histogram beside floats, a
# counter without `_total`), with these beginnings; some versions list infos among the warnings. All other
# warnings come from the storage: a block, a store or a remote server may be missing in the response.
_PROMQL_ANNOTATIONS = ("PromQL info:", "PromQL warning:")


class AnswerReader:
    """Reads one response of status 200: `feed` for each chunk, `decode_rows` in between, `finish` at the end.

    The key of a series is the values of its *labels*; series without one of them are dropped. An absent
    *optional* label has the value "". A series of native histograms, and one that the response has twice,
    are dropped and counted; series over *limit* are dropped before their points are decoded. Unless the query
    *is_aggregated*, several series may have one key: the largest sample of each step counts. Every method
    raises RefusedQueryError if the response is an error, incomplete, does not fit the query, or has no other
    series than dropped ones; *reserve* is called with the memory in use, and may raise SourceError.
    """

    def __init__(  # noqa: PLR0913 - the query, the form of its result, and its limits
        self,
        labels: Sequence[str],
        steps: StepRange,
        optional: Collection[str] = (),
        limit: RowLimit | None = None,
        reserve: Callable[[int], None] = lambda _bytes: None,
        *,
        is_aggregated: bool = True,
    ) -> None:
        self._reserve, self._is_aggregated = reserve, is_aggregated
        self._kept_bytes = 0
        self._labels, self._steps = labels, steps
        self._has_every_label = EVERY_LABEL in labels
        self._shares = RowShares(limit) if limit else None
        self._required = [label for label in labels if label not in optional]
        self._body = bytearray()
        self._decode_from_bytes = DECODED_AT_ONCE_BYTES
        self._rows_begin = 0
        self._names: dict[str, str] = {}
        self._keys: list[Key] = []
        self._counts: list[int] = []
        self._columns: list[NDArray[np.int32]] = []
        self._samples: list[Numbers] = []
        self._fault: RefusedQueryError | None = None  # of the first dropped series
        self._dropped_series = 0

    def feed(self, chunk: bytes) -> bool:
        """Append *chunk* to the body; True if enough is held for `decode_rows`."""
        self._reserve(self._kept_bytes + 2 * (len(self._body) + len(chunk)))
        self._body += chunk
        return len(self._body) >= self._decode_from_bytes

    def decode_rows(self) -> None:
        """Decode all rows but the last, which may be incomplete; none if the rows look different."""
        self._rows_begin = self._rows_begin or self._body.find(_FIRST_ROW) + 1
        end = self._body.rfind(_NEXT_ROW)
        if self._rows_begin and end > self._rows_begin:
            self._reserve(self._kept_bytes + decoding_bytes(self._body))
            rows = b"[" + self._body[self._rows_begin : end] + b"]"
            del self._body[self._rows_begin : end + 1]
            self._append(_decode(_ROWS, rows, rows))
        self._decode_from_bytes = max(DECODED_AT_ONCE_BYTES, 2 * len(self._body))

    def finish(self) -> QueryResult:
        """The result, after the last chunk."""
        if self._body.startswith(BOM_UTF8):
            del self._body[: len(BOM_UTF8)]
        self._reserve(self._kept_bytes + decoding_bytes(self._body))
        data = _data(self._body)
        self._append(_decode(_ROWS, data.result, self._body))
        samples = concatenate(self._samples, np.float64)
        self._samples.clear()  # frees as much memory as `samples` takes
        samples[~((samples >= 0) & (samples <= _LARGEST_USABLE))] = np.nan
        rows = np.repeat(np.arange(len(self._keys), dtype=np.int32), self._counts)
        columns = concatenate(self._columns, np.int32)
        result = QueryResult(
            tuple(self._keys),
            self._steps,
            rows,
            columns,
            samples,
            loaded_samples=_loaded_samples(data.stats),
            left_out=self._shares.left_out if self._shares else {},
        )
        if len(set(self._keys)) < len(self._keys):
            result = self._without_repeated(result) if self._is_aggregated else self._merged(result)
        if self._fault and not result.keys:
            raise self._fault
        return replace(result, dropped_series=self._dropped_series)

    def _drop(self, reason: str, message: str) -> None:
        self._fault = self._fault or RefusedQueryError(reason, message)
        self._dropped_series += 1

    def _without_repeated(self, result: QueryResult) -> QueryResult:
        """The series that occur once: neither of two rows of one series is known to be the right one."""
        occurrences = Counter(result.keys)
        for key, count in occurrences.items():
            if count > 1:
                name = _shortened("/".join(key))
                self._drop("MalformedAnswer", f"Prometheus' response has the series {name} twice")
        return result.select(np.array([occurrences[key] == 1 for key in result.keys], dtype=np.bool_))

    def _merged(self, result: QueryResult) -> QueryResult:
        self._reserve(self._kept_bytes + _MERGING_BYTES_PER_POINT * len(result.samples))
        return largest_of_key(result)

    def _append(self, rows: list[_Row]) -> None:
        accepted = [row for row in rows if self._accepts(row)]
        if not accepted:
            return
        times, samples, counts = _points(accepted)
        self._columns.append(_columns(times, counts, self._steps, accepted))
        self._samples.append(samples)
        self._counts += counts
        for row in accepted:
            if self._has_every_label:
                row.metric[EVERY_LABEL] = msgspec.json.encode(row.metric).decode()
            names = map(row.metric.get, self._labels, repeat(""))
            # The same names recur in many rows, other answers and the records of Pods: each is one object.
            self._keys.append(tuple([self._keep(name) for name in names]))
        series_bytes = _SERIES_BYTES + _NUMBER_BYTES * (
            len(self._labels) + min(len(self._steps), STEPS_PER_DAY)
        )
        self._kept_bytes += _POINT_BYTES * len(samples) + series_bytes * len(accepted)
        self._reserve(self._kept_bytes + len(self._body))

    def _keep(self, name: str) -> str:
        """The one object that is *name*."""
        if name not in self._names:
            self._names[name] = intern(name)
            self._kept_bytes += _TEXT_BYTES + 4 * len(name)
        return self._names[name]

    @property
    def kept_bytes(self) -> int:
        """The memory of the result, and of a matrix of it over a day."""
        return self._kept_bytes

    def _accepts(self, row: _Row) -> bool:
        if not all(row.metric.get(label) for label in self._required):
            return False
        if bytes(row.histograms) not in _EMPTY:
            message = f"Prometheus returned native histograms instead of numbers for {_described(row)}"
            self._drop("NativeHistogram", message)
            return False
        if self._shares is None:
            return True
        limit = self._shares.limit
        return self._shares.takes(row.metric.get(limit.label, ""), row.metric.get(limit.query_label, ""))


def decoding_bytes(text: Body) -> int:
    """The memory that decoding *text* takes at most; characters are counted in long texts only."""
    if len(text) <= 2 * DECODED_AT_ONCE_BYTES:
        return _MOST_PER_BYTE * len(text)
    return _COPIES * len(text) + sum(size * text.count(begin) for begin, size in _BYTES_PER.items())


def error_message(status: int, body: Body) -> str:
    """The message for a response with another status than 200."""
    return f"Prometheus answered {_status_text(status)}: {_error_text(body)}"


def _status_text(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _error_text(body: Body) -> str:
    """The error in Prometheus' envelope; if a proxy sent another body, the beginning of that."""
    try:
        envelope = _ENVELOPE.decode(body.removeprefix(BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _beginning(body)
    return _envelope_error(envelope)


def _envelope_error(envelope: _Envelope) -> str:
    return _shortened(": ".join(filter(None, (envelope.error_type, envelope.error)))) or "no reason given"


def _beginning(body: Body) -> str:
    return _shortened(body[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")) or "an empty body"


def _described(row: _Row) -> str:
    return _shortened(str(row.metric))


def _shortened(text: str) -> str:
    beginning = text[: 4 * _SHOWN_CHARACTERS]
    line = " ".join("".join(c if c.isprintable() else " " for c in beginning).split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"


def _data(body: Body) -> _Data:
    envelope = _decode(_ENVELOPE, body, body)
    if envelope.status != "success":
        raise RefusedQueryError("QueryFailed", f"Prometheus returned an error: {_envelope_error(envelope)}")
    warnings = [text for text in envelope.warnings or () if not text.startswith(_PROMQL_ANNOTATIONS)]
    if warnings or envelope.is_partial:
        reason = _shortened("; ".join(warnings or ("isPartial is true",)))
        raise RefusedQueryError("PartialAnswer", f"Prometheus' response may be incomplete: {reason}")
    if envelope.data is None or envelope.data.result_type != "matrix":
        result_type = envelope.data.result_type if envelope.data else "no data"
        message = f"Prometheus answered a range query with {result_type}, not a matrix"
        raise RefusedQueryError("MalformedAnswer", message)
    return envelope.data


def _decode(decoder: msgspec.json.Decoder[T], part: Body | msgspec.Raw, body: Body) -> T:
    try:
        return decoder.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"Prometheus' response can't be decoded ({error}); it begins with: {_beginning(body)}"
        raise RefusedQueryError("MalformedAnswer", message) from error


def _loaded_samples(stats: msgspec.Raw) -> int:
    """The number of samples that the server read; 0 without Prometheus' statistics, or with a wrong one."""
    try:
        samples = _STATS.decode(stats).samples.total_queryable_samples
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0
    return samples if 0 <= samples <= _MOST_LOADED_SAMPLES else 0


def _points(rows: list[_Row]) -> tuple[Numbers, Numbers, list[int]]:
    """The times and the samples of all points of all rows, and the number of points of each row."""
    texts = [bytes(row.values) for row in rows]
    counts = [text.count(b'"],[') + 1 for text in texts]
    plain = _plain_points(texts, sum(counts))
    if plain is not None:
        return *plain, counts
    points = [_points_of(row) for row in rows]
    times, samples = (np.concatenate(side) for side in zip(*points, strict=True))
    return times, samples, [len(row_times) for row_times, _ in points]


def _plain_points(texts: list[bytes], points: int) -> tuple[Numbers, Numbers] | None:
    """The points of texts like `[[60,"0.5"],[120,"1"]]`; None if a text has another form.

    One flat list of numbers is decoded several times as fast as pairs. Only pairs of a bare and a quoted
    number give these counts.
    """
    if not all(text.startswith(b"[[") and text.endswith(b'"]]') for text in texts):
        return None
    pairs = b",".join(text[1:-1] for text in texts)
    bare_numbers = pairs.translate(None, b'[]"')
    if pairs.count(b',"') != points or len(pairs) - len(bare_numbers) != 4 * points:
        return None
    if bare_numbers.count(b",") != 2 * points - 1:
        return None
    try:
        decoded = _NUMBERS.decode(b"[%b]" % bare_numbers)
    except msgspec.DecodeError:
        return None  # for example, NaN
    numbers = np.fromiter(decoded, np.float64, len(decoded))
    # The copy does not keep the times in memory.
    return (numbers[::2], numbers[1::2].copy()) if len(numbers) == 2 * points else None


def _points_of(row: _Row) -> tuple[Numbers, Numbers]:
    try:
        points = _POINTS.decode(row.values)
        times = np.fromiter((time for time, _ in points), dtype=np.float64, count=len(points))
        return times, np.fromiter((float(text) for _, text in points), dtype=np.float64, count=len(points))
    except (msgspec.DecodeError, ValueError) as error:
        message = f"a point of the series {_described(row)} in Prometheus' response can't be decoded: {error}"
        raise RefusedQueryError("MalformedAnswer", message) from error


def _columns(times: Numbers, counts: list[int], steps: StepRange, rows: list[_Row]) -> NDArray[np.int32]:
    positions = times / STEP_SECONDS - steps.first
    rising = np.diff(positions, prepend=-np.inf) > 0
    ends = np.cumsum(counts)
    begins = ends - counts
    rising[begins[begins < len(times)]] = True
    misplaced = ~rising | (positions % 1 != 0) | (positions < 0) | (positions >= len(steps))
    if misplaced.any():
        point = int(misplaced.argmax())
        row = rows[int(np.searchsorted(ends, point, side="right"))]
        found = f"Prometheus' response has a point at {times[point]:.3f} in the series {_described(row)}"
        requested = f"one every {STEP_SECONDS} s from {steps.start_seconds} to {steps.end_seconds}"
        message = f"{found}; the query requested {requested}"
        raise RefusedQueryError("MalformedAnswer", message)
    return positions.astype(np.int32)
