"""Helm 3 renders what Helm 4 renders: what the other tests find in a release holds under both."""

from pathlib import Path

import pytest

from tests.chart.rendered import CHART, IMAGE, Object
from tests.cluster.helm import Helm

pytestmark = pytest.mark.chart

EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))


@pytest.mark.parametrize("kube_version", ["1.20.0", "1.25.0", "1.36.0"])
@pytest.mark.parametrize("values_file", EXAMPLES, ids=lambda path: path.stem)
def test_both_helms_render_alike(helm3: Helm, helm4: Helm, values_file: Path, kube_version: str) -> None:
    """The same objects, with little or everything switched on, on clusters old and new.

    Which of two kinds that Helm does not know comes first is its own affair.
    """
    options = (f"--values={values_file}", f"--kube-version={kube_version}")

    third, fourth = (helm.template(CHART, *options, values=IMAGE) for helm in (helm3, helm4))

    assert sorted(third, key=_name) == sorted(fourth, key=_name)
    assert len(fourth) > 10


def _name(one: Object) -> tuple[str, str, str]:
    metadata = one["metadata"]
    return one["kind"], metadata.get("namespace", ""), metadata["name"]
