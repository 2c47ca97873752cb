"""Identities of workloads and connections, and the rules that map a Pod's owner to its workload."""

import re
from collections.abc import Mapping

import msgspec

# Labels that identify the owner of a ReplicaSet or a ReplicationController.
POD_TEMPLATE_HASH = "pod-template-hash"
ROLLOUT_TEMPLATE_HASH = "rollouts-pod-template-hash"
DEPLOYMENT_CONFIG = "deploymentconfig"

# Kinds of objects with names chosen by people; an object of another kind may be one run of many.
NAMED_KINDS = frozenset(
    {
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "ReplicaSet",
        "ReplicationController",
        "DeploymentConfig",
        "Rollout",
        "CronJob",
    }
)
NODE, POD, JOB, CRON_JOB, NAMESPACE = "Node", "Pod", "Job", "CronJob", "Namespace"
# The kind of an end of which metrics have a name alone: that of one known workload, or of none.
SERVICE = "Service"
# The kinds whose objects the profiler reads; of others it knows the Pods.
READ_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", JOB, CRON_JOB})

# The suffix that `generateName` adds: without vowels, so that few words look like it.
GENERATED = "[bcdfghjklmnpqrstvwxz2456789]{5}"
# Digits alone are more likely a number that a person chose.
_GENERATED_TAIL = re.compile(rf"(?P<base>.+)-(?=[0-9]*[a-z]){GENERATED}")
_BUILD_AGENT = re.compile(
    ".+(-[0-9]+-[a-z0-9]{5}|-[bcdfghjklmnpqrstvwxz0-9]{5})-[bcdfghjklmnpqrstvwxz0-9]{5}"
)


# Structs are hashed and compared in C, and need no garbage collection: each review creates and looks up some.
class Workload(msgspec.Struct, frozen=True, order=True, gc=False):
    """The identity of a workload: an object that runs one or more equal Pods."""

    namespace: str
    name: str
    kind: str = "Deployment"

    def __str__(self) -> str:
        """`namespace/name`, with a prefix `kind/` unless it is a Deployment."""
        prefix = "" if self.kind == "Deployment" else f"{self.kind}/"
        return f"{prefix}{self.namespace}/{self.name}"

    @property
    def full_name(self) -> str:
        """`kind namespace/name`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def is_long_running(self) -> bool:
        """True for a workload that runs all the time; False for one that runs to completion repeatedly."""
        return self.kind in NAMED_KINDS and self.kind != CRON_JOB


class Connection(msgspec.Struct, frozen=True, order=True, gc=False):
    """A directed edge: `source` is the client, `destination` the server."""

    source: Workload
    destination: Workload

    def __str__(self) -> str:
        """`source → destination`."""
        return f"{self.source} → {self.destination}"


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The controlling entry of a Pod's `ownerReferences`."""

    kind: str
    name: str


def is_named(workload: Workload, wanted: Workload) -> bool:
    """True if *wanted*, whose kind may be empty or in any case, names *workload*."""
    same = (workload.namespace, workload.name) == (wanted.namespace, wanted.name)
    return same and wanted.kind.casefold() in {"", workload.kind.casefold()}


def owner_workload(namespace: str, owner: Owner, labels: Mapping[str, str]) -> Workload:
    """The workload of a Pod with the controlling *owner* and *labels*.

    A ReplicaSet named `<name>-<template hash>` belongs to the Deployment or Rollout of that name, and a
    ReplicationController named `<name>-<number>` to the DeploymentConfig in its label; any other owner is the
    workload itself.
    """
    if owner.kind == "ReplicaSet":
        for label, kind in ((POD_TEMPLATE_HASH, "Deployment"), (ROLLOUT_TEMPLATE_HASH, "Rollout")):
            template_hash = labels.get(label)
            base = owner.name.removesuffix(f"-{template_hash}") if template_hash else ""
            if base not in {"", owner.name}:
                return Workload(namespace, base, kind)
    config = labels.get(DEPLOYMENT_CONFIG, "")
    if owner.kind == "ReplicationController" and config and _is_numbered(owner.name, config):
        return Workload(namespace, config, "DeploymentConfig")
    return Workload(namespace, owner.name, owner.kind)


def bare_pod(namespace: str, name: str, generate_name: str = "") -> Workload:
    """The workload of a Pod without a controller: all Pods with one `generateName`, or the Pod itself."""
    return Workload(namespace, generate_name.removesuffix("-") or name, POD)


def run_group(workload: Workload) -> Workload:
    """The workload that collects the usage of all runs: *workload* without the suffix of a generated name.

    Workloads of a named kind are never grouped. An agent of Jenkins has two such suffixes: see `run_names`.
    """
    if workload.kind in NAMED_KINDS or (workload.kind == POD and _BUILD_AGENT.fullmatch(workload.name)):
        return workload
    match = _GENERATED_TAIL.fullmatch(workload.name)
    return Workload(workload.namespace, match["base"], workload.kind) if match else workload


def _is_numbered(name: str, base: str) -> bool:
    tail = name.removeprefix(f"{base}-")
    return tail != name and tail.isdigit()
