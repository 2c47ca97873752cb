"""Workloads as users name them: `shop/web`, `deploy/web` with a namespace, `sts/shop/db`."""

from app.domain.workloads import CRON_JOB, JOB, POD, Workload
from app.errors import SettingsError

_KINDS = {
    "Deployment": ("deploy", "deployment", "deployments"),
    "StatefulSet": ("sts", "statefulset", "statefulsets"),
    "DaemonSet": ("ds", "daemonset", "daemonsets"),
    "ReplicaSet": ("rs", "replicaset", "replicasets"),
    "ReplicationController": ("rc", "replicationcontroller", "replicationcontrollers"),
    CRON_JOB: ("cj", "cronjob", "cronjobs"),
    JOB: ("job", "jobs"),
    POD: ("po", "pod", "pods"),
    "Rollout": ("ro", "rollout", "rollouts"),
    "DeploymentConfig": ("dc", "deploymentconfig", "deploymentconfigs"),
}
_ALIASES = {alias: kind for kind, aliases in _KINDS.items() for alias in aliases}
WORKLOAD_HELP = "NAMESPACE/NAME, KIND/NAME with -n, or KIND/NAMESPACE/NAME; kinds as in kubectl: deploy, sts"


def kind_named(text: str) -> str:
    """The kind that kubectl means by *text*, such as `deploy` or `deployments.apps`; empty for none."""
    return _ALIASES.get(text.partition(".")[0].casefold(), "")


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


def is_named(workload: Workload, wanted: Workload) -> bool:
    """True if *wanted*, whose kind may be empty, names *workload*."""
    same = (workload.namespace, workload.name) == (wanted.namespace, wanted.name)
    return same and wanted.kind.casefold() in {"", workload.kind.casefold()}
