"""The API version of each kind of workload, as references to objects name it."""

from collections.abc import Mapping

from app.domain.workloads import CRON_JOB, JOB, NAMESPACE

API_VERSIONS: Mapping[str, str] = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "DeploymentConfig": "apps.openshift.io/v1",
    "Rollout": "argoproj.io/v1alpha1",
    CRON_JOB: "batch/v1",
    JOB: "batch/v1",
    NAMESPACE: "v1",
}
