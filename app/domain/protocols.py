"""The protocol of a connection, as far as a mesh reports it."""

from enum import IntEnum


class Protocol(IntEnum):
    """TCP is a connection with bytes and without requests; the number is stored in check-points."""

    TCP = 0
    HTTP = 1
    GRPC = 2

    @property
    def label(self) -> str:
        """The protocol as a profile states it."""
        return self.name.lower()
