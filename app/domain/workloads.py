"""Workloads and connections: their identity, and which workload an owner stands for."""

import re
from collections.abc import Mapping

import msgspec

# Labels by which ReplicaSets and ReplicationControllers tell whose they are.
POD_TEMPLATE_HASH = "pod-template-hash"
ROLLOUT_TEMPLATE_HASH = "rollouts-pod-template-hash"
DEPLOYMENT_CONFIG = "deploymentconfig"

# Kinds whose objects a person names and keeps; an object of any other kind may be one run of many.
LASTING_KINDS = frozenset(
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
NODE, POD, JOB, CRON_JOB = "Node", "Pod", "Job", "CronJob"

# `generateName` ends in five of these: no vowel, so that few words are spelled like it.
GENERATED = "[bcdfghjklmnpqrstvwxz2456789]{5}"
# Digits alone are rather a number that somebody gave.
_GENERATED_TAIL = re.compile(rf"(?P<base>.+)-(?=[0-9]*[a-z]){GENERATED}")
_SCHEDULED_TAIL = re.compile(r"(?P<base>.+)-[0-9]+")


# Structs are hashed and compared in C, and hold no cycle: every Pod that arrives makes and looks up some.
class Workload(msgspec.Struct, frozen=True, order=True, gc=False):
    """The identity of what runs as one or more like Pods."""

    namespace: str
    name: str
    kind: str = "Deployment"

    def __str__(self) -> str:
        """`namespace/name`, with the kind where it is not a Deployment."""
        prefix = "" if self.kind == "Deployment" else f"{self.kind}/"
        return f"{prefix}{self.namespace}/{self.name}"

    @property
    def is_lasting(self) -> bool:
        """True for a workload that is named once and kept; False for one that is run again and again."""
        return self.kind in LASTING_KINDS and self.kind != CRON_JOB


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


def owner_workload(namespace: str, owner: Owner, labels: Mapping[str, str]) -> Workload:
    """The workload that the controlling `owner` and the Pod's labels tell.

    A ReplicaSet named `<name>-<template hash>` belongs to the Deployment or Rollout of that name, a
    ReplicationController named `<name>-<number>` to the DeploymentConfig that the label names; any other
    owner is the workload itself.
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
    """The workload of a Pod that nobody controls: of all Pods whose names are generated alike."""
    return Workload(namespace, generate_name.removesuffix("-") or name, POD)


def grouped(workload: Workload) -> Workload:
    """The workload under which the runs of *workload* are learned: without the tail of a generated name.

    What a person named keeps its name, whatever it looks like.
    """
    if workload.kind in LASTING_KINDS:
        return workload
    match = _GENERATED_TAIL.fullmatch(workload.name)
    return Workload(workload.namespace, match["base"], workload.kind) if match else workload


def candidates(workload: Workload) -> tuple[Workload, ...]:
    """The workloads whose profiles may be those of *workload*, the likeliest first.

    That a CronJob made a Job is not said in the Job's Pods: a Job by that exact name comes first, then the
    CronJob of its name without the schedule's number, then the group of its runs.
    """
    if workload.kind in LASTING_KINDS:
        return (workload,)
    found = [workload]
    scheduled = _SCHEDULED_TAIL.fullmatch(workload.name)
    if workload.kind == JOB and scheduled:
        found.append(Workload(workload.namespace, scheduled["base"], CRON_JOB))
    if (group := grouped(workload)) != workload:
        found.append(group)
    return tuple(found)


def _is_numbered(name: str, base: str) -> bool:
    tail = name.removeprefix(f"{base}-")
    return tail != name and tail.isdigit()
