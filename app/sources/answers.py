"""The body of an HTTP answer to a range query, taken as it comes; pure.

An answer that may not be whole is an error: a part of it, taken for all, would be published as less than the
need. What is whole but no usable number (NaN, infinite, negative, absurd) is left out and counted.

Rows are cut out of the body as soon as they are complete, so that no more of it is held than a piece; what
remains is a small document of the same form, on which everything is checked that is not about rows.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from http import HTTPStatus
from itertools import repeat
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.errors import SourceError
from app.history.samples import STEP_SECONDS, StepRange
from app.sources.query_result import Key, QueryResult, joined

PIECE_BYTES = 2**18

# A row begins like this, and nothing in a text does: a quote has a backslash there.
_FIRST_ROW, _NEXT_ROW = b'[{"metric":{', b',{"metric":{'
_SHOWN_CHARACTERS = 200
_MOST = 1e18  # cores, bytes or requests a second: what is more can't have been measured
T = TypeVar("T")
Body = bytes | bytearray
Numbers = NDArray[np.float64]


class _Row(msgspec.Struct):
    """One series; its points stay undecoded until their turn, since as objects they would fill the memory."""

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
_NOTHING = (b"[]", b"null")


class AnswerReader:
    """Reads one answer of status 200: `feed` it as it comes, `digest` when it has enough, `finish` it.

    Series are told apart by *labels*; one that lacks one of them is left out. Of *optional* labels the absent
    ones are empty. Each raises SourceError where the answer is an error, a part, or not what was asked for.
    """

    def __init__(self, labels: Sequence[str], steps: StepRange, optional: Collection[str] = ()) -> None:
        self._labels, self._steps = labels, steps
        self._required = [label for label in labels if label not in optional]
        self._body = bytearray()
        self._enough = PIECE_BYTES
        self._rows_begin = 0
        self._names: dict[str, str] = {}
        self._keys: list[Key] = []
        self._counts: list[int] = []
        self._columns: list[NDArray[np.int32]] = []
        self._samples: list[Numbers] = []

    def feed(self, chunk: bytes) -> bool:
        """Take what came; True where `digest` is worth its while."""
        self._body += chunk
        return len(self._body) >= self._enough

    @property
    def held_bytes(self) -> int:
        """How much of the body is held."""
        return len(self._body)

    def digest(self) -> None:
        """Decode all rows but the last, which may not have come whole; where rows look strange, nothing."""
        self._rows_begin = self._rows_begin or self._body.find(_FIRST_ROW) + 1
        end = self._body.rfind(_NEXT_ROW)
        if self._rows_begin and end > self._rows_begin:
            rows = b"[" + self._body[self._rows_begin : end] + b"]"
            del self._body[self._rows_begin : end + 1]
            self._take(_decode(_ROWS, rows, rows))
        self._enough = max(PIECE_BYTES, 2 * len(self._body))

    def finish(self) -> QueryResult:
        """The whole answer, once all of it was fed."""
        data = _data(self._body)
        self._take(_decode(_ROWS, data.result, self._body))
        if len(set(self._keys)) < len(self._keys):
            twice = next(key for key, times in Counter(self._keys).items() if times > 1)
            raise SourceError(
                "MalformedAnswer", f"Prometheus' answer holds the series {'/'.join(twice)} twice"
            )
        samples = joined(self._samples, np.float64)
        self._samples.clear()  # as many bytes again
        samples[~((samples >= 0) & (samples <= _MOST))] = np.nan
        rows = np.repeat(np.arange(len(self._keys), dtype=np.int32), self._counts)
        columns = joined(self._columns, np.int32)
        return QueryResult(
            tuple(self._keys), self._steps, rows, columns, samples, _loaded_samples(data.stats)
        )

    def _take(self, rows: list[_Row]) -> None:
        kept = [row for row in rows if self._concerns_us(row)]
        if not kept:
            return
        times, samples, counts = _points(kept)
        self._columns.append(_columns(times, counts, self._steps, kept))
        self._samples.append(samples)
        self._counts += counts
        for row in kept:
            names = map(row.metric.get, self._labels, repeat(""))
            # Names come again and again: each is kept once.
            self._keys.append(tuple([self._names.setdefault(name, name) for name in names]))

    def _concerns_us(self, row: _Row) -> bool:
        if bytes(row.histograms) not in _NOTHING:
            message = f"Prometheus answered with native histograms, not numbers, for {row.metric}"
            raise SourceError("NativeHistogram", message)
        return all(row.metric.get(label) for label in self._required)


def refusal(status: int, body: Body) -> str:
    """What an answer of another status than 200 says."""
    return f"Prometheus answered {_phrase(status)}: {_error_text(body)}"


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _error_text(body: Body) -> str:
    """Prometheus' own words, or how the body of something in front of it begins."""
    try:
        envelope = _ENVELOPE.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _beginning(body)
    return _own_words(envelope)


