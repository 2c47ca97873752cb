"""The product's CRDs on a control plane that test files share.

An API server spends up to a second on its schema for each CRD that is created or deleted. So the CRDs stay,
and only tests of a release that installs them remove them, before and after.
"""

from pathlib import Path

from app.domain.custom_resources import GROUP, KINDS
from tests.cluster.api_reader import ApiError
from tests.cluster.kubectl import Kubectl

FILES = Path(__file__).parents[2] / "crds"
PLURALS = [kind.plural for kind in KINDS.values()]
CRDS = [f"crd/{plural}.{GROUP}" for plural in PLURALS]


def ensure_crds(kubectl: Kubectl) -> None:
    """Apply the CRDs and wait until they are served."""
    kubectl.run("apply", f"--filename={FILES}")
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *CRDS)


def remove_crds(kubectl: Kubectl) -> None:
    """Delete the CRDs, if present, with all profiles."""
    kubectl.run("delete", "--ignore-not-found", *CRDS)


def remove_profiles(kubectl: Kubectl, namespace: str) -> None:
    """Delete all profiles of a namespace; without CRDs there are none."""
    for plural in PLURALS:
        try:
            found = kubectl.api.list(plural, namespace)
        except ApiError:
            continue
        if found:
            kubectl.run("delete", plural, "--all", f"--namespace={namespace}")
