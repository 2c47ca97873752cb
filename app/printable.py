"""Text for a terminal: what comes from a cluster or from Prometheus can't control the terminal.

Names, labels and messages are written by tenants and servers. A terminal would act on an escape sequence, go
on in another line after a line break, or show text in another order after a mark of direction.
"""


def printable(text: str) -> str:
    """*text* in one line, with Python's escapes for characters that are not printable.

    These are control characters, line breaks, invisible characters and marks of direction, half pairs of
    UTF-16, and spaces of other kinds.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
