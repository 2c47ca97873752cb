"""Helm 3 renders the same objects as Helm 4, so the other tests need only one version."""

from pathlib import Path

import pytest

from tests.chart.rendered import CHART, IMAGE, Object
from tests.cluster.helm import Helm

pytestmark = pytest.mark.chart

EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))


@pytest.mark.parametrize("kube_version", ["1.20.0", "1.25.0", "1.36.0"])
@pytest.mark.parametrize("values_file", EXAMPLES, ids=lambda path: path.stem)
def test_both_helms_render_alike(helm3: Helm, helm4: Helm, values_file: Path, kube_version: str) -> None:
    """Both versions render the same objects for each set of example values, on old and new clusters.

    The order of kinds that Helm does not know may differ.
    """
    options = (f"--values={values_file}", f"--kube-version={kube_version}")

    third, fourth = (helm.template(CHART, *options, values=IMAGE) for helm in (helm3, helm4))

    assert sorted(third, key=_name) == sorted(fourth, key=_name)
    assert len(fourth) > 10


def _name(manifest: Object) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata.get("namespace", ""), metadata["name"]
