"""The three CRDs on a real API server: what they are called, and when the server really serves them."""

from app.domain.custom_resources import GROUP, KINDS
from tests.cluster.kubectl import Kubectl
from tests.cluster.waiting import wait_until

# Namespaces for releases.
FIRST, SECOND = "chart-first", "chart-second"
PLURALS = [kind.plural for kind in KINDS.values()]
CRDS = [f"crd/{plural}.{GROUP}" for plural in PLURALS]


def wait_for_crds(kubectl: Kubectl) -> None:
    """An established CRD is served at once, but shows in the server's discovery only a moment later."""
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    listing = ("api-resources", f"--api-group={GROUP}", "--output=name")
    wait_until(
        lambda: len(kubectl.run(*listing).split()) == len(PLURALS), 30, "the profiles to be discoverable"
    )
