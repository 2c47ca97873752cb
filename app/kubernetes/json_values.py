"""The number of values in a JSON text, limited before it is decoded: three bytes can become 64 in memory."""

import msgspec

# An object has at most 1.5 MiB in etcd, so even one of commas alone is within the limit.
MAX_VALUES = 2_000_000
_UNCOUNTED_BYTES = MAX_VALUES


class TooManyValuesError(msgspec.DecodeError):
    """A text that would take too much memory."""


def check_values(text: bytes) -> None:
    """Raises TooManyValuesError; each value but the first follows a comma or an opening bracket."""
    if len(text) > _UNCOUNTED_BYTES and sum(map(text.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TooManyValuesError(f"it has more than {MAX_VALUES:,} values")
