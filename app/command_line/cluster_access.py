"""The cluster and the identity of a command, chosen as kubectl chooses them: by the same files and flags.

Nothing is read here: `serve` imports this module too, and must load little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import SettingsError
from app.kubernetes.overrides import NO_OVERRIDES, Overrides

_DEFAULT_KUBECONFIG = "~/.kube/config"


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A kubeconfig and what flags replace in it; without a kubeconfig, the service account of this Pod.

    It `is_chosen` if the user named any of it: a command that needs no cluster uses only such a one.
    """

    kubeconfig: str = ""
    overrides: Overrides = NO_OVERRIDES
    is_chosen: bool = False
    all_namespaces: bool = False


def choose_access(kubeconfig: str, overrides: Overrides, *, all_namespaces: bool = False) -> ClusterAccess:
    """The access by *kubeconfig*, else by the file that kubectl reads by default, if it exists."""
    is_chosen = bool(kubeconfig) or overrides != NO_OVERRIDES
    if not kubeconfig:
        default = Path(_DEFAULT_KUBECONFIG).expanduser()
        kubeconfig = str(default) if default.is_file() else ""
    return ClusterAccess(kubeconfig, overrides, is_chosen, all_namespaces)


def read_overrides(
    context: str | None,
    user: str | None,
    uid: str | None,
    groups: Sequence[str],
    extra: Sequence[str],
) -> Overrides:
    """What the flags of kubectl's names replace.

    Raises:
        SettingsError: a flag is empty, which kubectl takes for no flag: `--as "$UNSET"` would act with all
            rights of the user. Or an extra field has no `key=value`, which kubectl leaves out.
    """
    flags = {"context": context, "as": user, "as-uid": uid}
    empty = [name for name, text in flags.items() if text == ""] + ["as-group"] * ("" in groups)
    faults = [f"--{name} is empty: leave it out, or give it a value" for name in empty]
    faults += [
        f"--as-user-extra is {text!r}: use KEY=VALUE" for text in extra if not all(text.partition("="))
    ]
    if faults:
        raise SettingsError(faults)
    return Overrides(context or "", user or "", uid or "", tuple(groups), _extra_fields(extra))


def _extra_fields(texts: Sequence[str]) -> Mapping[str, Sequence[str]]:
    fields: dict[str, list[str]] = {}
    for text in texts:
        key, _, value = text.partition("=")
        fields.setdefault(key, []).append(value)
    return fields
