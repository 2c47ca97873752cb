"""What counts connections: the proxies of a service mesh, agents that see flows, or traces."""

from enum import IntFlag


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


MESHES = Provider.LINKERD | Provider.ISTIO


def _name(flag: Provider) -> str:
    return (flag.name or "").lower().replace("_", "-")
