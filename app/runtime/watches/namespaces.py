"""Watches of namespaces, by the opt-out label and by the namespace selector.

The API server matches the labels: one watch has the namespaces with the opt-out label, and one those that
PROFILING_NAMESPACE_SELECTOR selects, if it is set. If namespaces are listed, each is watched by its name,
because the account has no right to watch others.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from app.domain.annotations import IGNORE_LABEL
from app.domain.quantities import parse_time
from app.errors import ClusterError, InvalidError, SettingsError, UnavailableError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.failures import explain_malformed_object
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.object_types import checked
from app.kubernetes.reflector import Reflector, run_reflectors
from app.outage_log import contact_log
from app.periodic import Backoff
from app.profiler.registries.namespaces import MatchedNamespaces, NamespaceRecord, NamespaceScope
from app.runtime.scope import SELECTOR_SETTING, namespace_scope
from app.settings.environment import Settings

log = structlog.get_logger(__name__)


class NamespaceWatches:
    """Keeps `scope` in sync with the labels while `run` runs; during an outage it stays unchanged.

    If namespaces are listed, one whose watch fails is left out, and the others are profiled.
    """

    def __init__(self, client: ClusterClient, settings: Settings) -> None:
        self.scope = namespace_scope(settings)
        self.reflectors = [
            Reflector(client, selection, sink, transform=read_namespace)
            for selection, sink in _sinks(self.scope, settings)
        ]
        self.scope.have_watches_settled = lambda: all(reflector.has_settled for reflector in self.reflectors)

    async def run(self) -> None:
        """Watch until cancelled."""
        await run_reflectors(self.reflectors)


async def list_scope(client: ClusterClient, settings: Settings) -> NamespaceScope:
    """The current scope, from one list per selection.

    Raises:
        SettingsError: the API server rejects the selector.
        ClusterError: the namespaces could not be listed.
    """
    scope = namespace_scope(settings)
    for selection, sink in _sinks(scope, settings):
        with _explain_invalid_selector(settings.profiling_namespace_selector):
            listing = await client.list_all(selection)
        with explain_malformed_object(f"a Namespace in the list of {selection}"):
            sink.replace([read_namespace(checked(item)) for item in listing.items])
    return scope


async def check_selector(client: ClusterClient, settings: Settings, backoff: Backoff | None = None) -> None:
    """Check that the API server accepts the selector; retried during an outage.

    Other errors are ignored: the watch with this selector logs them.

    Raises:
        SettingsError: the API server rejects the selector.
    """
    if not settings.profiling_namespace_selector:
        return
    backoff, contact = backoff or Backoff(), contact_log(log, paths.namespaces())
    selection = _selections(settings, settings.profiling_namespace_selector)[0]
    while True:
        try:
            with _explain_invalid_selector(settings.profiling_namespace_selector):
                await client.list_all(selection)
        except UnavailableError as error:
            contact.failed(error)
            await asyncio.sleep(max(backoff.next_pause(), error.retry_after_seconds or 0))
        except ClusterError:
            return
        else:
            return


def read_namespace(manifest: Object) -> NamespaceRecord:
    """The record of a Namespace's metadata, for `Reflector.transform`."""
    metadata = manifest["metadata"]
    created_at = parse_time(metadata.get("creationTimestamp") or "")
    return NamespaceRecord(metadata["name"], created_at, "deletionTimestamp" in metadata)


def _sinks(scope: NamespaceScope, settings: Settings) -> Iterator[tuple[ListOptions, MatchedNamespaces]]:
    for selection in _selections(settings, f"{IGNORE_LABEL}=true"):
        yield selection, scope.new_opted_out(selection.namespace)
    if settings.profiling_namespace_selector:
        for selection in _selections(settings, settings.profiling_namespace_selector):
            yield selection, scope.new_selected(selection.namespace)


def _selections(settings: Settings, label_selector: str) -> list[ListOptions]:
    cluster_wide = ListOptions(paths.namespaces(), label_selector=label_selector, metadata_only=True)
    names = settings.profiling_namespace
    return [replace(cluster_wide, field_selector=f"metadata.name={name}") for name in names] or [cluster_wide]


@contextmanager
def _explain_invalid_selector(selector: str) -> Iterator[None]:
    """Turns InvalidError into SettingsError: only the selector of the settings can be invalid."""
    try:
        yield
    except InvalidError as error:
        fault = f"{SELECTOR_SETTING} is {selector!r}, which is not a valid label selector: {error}"
        raise SettingsError([fault]) from error
