"""The release that a command is about: found in the cluster, unless its namespace is given; its settings."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from app.command_line.cluster import namespace_of
from app.command_line.cluster_access import ClusterAccess
from app.errors import ProfilerError
from app.kubernetes.release import Release, installed_releases
from app.settings.environment import Settings, read_settings

if TYPE_CHECKING:  # a command that reads no cluster loads no client
    from app.kubernetes.client import ClusterClient


async def release_of(client: "ClusterClient", settings: Settings, access: ClusterAccess) -> Release | None:
    """The only release that the user may see, or the one in the given namespace; None if there is none.

    Raises:
        ProfilerError: there are several.
    """
    namespaces = (namespace_of(access), settings.own_namespace)
    releases = await installed_releases(client, namespaces)
    if "own_namespace" in settings.model_fields_set:
        releases = [release for release in releases if release.namespace == settings.own_namespace]
    if len(releases) > 1:
        names = ", ".join(release.namespace for release in releases)
        raise ProfilerError(f"several releases are installed, in {names}: choose one with --own-namespace")
    return releases[0] if releases else None


async def release_namespace(client: "ClusterClient", settings: Settings, access: ClusterAccess) -> str:
    """The namespace that is given, else that of the only release, else the default."""
    if "own_namespace" in settings.model_fields_set:
        return settings.own_namespace
    release = await release_of(client, settings, access)
    return release.namespace if release else settings.own_namespace


def in_release(settings: Settings, release: Release | None) -> Settings:
    """The *settings* with the namespaces of the *release*: its own, and its profiles' if none is given."""
    if release is None:
        return settings
    home = settings.profiles_namespace or release.variables.get("PROFILES_NAMESPACE", "")
    return settings.model_copy(update={"own_namespace": release.namespace, "profiles_namespace": home})


def with_variables(settings: Settings, variables: Mapping[str, str], names: Iterable[str]) -> Settings:
    """The *settings* with *variables*, those of a release, in the place of defaults of the fields *names*.

    What was not given before still counts as not given, such as the namespace of the release.
    """
    values = settings.model_dump()
    found = {
        name: text
        for name in names
        if (text := variables.get(name.upper())) is not None
        and values[name] == Settings.model_fields[name].default
    }
    return read_settings(settings.model_dump(include=settings.model_fields_set) | found)
