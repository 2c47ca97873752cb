"""The CRD of VerticalPodAutoscalers on a control plane."""

from pathlib import Path

from tests.cluster.kubectl import Kubectl

FILE = Path(__file__).with_suffix(".yaml")
CRD = "crd/verticalpodautoscalers.autoscaling.k8s.io"


def ensure_vpa_crd(kubectl: Kubectl) -> None:
    """Apply the CRD and wait until it is served."""
    kubectl.run("apply", f"--filename={FILE}")
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", CRD)


def remove_vpa_crd(kubectl: Kubectl) -> None:
    """Delete the CRD, if present, with all objects."""
    kubectl.run("delete", "--ignore-not-found", CRD)
