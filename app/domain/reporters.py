"""Which ends of a connection report it: what a metric claims is trusted of its own reporter only."""

from enum import IntFlag

from app.domain.workloads import Connection, Workload


class Reporters(IntFlag):
    """The ends whose own proxies report a connection; a trusted proxy of the mesh reports for both."""

    SOURCE = 1
    DESTINATION = 2
    BOTH = 3


def declaring_namespace(connection: Connection, reporters: int) -> str:
    """The namespace in whose share the connection counts: the source's, unless only the server reports it."""
    declares = connection.destination if reporters == Reporters.DESTINATION else connection.source
    return declares.namespace


def is_own(workload: Workload, connection: Connection, reporters: int) -> bool:
    """True if a proxy in the namespace of *workload*, an end of *connection*, reports the connection."""
    ends = (connection.source, Reporters.SOURCE), (connection.destination, Reporters.DESTINATION)
    return any(end.namespace == workload.namespace and reporters & flag for end, flag in ends)
