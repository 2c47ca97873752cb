"""The three CRDs on a real API server: their names, and a wait until the server serves them."""

from app.domain.custom_resources import GROUP
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import CRDS, PLURALS
from tests.cluster.waiting import wait_until

# Namespaces for releases.
FIRST, SECOND = "chart-first", "chart-second"


def wait_for_crds(kubectl: Kubectl) -> None:
    """Waits until the CRDs are in the server's discovery, which lags behind the condition Established."""
    kubectl.run("wait", "--for=condition=Established", "--timeout=30s", *CRDS)
    listing = ("api-resources", f"--api-group={GROUP}", "--output=name")
    wait_until(
        lambda: len(kubectl.run(*listing).split()) == len(PLURALS), 30, "the profiles to be discoverable"
    )