def _own_words(envelope: _Envelope) -> str:
    return _shortened(": ".join(filter(None, (envelope.error_type, envelope.error)))) or "no reason given"


def _beginning(body: Body) -> str:
    return _shortened(body[: 4 * _SHOWN_CHARACTERS].decode(errors="replace")) or "an empty body"


def _shortened(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}…"


def _data(body: Body) -> _Data:
    envelope = _decode(_ENVELOPE, body, body)
    if envelope.status != "success":
        raise SourceError("QueryFailed", f"Prometheus could not answer: {_own_words(envelope)}")
    if envelope.warnings or envelope.is_partial:
        why = _shortened("; ".join(envelope.warnings or ("it says so itself (isPartial)",)))
        raise SourceError("PartialAnswer", f"Prometheus' answer may be a part only: {why}")
    if envelope.data is None or envelope.data.result_type != "matrix":
        found = envelope.data.result_type if envelope.data else "no data"
        raise SourceError("MalformedAnswer", f"Prometheus answered a range query with {found}, not a matrix")
    return envelope.data


def _decode(decoder: msgspec.json.Decoder[T], part: Body | msgspec.Raw, body: Body) -> T:
    try:
        return decoder.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"Prometheus' answer can't be read ({error}); it begins with: {_beginning(body)}"
        raise SourceError("MalformedAnswer", message) from error


def _loaded_samples(stats: msgspec.Raw) -> int:
    """How many samples the server read for the answer; 0 where it does not tell in Prometheus' way."""
    try:
        return _STATS.decode(stats).samples.total_queryable_samples
    except msgspec.DecodeError:
        return 0


def _points(rows: list[_Row]) -> tuple[Numbers, Numbers, list[int]]:
    """The times and the numbers of all points of all rows, and how many each row has."""
    texts = [bytes(row.values) for row in rows]
    counts = [text.count(b'"],[') + 1 for text in texts]
    plain = _plain_points(texts, sum(counts))
    if plain is not None:
        return *plain, counts
    each = [_points_of(row) for row in rows]
    times, samples = (np.concatenate(side) for side in zip(*each, strict=True))
    return times, samples, [len(of_row) for of_row, _ in each]


def _plain_points(texts: list[bytes], points: int) -> tuple[Numbers, Numbers] | None:
    """The points of texts like `[[60,"0.5"],[120,"1"]]`; None where one of them is not so plain.

    As one flat list of numbers they are decoded several times as fast as pairs are, and only pairs of a bare
    number and one in quotes give these counts.
    """
    if not all(text.startswith(b"[[") and text.endswith(b'"]]') for text in texts):
        return None
    pairs = b",".join(text[1:-1] for text in texts)
    numbers_alone = pairs.translate(None, b'[]"')
    if pairs.count(b',"') != points or len(pairs) - len(numbers_alone) != 4 * points:
        return None
    try:
        numbers = np.array(_NUMBERS.decode(b"[%b]" % numbers_alone))
    except msgspec.DecodeError:
        return None  # as NaN is one
    # The copy lets go of the times.
    return (numbers[::2], numbers[1::2].copy()) if len(numbers) == 2 * points else None


def _points_of(row: _Row) -> tuple[Numbers, Numbers]:
    try:
        points = _POINTS.decode(row.values)
        times = np.fromiter((time for time, _ in points), dtype=np.float64, count=len(points))
        return times, np.fromiter((float(text) for _, text in points), dtype=np.float64, count=len(points))
    except (msgspec.DecodeError, ValueError) as error:
        message = f"a point of the series {row.metric} in Prometheus' answer can't be read: {error}"
        raise SourceError("MalformedAnswer", message) from error


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
        asked = f"every {STEP_SECONDS} s from {steps.start_seconds} to {steps.end_seconds}"
        found = f"{times[point]:.3f} in the series {row.metric}"
        message = f"Prometheus' answer has a point at {found}, which was not asked for ({asked}, each once)"
        raise SourceError("MalformedAnswer", message)
    return positions.astype(np.int32)
