"""Workloads as users name them: `shop/web`, `deploy/web` with a namespace, `sts/shop/db`."""

from collections.abc import Iterable, Sequence

from app.command_line.nearest import nearest_names, nearest_workloads
from app.domain.kind_aliases import KIND_ALIASES
from app.domain.workloads import Workload, is_named
from app.errors import ProfilerError, SettingsError

_ALIASES = {alias: kind for kind, aliases in KIND_ALIASES.items() for alias in aliases}
WORKLOAD_HELP = "NAMESPACE/NAME, KIND/NAME with -n, or KIND/NAMESPACE/NAME; kinds as in kubectl: deploy, sts"


def kind_named(text: str) -> str:
    """The kind that kubectl means by *text*, such as `deploy` or `deployments.apps`; empty for none."""
    return _ALIASES.get(text.partition(".")[0].casefold(), "")


def only_namespace(namespaces: Sequence[str]) -> str:
    """The namespace of `-n` or of the context among *namespaces*; empty if there are several or none."""
    return namespaces[0] if len(namespaces) == 1 else ""


def one_namespace(namespaces: Sequence[str]) -> str:
    """The namespace of `-n` or of the context.

    Raises:
        SettingsError: there are several among *namespaces*, or none.
    """
    if name := only_namespace(namespaces):
        return name
    raise SettingsError(["name one namespace, with -n NAMESPACE"])


def parse_workload(text: str, namespace: str = "") -> Workload:
    """The workload that *text* names; without a kind, its kind is empty.

    *namespace* is that of `-n` or of the context. A namespace that is called like a kind needs the form with
    three parts.

    Raises:
        SettingsError: *text* has no such form, or its namespace is not known.
    """
    match text.split("/"):
        case [name] if name and namespace:
            return Workload(namespace, name, "")
        case [kind, name] if name and kind_named(kind):
            if not namespace:
                advice = f"name its namespace, with -n NAMESPACE or as {kind}/NAMESPACE/{name}"
                raise SettingsError([f"WORKLOAD is {text!r}: {advice}"])
            return Workload(namespace, name, kind_named(kind))
        case [place, name] if place and name:
            return Workload(place, name, "")
        case [kind, place, name] if kind and place and name:
            return Workload(place, name, kind_named(kind) or kind)
    raise SettingsError([f"WORKLOAD is {text!r}: use {WORKLOAD_HELP}"])


def select_workload(
    wanted: Workload, workloads: Iterable[Workload], source_name: str, notes: Iterable[str] = ()
) -> Workload:
    """The workload with the name and kind of *wanted*; the kind may be empty if only one matches.

    *notes* say what may be missing among *workloads*.

    Raises:
        SettingsError: several match.
        ProfilerError: none matches.
    """
    present = set(workloads)
    matches = sorted(workload for workload in present if is_named(workload, wanted))
    if len(matches) == 1:
        return matches[0]
    if matches:
        choices = ", ".join(map(full_name, matches))
        raise SettingsError(
            [f"WORKLOAD matches more than one workload in {source_name}: use one of {choices}"]
        )
    near = nearest_names([full_name(workload) for workload in nearest_workloads(wanted, present)])
    found = f"no workload {full_name(wanted)} was found in {source_name}{near}"
    raise ProfilerError("; ".join([found, *notes]))


def full_name(workload: Workload) -> str:
    """The workload as a command takes it: `Deployment/shop/web`, or `shop/web` without a kind."""
    name = f"{workload.namespace}/{workload.name}"
    return f"{workload.kind}/{name}" if workload.kind else name
