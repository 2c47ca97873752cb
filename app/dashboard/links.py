"""Addresses of views: on the server, or within the one file of a report; pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from app.domain.workloads import Workload


class Links(Protocol):
    """The address of each view; empty if there is none, so that the name stands alone."""

    def view(self, name: str) -> str:
        """The address of the view *name*: overview, workloads, connections or namespaces."""

    def workload(self, workload: Workload) -> str:
        """The address of the view of one workload."""

    def namespace(self, name: str, /) -> str:
        """The address of the view of one namespace."""


@dataclass(frozen=True, slots=True)
class ServedLinks:
    """Addresses below *prefix*, which has the token; names are in the query, where `..` is no folder."""

    prefix: str
    known: Collection[Workload] = ()

    def view(self, name: str) -> str:
        """The address of the view *name*."""
        return self.prefix if name == "overview" else f"{self.prefix}{name}"

    def workload(self, workload: Workload) -> str:
        """The address, if the workload has a profile of its own."""
        if workload not in self.known:
            return ""
        named = {"namespace": workload.namespace, "name": workload.name, "kind": workload.kind}
        return f"{self.prefix}workload?{urlencode(named)}"

    def namespace(self, name: str) -> str:
        """The address of the view of one namespace."""
        return f"{self.prefix}namespace?{urlencode({'name': name})}"


@dataclass(frozen=True, slots=True)
class ReportLinks:
    """Anchors in a file that has sections for the workloads *shown*, by their number."""

    shown: Mapping[Workload, int]

    def view(self, name: str) -> str:
        """The anchor of the view *name*."""
        return f"#view-{name}"

    def workload(self, workload: Workload) -> str:
        """The anchor of the workload, if it has a section."""
        number = self.shown.get(workload)
        return "" if number is None else f"#workload-{number}"

    def namespace(self, _name: str) -> str:
        """None: a report has one table of namespaces."""
        return ""
