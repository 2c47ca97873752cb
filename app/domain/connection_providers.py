"""What counts connections: the proxies of a service mesh, agents that see flows, or traces."""

from enum import IntFlag
from typing import NamedTuple


class Provider(IntFlag):
    """Providers of connections; the numbers are stored in check-points."""

    LINKERD = 1
    ISTIO = 2
    NETOBSERV = 4
    OBI = 8
    BEYLA = 16
    SERVICE_GRAPH = 32
    HUBBLE = 64

    __hash__ = int.__hash__  # that of an Enum hashes its name

    @classmethod
    def named(cls, names: str) -> "Provider":
        """The providers with *names*, separated by commas; unknown names count for nothing."""
        flags = {_name(flag): flag for flag in cls}
        found = cls(0)
        for name in names.split(","):
            found |= flags.get(name.strip(), cls(0))
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names in settings and profiles, such as `service-graph`."""
        return tuple(_name(flag) for flag in Provider if flag in self)

    @property
    def counted_together(self) -> "Provider":
        """The providers whose counts of one edge are added up: a Pod has the proxy of one mesh only.

        Where it is not known which provider counted, it was a mesh.
        """
        return MESHES if self & MESHES or not self else self


# In place of names of providers: all that have metrics, or none.
AUTO, NONE = "auto", "none"

MESHES = Provider.LINKERD | Provider.ISTIO
COUNTING_BYTES_ALONE = Provider.NETOBSERV | Provider.OBI | Provider.BEYLA


class Counting(NamedTuple):
    """What counts a connection, by one in how many requests or packets."""

    providers: Provider = Provider(0)
    one_in: float = 1.0

    @property
    def names(self) -> str:
        """The names of the providers, separated by commas."""
        return ", ".join(self.providers.names)

    @property
    def limits(self) -> tuple[str, ...]:
        """What the providers can't see, in words: `bytes only`, `sampled 1 in 50`."""
        bytes_only = ["bytes only"] if self.providers and self.providers in COUNTING_BYTES_ALONE else []
        return (*bytes_only, *([f"sampled 1 in {self.one_in:g}"] if self.one_in > 1 else []))

    def __str__(self) -> str:
        """`netobserv (bytes only, sampled 1 in 50)`."""
        return f"{self.names} ({', '.join(self.limits)})" if self.limits else self.names


NOT_KNOWN = Counting()


def _name(flag: Provider) -> str:
    return (flag.name or "").lower().replace("_", "-")
