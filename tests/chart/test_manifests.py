"""Generated files agree with `charts/render.py`: the chart's CRDs, the plain manifests, the snapshots of the
chart, and the table of values in its README.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.conftest import Render
from tests.chart.rendered import CHART, REPOSITORY, keys_of, project_version
from tests.cluster.helm import Helm

pytestmark = pytest.mark.chart

RENDERED = ("charts", "crds", "webhook-config", "tests/chart/snapshots")
HELM_ONLY = ("app.kubernetes.io/managed-by", "helm.sh/chart", "helm.sh/resource-policy", "helm.sh/hook")


def render_program(repository: Path, helm: Helm, *options: str) -> subprocess.CompletedProcess[str]:
    program = repository / "charts" / "render.py"
    return subprocess.run(
        [sys.executable, program, "--helm", helm.binary, *options],
        capture_output=True,
        text=True,
        check=False,
    )


def manifests() -> Iterator[dict[str, Any]]:
    for path in sorted((REPOSITORY / "webhook-config").glob("*.yaml")):
        yield from yaml.safe_load_all(path.read_text())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the files that the program reads and writes."""
    for name in RENDERED:
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    return tmp_path


def test_nothing_drifts(helm: Helm) -> None:
    """The generated files are up to date, with either version of Helm."""
    check = render_program(REPOSITORY, helm, "--check")

    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")


def test_drift_is_named_and_repaired(helm4: Helm, copy: Path) -> None:
    """A changed CRD, an edited, a missing and an extra manifest are each named; the next run renews them."""
    crd = copy / "crds" / "cpuprofiles.yaml"
    crd.write_text(crd.read_text().replace("shortNames: [cpup]", "shortNames: [cpup, cpus]"))
    (copy / "webhook-config" / "60-webhook.yaml").write_text("edited: true\n")
    (copy / "webhook-config" / "30-state.yaml").unlink()
    (copy / "webhook-config" / "99-foreign.yaml").write_text("{}\n")
    (copy / "tests" / "chart" / "snapshots" / "combined-1.25.yaml").write_text("edited: true\n")
    readme = copy / "charts" / "job-profiler" / "README.md"
    readme.write_text(readme.read_text().replace("| `healthPort` | `8080` |", "| `healthPort` | `80` |"))
    drifted = {
        "charts/job-profiler/README.md",
        "charts/job-profiler/files/crds/cpuprofiles.yaml",
        "webhook-config/30-state.yaml",
        "webhook-config/60-webhook.yaml",
        "webhook-config/99-foreign.yaml",
        "tests/chart/snapshots/combined-1.25.yaml",
    }

    checked = render_program(copy, helm4, "--check")
    assert checked.returncode == 1
    assert {line.split()[0] for line in checked.stdout.splitlines()} == drifted
    repaired = render_program(copy, helm4)
    assert repaired.returncode == 0
    # The CRD in crds/ was edited, so the next run updates its plain manifest too.
    assert {line.split()[0] for line in repaired.stdout.splitlines()} == drifted | {
        "webhook-config/10-crds.yaml"
    }
    assert render_program(copy, helm4, "--check").returncode == 0


def test_a_helm_failure_is_reported(copy: Path, helm4: Helm) -> None:
    """If the chart does not render or Helm is missing, the exit code is 1 and the message has the cause."""
    (copy / "charts" / "job-profiler" / "Chart.yaml").write_text("name: broken\n")
    assert "helm template" in _error(render_program(copy, helm4))

    missing = Helm(copy / "no-helm", copy)
    assert "set --helm to Helm 3 or 4" in _error(render_program(copy, missing))


def _error(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_plain_manifests_are_the_release_and_its_namespace(render: Render) -> None:
    """The files have the objects of the default release for 1.20, after the namespace.

    They name a Prometheus: without Helm, Roles to search for it could be in namespaces that do not exist.
    Left out are the Pod of `helm test`, and budgets: no version of their API is served from 1.20 up to today.
    """
    objects = list(manifests())
    release = render(kube_version="1.20.0", prometheus={"url": "http://prometheus.monitoring:9090"})
    identities = {
        _identity(manifest)
        for manifest in release.objects
        if manifest["kind"] not in {"PodDisruptionBudget", "Pod"}
    }

    assert _identity(objects[0]) == ("Namespace", "", "profiling")
    assert {_identity(manifest) for manifest in objects[1:]} == identities
    assert len(objects) == len(identities) + 1


def test_plain_policies_are_those_of_the_release(render: Render) -> None:
    """The subdirectory has all policies and bindings of the default release on clusters that serve them."""
    served = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"
    release = render(kube_version="1.30.0", api_versions=[served])
    [file] = (REPOSITORY / "webhook-config" / "policies").glob("*")
    objects = list(yaml.safe_load_all(file.read_text()))

    assert {_identity(manifest): manifest["spec"] for manifest in objects} == {
        _identity(manifest): manifest["spec"]
        for manifest in release.objects
        if manifest["kind"].startswith("ValidatingAdmissionPolicy")
    }
    assert not set(HELM_ONLY) & set(keys_of(objects))


def test_plain_manifests_know_nothing_of_helm() -> None:
    """There is no label or annotation that only Helm reads; a comment names the placeholder of the image."""
    assert not set(HELM_ONLY) & set(keys_of(list(manifests())))
    deployments = (REPOSITORY / "webhook-config" / "50-deployments.yaml").read_text()
    image = f"job-profiler:{project_version()}"
    assert deployments.splitlines()[1].startswith(f"# {image} is a placeholder")
    assert deployments.count(f"image: {image}") == 2


def test_the_table_of_values_is_complete() -> None:
    """The README has a row with the default of each value of values.yaml, and no other row."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", (CHART / "README.md").read_text(), re.MULTILINE)

    assert len(rows) == len(dict(rows))
    assert {name: yaml.safe_load(text) for name, text in rows} == {
        name: _at(values, name) for name in dict(rows)
    }
    assert set(_leaves(values)) == {leaf for name in dict(rows) for leaf in _leaves(_at(values, name), name)}


def _at(values: Any, path: str) -> Any:
    for key in path.split("."):
        values = values[key]
    return values


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """The path of each value that is not a mapping of other values."""
    if not isinstance(value, dict) or not value:
        yield path
        return
    for key, inner in value.items():
        yield from _leaves(inner, f"{path}.{key}".lstrip("."))


def _identity(manifest: dict[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
