"""Runs commands in an image like a Pod with `readOnlyRootFilesystem`: as its user, with its environment."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

# Ends the program with its parent, as tests.cluster.processes does; Debian and the official image have it.
DIE_WITH_PARENT = ("/usr/bin/setpriv", "--pdeathsig", "KILL", "--")
SERVICE_ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
# Arguments: root file system, user, then folder and place in the image for each mount, `--`, and the command.
# The mounts are in a namespace that ends with the command. `exec` keeps the process id for signals.
ENTER = """\
root=$1 user=$2
shift 2
mount --bind "$root" "$root"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,bind,ro "$root$2"
    shift 2
done
shift
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" "$@"
"""


class Mount(NamedTuple):
    """A folder of this machine and its place in the image; it can't be written there."""

    folder: Path
    place: str


class Container:
    """One root file system, and how its image wants to be run."""

    def __init__(self, root: Path, config: Mapping[str, Any], mounts: Sequence[Mount] = ()) -> None:
        self.root = root
        self._config = config
        self._mounts = mounts

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(variable.split("=", 1) for variable in self._config["Env"])

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the image."""
        return dict(self._config["Labels"])

    def with_mounts(self, *mounts: Mount) -> "Container":
        """The same image with more folders."""
        return Container(self.root, self._config, (*self._mounts, *mounts))

    def program(self, arguments: Sequence[str], variables: Mapping[str, str] | None = None) -> list[str]:
        """The command that runs the image's entry point with *arguments*."""
        return self.command([*self._config["Entrypoint"], *arguments], variables)

    def command(self, command: Sequence[str], variables: Mapping[str, str] | None = None) -> list[str]:
        """The command that runs another program of the image."""
        mounts = [text for mount in self._mounts for text in (str(mount.folder), mount.place)]
        environment = self.environment | dict(variables or {})
        inside = (
            *DIE_WITH_PARENT,
            *("/usr/bin/env", "--ignore-environment"),
            *(f"{name}={value}" for name, value in environment.items()),
            *command,
        )
        outside = ("unshare", "--mount", "sh", "-ec", ENTER, "enter", str(self.root), self._config["User"])
        return [*outside, *mounts, "--", *inside]


def as_pod(
    container: Container, environment: Mapping[str, str], arguments: Sequence[str], directory: Path
) -> list[str]:
    """The command of a Pod: with a service account in place of the kubeconfig in *environment*."""
    variables = dict(environment)
    for name in ("PATH", "PYTHONPATH"):
        variables.pop(name, None)
    kubeconfig = json.loads(Path(variables.pop("KUBECONFIG")).read_text())
    [cluster], [user] = kubeconfig["clusters"], kubeconfig["users"]
    server = re.fullmatch(r"https://(.+):(\d+)", cluster["cluster"]["server"])
    assert server
    account = directory / f"serviceaccount-{variables['HEALTH_PORT']}"
    account.mkdir()
    (account / "token").write_text(user["user"]["token"])
    (account / "ca.crt").write_bytes(Path(cluster["cluster"]["certificate-authority"]).read_bytes())
    (account / "namespace").write_text(variables["OWN_NAMESPACE"])
    variables |= {"KUBERNETES_SERVICE_HOST": server[1], "KUBERNETES_SERVICE_PORT": server[2]}
    return container.with_mounts(Mount(account, SERVICE_ACCOUNT)).program(arguments, variables)
