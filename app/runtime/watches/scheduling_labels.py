"""Watch of the namespaces that ask for requests from profiles, by their label."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

from app.domain.annotations import SCHEDULING_LABEL
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector, run_reflectors


class AskingNamespaces:
    """The namespaces with the label; *on_new* receives each name once."""

    def __init__(self, on_new: Callable[[str], None] = lambda _name: None) -> None:
        self._on_new, self._seen = on_new, set[str]()
        self.names: frozenset[str] = frozenset()

    def replace(self, names: Iterable[str], /) -> None:
        """Replace all."""
        self.names = frozenset(names)
        for name in sorted(self.names - self._seen):
            self._on_new(name)
        self._seen |= self.names

    def upsert(self, name: str, /) -> None:
        """Store a namespace that was added or modified."""
        self.replace({*self.names, name})

    def delete(self, name: str, /) -> None:
        """Remove a namespace that was deleted, or has the label no more."""
        self.replace(self.names - {name})


class SchedulingLabelWatches:
    """Keeps the names in sync while `run` runs; listed *namespaces* are watched by their names."""

    def __init__(
        self,
        client: ClusterClient,
        namespaces: Collection[str],
        on_new: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self._sinks: list[AskingNamespaces] = []
        self.reflectors: list[Reflector[Any]] = []
        for name in namespaces or (None,):
            sink = AskingNamespaces(on_new)
            selection = ListOptions(
                paths.namespaces(),
                label_selector=f"{SCHEDULING_LABEL}=true",
                field_selector=f"metadata.name={name}" if name else None,
                metadata_only=True,
            )
            self._sinks.append(sink)
            self.reflectors.append(Reflector(client, selection, sink, transform=_read_name))

    @property
    def names(self) -> frozenset[str]:
        """The namespaces that ask now."""
        return frozenset().union(*(sink.names for sink in self._sinks))

    @property
    def by_task(self) -> dict[str, Reflector[Any]]:
        """The watches by task name."""
        return {
            f"watch of scheduling labels {reflector.selection}": reflector for reflector in self.reflectors
        }

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)


def _read_name(manifest: Object) -> str:
    name: str = manifest["metadata"]["name"]
    return name
