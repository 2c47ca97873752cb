"""Namespaces as their labels tell them: who opted out, and who is selected.

The API server matches the labels, so no selector is read here: one watch tells the namespaces that opted out,
and one those that PROFILING_NAMESPACE_SELECTOR selects, where it is set. Where namespaces are listed, each is
watched by its name alone, which is all that the account has a right to.
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
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.reflector import Reflector
from app.outage_log import contact_log
from app.periodic import Backoff
from app.profiler.registries.namespaces import MatchedNamespaces, NamespaceRecord, NamespaceScope
from app.runtime.scope import namespace_scope
from app.settings.environment import Settings

log = structlog.get_logger(__name__)

SELECTOR_SETTING = "PROFILING_NAMESPACE_SELECTOR (--profiling-namespace-selector)"


class NamespaceWatches:
    """Keeps `scope` in step with the labels while `run` runs; where a watch fails, it stays as it is."""

    def __init__(self, client: ClusterClient, settings: Settings) -> None:
        self.scope = namespace_scope(settings)
        self.reflectors = [
            Reflector(client, selection, receiver, keep=read_namespace)
            for selection, receiver in _receivers(self.scope, settings)
        ]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as watches:
            for reflector in self.reflectors:
                watches.create_task(reflector.run())


async def listed_scope(client: ClusterClient, settings: Settings) -> NamespaceScope:
    """The scope of this moment, from lists alone.

    Raises:
        SettingsError: the selector can't be read.
        ClusterError: the namespaces could not be listed.
    """
    scope = namespace_scope(settings)
    for selection, receiver in _receivers(scope, settings):
        with _told_of(settings.profiling_namespace_selector):
            found = await client.list_all(selection)
        receiver.replace(map(read_namespace, found.items))
    return scope


async def check_selector(client: ClusterClient, settings: Settings, backoff: Backoff | None = None) -> None:
    """Return once the API server has read the selector, or said that it is not the selector's fault.

    Raises:
        SettingsError: the selector can't be read.
    """
    if not settings.profiling_namespace_selector:
        return
    backoff, contact = backoff or Backoff(), contact_log(log, paths.namespaces())
    selection = _selections(settings, settings.profiling_namespace_selector)[0]
    while True:
        try:
            with _told_of(settings.profiling_namespace_selector):
                await client.list_all(selection)
        except UnavailableError as error:
            contact.failed(error)
            await asyncio.sleep(max(backoff.next_pause(), error.retry_after_seconds or 0))
        except ClusterError:
            return  # its watch will tell of it
        else:
            return


def read_namespace(manifest: Object) -> NamespaceRecord:
    """The record of a Namespace's metadata, for `Reflector.keep`."""
    metadata = manifest["metadata"]
    created_at = parse_time(metadata.get("creationTimestamp") or "")
    return NamespaceRecord(metadata["name"], created_at, "deletionTimestamp" in metadata)


def _receivers(scope: NamespaceScope, settings: Settings) -> Iterator[tuple[ListOptions, MatchedNamespaces]]:
    for selection in _selections(settings, f"{IGNORE_LABEL}=true"):
        yield selection, scope.new_opted_out()
    if settings.profiling_namespace_selector:
        for selection in _selections(settings, settings.profiling_namespace_selector):
            yield selection, scope.new_selected()


def _selections(settings: Settings, label_selector: str) -> list[ListOptions]:
    every = ListOptions(paths.namespaces(), label_selector=label_selector, metadata_only=True)
    listed = settings.profiling_namespace
    return [replace(every, field_selector=f"metadata.name={name}") for name in listed] or [every]


@contextmanager
def _told_of(selector: str) -> Iterator[None]:
    """Names the setting where the API server can't read it: our own selectors are always readable."""
    try:
        yield
    except InvalidError as error:
        fault = f"{SELECTOR_SETTING} is {selector!r}: the cluster can't read it as a label selector: {error}"
        raise SettingsError([fault]) from error
