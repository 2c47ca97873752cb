"""The body of an HTTP answer to a range query, made a dense matrix; pure.

An answer that may not be whole is an error: a part of it, taken for all, would be published as less than the
need. What is whole but no usable number (NaN, infinite, negative) is left out and counted.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from app.errors import SourceError
from app.estimation.samples import STEP_SECONDS, StepRange

_SHOWN_CHARACTERS = 200
T = TypeVar("T")
Body = bytes | bytearray


class _Row(msgspec.Struct):
    """One series; its points stay undecoded until their turn, since as objects they would fill the memory."""

    metric: dict[str, str]
    values: msgspec.Raw = msgspec.Raw(b"[]")
    histograms: msgspec.Raw = msgspec.Raw(b"[]")


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Envelope(msgspec.Struct, rename="camel"):
    status: str
    data: _Data | None = None
    error_type: str = ""
    error: str = ""
    warnings: list[str] | None = None


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_ROWS = msgspec.json.Decoder(list[_Row])
_POINTS = msgspec.json.Decoder(list[tuple[float, str]])
_NOTHING = (b"[]", b"null")


@dataclass(frozen=True, slots=True)
class Matrix:
    """`values[i, j]` belongs to the series with the label values `keys[i]` at step `steps.first + j`.

    It is NaN where there is no sample; `unusable` counts samples that were no usable number.
    """

    keys: tuple[tuple[str, ...], ...]
    values: NDArray[np.float64]
    unusable: int = 0


def decode_matrix(
    status: int,
    body: Body,
    labels: Sequence[str],
    steps: StepRange,
    optional: Collection[str] = (),
) -> Matrix:
    """The series of the answer, told apart by *labels*; a series that lacks one of them is left out.

    Of *optional* labels the absent ones are empty.

    Raises:
        SourceError: the answer is an error, only a part, or not what was asked for.
    """
    if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise SourceError("HTTPError", f"Prometheus answered {_phrase(status)}: {_error_text(body)}")
    required = [label for label in labels if label not in optional]
    rows = [row for row in _rows(body) if all(row.metric.get(label) for label in required)]
    keys = tuple(tuple(row.metric.get(label, "") for label in labels) for row in rows)
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise SourceError("MalformedAnswer", f"Prometheus' answer holds the series {'/'.join(twice)} twice")
    values = np.full((len(rows), len(steps)), np.nan)
    points = 0
    for number, row in enumerate(rows):
        columns, samples = _points(row, steps)
        values[number, columns] = samples
        points += len(samples)
    usable = np.isfinite(values) & (values >= 0)
    values[~usable] = np.nan
    return Matrix(keys, values, points - int(np.count_nonzero(usable)))


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


def _rows(body: Body) -> list[_Row]:
    envelope = _decode(_ENVELOPE, body, body)
    if envelope.status != "success":
        raise SourceError("QueryFailed", f"Prometheus could not answer: {_own_words(envelope)}")
    if envelope.warnings:
        warnings = _shortened("; ".join(envelope.warnings))
        raise SourceError("PartialAnswer", f"Prometheus' answer may be a part only: {warnings}")
    if envelope.data is None or envelope.data.result_type != "matrix":
        found = envelope.data.result_type if envelope.data else "no data"
        raise SourceError("MalformedAnswer", f"Prometheus answered a range query with {found}, not a matrix")
    rows = _decode(_ROWS, envelope.data.result, body)
    for row in rows:
        if bytes(row.histograms) not in _NOTHING:
            message = f"Prometheus answered with native histograms, not numbers, for {row.metric}"
            raise SourceError("NativeHistogram", message)
    return rows


def _decode(decoder: msgspec.json.Decoder[T], part: Body | msgspec.Raw, body: Body) -> T:
    try:
        return decoder.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"Prometheus' answer can't be read ({error}); it begins with: {_beginning(body)}"
        raise SourceError("MalformedAnswer", message) from error


def _points(row: _Row, steps: StepRange) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The columns and the samples of one series."""
    try:
        points = _POINTS.decode(row.values)
        times = np.fromiter((time for time, _ in points), dtype=np.float64, count=len(points))
        samples = np.fromiter((float(text) for _, text in points), dtype=np.float64, count=len(points))
    except (msgspec.DecodeError, ValueError) as error:
        message = f"a point of the series {row.metric} in Prometheus' answer can't be read: {error}"
        raise SourceError("MalformedAnswer", message) from error
    return _columns(times, steps, row), samples


def _columns(times: NDArray[np.float64], steps: StepRange, row: _Row) -> NDArray[np.int64]:
    positions = times / STEP_SECONDS - steps.first
    misplaced = (positions % 1 != 0) | (positions < 0) | (positions >= len(steps))
    misplaced |= np.diff(positions, prepend=-1) <= 0
    if misplaced.any():
        asked = f"every {STEP_SECONDS} s from {steps.start_seconds} to {steps.end_seconds}"
        found = f"{times[misplaced.argmax()]:.3f} in the series {row.metric}"
        message = f"Prometheus' answer has a point at {found}, which was not asked for ({asked}, each once)"
        raise SourceError("MalformedAnswer", message)
    return positions.astype(np.int64)
