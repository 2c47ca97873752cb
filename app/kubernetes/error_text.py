"""Texts of error messages, and the errors of texts that can't be decoded."""

import msgspec

# Of texts that are no JSON, no UTF-8, or nested too deeply.
UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_SHOWN_CHARACTERS = 400


def shorten(text: str) -> str:
    """The text on one line, cut to 400 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "..."


class CredentialsError(Exception):
    """The credentials for the API server can't be read; the text is the reason."""
