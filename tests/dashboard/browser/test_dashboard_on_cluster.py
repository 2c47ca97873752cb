"""The page with the rights of its user, over profiles on a real API server."""

import math
from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import ensure_crds, remove_profiles
from tests.command_line.process import REPOSITORY, job_profiler
from tests.dashboard.browser.chromium import Chromium
from tests.dashboard.browser.served_dashboard import dashboard
from tests.dashboard.browser.views import cores, mebibytes, rows

pytestmark = [pytest.mark.browser, pytest.mark.cluster]

NAMESPACE = "dashboard-profiles"
HISTORY = REPOSITORY / "app" / "demo" / "emojivoto.npz"


@pytest.fixture
def stored(kubectl: Kubectl) -> Iterator[Kubectl]:
    """The profiles of the demo, with their status, and a user who may read only these."""
    ensure_crds(kubectl)
    kubectl.create_namespace(NAMESPACE)
    profiles = job_profiler(
        *("profile", "-A", "--history", HISTORY, "-o", "yaml", "--profiles-namespace", NAMESPACE)
    ).stdout
    for more in ([], ["--subresource=status"]):
        kubectl.run("apply", "--server-side", "--filename=-", *more, input=profiles)
    kubectl.run("create", "serviceaccount", "reader", f"--namespace={NAMESPACE}")
    plurals = "cpuprofiles,memoryprofiles,connectionprofiles"
    role = ("reader", "--verb=get,list", f"--resource={plurals}", f"--namespace={NAMESPACE}")
    kubectl.run("create", "role", *role)
    binding = ("reader", "--role=reader", f"--serviceaccount={NAMESPACE}:reader", f"--namespace={NAMESPACE}")
    kubectl.run("create", "rolebinding", *binding)
    yield kubectl
    remove_profiles(kubectl, NAMESPACE)
    kubectl.delete_namespaces(NAMESPACE)


def test_numbers_of_stored_objects_with_the_rights_of_the_user(
    stored: Kubectl, control_plane: ControlPlane, chromium: Chromium, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each need is that of its object, rounded up; what the user may not read is named, all else shown."""
    needs = {
        (notes["job-profiler.liqo.io/workload-name"], field): float(item["spec"][field]["value"])
        for plural, field in (("cpuprofiles", "cpuProfiling"), ("memoryprofiles", "memoryProfiling"))
        for item in stored.api.list(plural, NAMESPACE)
        for notes in [item["metadata"]["annotations"]]
    }
    edges = stored.api.list("connectionprofiles", NAMESPACE)
    kubeconfig = control_plane.kubeconfig_of("reader", NAMESPACE)
    access = ["-A", "--kubeconfig", kubeconfig, "--own-namespace", NAMESPACE]

    with dashboard(tmp_path_factory.mktemp("dashboard"), *access) as url, chromium.visit(url) as visit:
        page = visit.open("/workloads")
        shown = {row[0].split()[0].removeprefix("emojivoto/"): row for row in rows(page, "#workloads")}
        visit.open("/")
        notes = page.locator(".note").all_inner_texts()
        visit.open("/connections")
        connections = {(row[0], row[1]): row[3] for row in rows(page, "#connections")}

        assert len(needs) == 2 * len(shown) > 0
        for name, row in shown.items():
            assert cores(row[3]) == Decimal(math.ceil(needs[name, "cpuProfiling"] * 1000)) / 1000
            assert mebibytes(row[8]) == math.ceil(needs[name, "memoryProfiling"] / 2**20)
        assert connections == {
            tuple(f"{spec[f'{end}_namespace']}/{spec[f'{end}_job']}" for end in ("source", "destination")): (
                f"{float(spec['bandwidth_requirement']):,.2f}"
            )
            for edge in edges
            for spec in [edge["spec"]]
        }
        assert "HorizontalPodAutoscalers don't count: this user has no right to list them." in notes
        assert visit.found_faults() == []
