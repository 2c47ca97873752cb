"""The watches of the three kinds of profiles, which fill the catalogue of the process."""

from collections.abc import Mapping
from typing import Any

from app.domain.catalogue import ProfileCatalogue, ProfileSink
from app.domain.custom_resources import KINDS
from app.domain.profiles import ProfileKind
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions
from app.kubernetes.reflector import Reflector

# So long a kind may fail before the others go on without it.
GRACE_SECONDS = 20.0


class ProfileWatches:
    """Keeps *catalogue* in sync with the profiles in *namespace*; each kind fails alone."""

    def __init__(self, client: ClusterClient, namespace: str, catalogue: ProfileCatalogue) -> None:
        self.catalogue = catalogue
        self._reflectors = {kind: _reflector(client, namespace, catalogue, kind) for kind in ProfileKind}

    @property
    def reflectors(self) -> list[Reflector[Any]]:
        """The watch of each kind."""
        return list(self._reflectors.values())

    @property
    def by_task(self) -> Mapping[str, Reflector[Any]]:
        """The watch of each kind, by task name."""
        return {f"watch of {KINDS[kind].plural}": watch for kind, watch in self._reflectors.items()}

    def is_failing(self, kind: ProfileKind) -> bool:
        """True if *kind* could not be read for the time of grace."""
        return self._reflectors[kind].failing_seconds >= GRACE_SECONDS

    def have_settled(self) -> bool:
        """True once a kind is listed, and each other one is listed too or has failed so long."""
        listed = self.catalogue.listed_kinds
        return bool(listed) and all(kind in listed or self.is_failing(kind) for kind in ProfileKind)


def _reflector(
    client: ClusterClient, namespace: str, catalogue: ProfileCatalogue, kind: ProfileKind
) -> Reflector[Any]:
    sink = ProfileSink(catalogue, kind)
    selection = ListOptions(paths.profiles(KINDS[kind].plural, namespace))
    return Reflector(client, selection, sink, transform=sink.read)
