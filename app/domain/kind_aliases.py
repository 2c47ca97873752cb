"""The names that kubectl has for the kinds of workloads, the short one first."""

from collections.abc import Mapping, Sequence

from app.domain.workloads import CRON_JOB, JOB, POD

KIND_ALIASES: Mapping[str, Sequence[str]] = {
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
