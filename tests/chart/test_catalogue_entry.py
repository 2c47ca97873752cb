"""Artifact Hub's annotations of the chart, and its icon: complete, in its format and true."""

import base64
import tomllib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.chart.profiles import PROFILES, manifest_of
from tests.chart.rendered import CHART, REPOSITORY, project_version

ENTRY = yaml.safe_load((CHART / "Chart.yaml").read_text())
ANNOTATIONS: dict[str, str] = {
    name.removeprefix("artifacthub.io/"): text for name, text in ENTRY["annotations"].items()
}
CATEGORIES = {
    *("ai-machine-learning", "database", "integration-delivery", "monitoring-logging", "networking"),
    *("security", "skip-prediction", "storage", "streaming-messaging"),
}
KINDS_OF_CHANGES = {"added", "changed", "deprecated", "removed", "fixed", "security"}
# Fields of each entry, as Artifact Hub names them.
LISTS = {
    "changes": {"kind", "description"},
    "crds": {"kind", "version", "name", "displayName", "description"},
    "crdsExamples": {"apiVersion", "kind", "metadata", "spec"},
    "images": {"name", "image", "platforms"},
    "recommendations": {"url"},
}
FLAGS = ("containsSecurityUpdates", "prerelease")


def listed(name: str) -> list[dict[str, Any]]:
    """The entries of an annotation that is YAML in a string."""
    entries: list[dict[str, Any]] = yaml.safe_load(ANNOTATIONS[name])
    return entries


def crds() -> Iterator[dict[str, Any]]:
    return (yaml.safe_load(file.read_text()) for file in (REPOSITORY / "crds").glob("*.yaml"))


def test_every_annotation_is_a_string_of_a_known_name() -> None:
    """Helm reads annotations as strings: a bare `false` or a list would make the chart unreadable."""
    assert ANNOTATIONS.keys() == {"category", "license", *LISTS, *FLAGS}
    assert all(isinstance(text, str) for text in ANNOTATIONS.values())
    assert {ANNOTATIONS[name] for name in FLAGS} <= {"true", "false"}
    assert ANNOTATIONS["category"] in CATEGORIES


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_the_fields_that_are_shown(name: str) -> None:
    """Each entry has exactly the fields of its kind."""
    assert {frozenset(entry) for entry in listed(name)} == {frozenset(LISTS[name])}


def test_the_crds_are_those_of_the_chart() -> None:
    """Kinds, names and versions are those of crds/, and the licence is the project's."""
    assert {(entry["kind"], entry["name"], entry["version"]) for entry in listed("crds")} == {
        (crd["spec"]["names"]["kind"], crd["metadata"]["name"], version["name"])
        for crd in crds()
        for version in crd["spec"]["versions"]
    }
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert ANNOTATIONS["license"] == project["license"]


def test_each_kind_has_an_example_as_the_profiler_writes_it() -> None:
    """An example is the object of the chart's tests without annotations, and fits the schema of its CRD."""
    examples = {example["kind"]: example for example in listed("crdsExamples")}
    written = [manifest_of(resource, "profiling") for resource in PROFILES]
    for manifest in written:
        del manifest["metadata"]["annotations"]
    schemas = {
        crd["spec"]["names"]["kind"]: version["schema"]["openAPIV3Schema"]
        for crd in crds()
        for version in crd["spec"]["versions"]
    }

    assert examples == {manifest["kind"]: manifest for manifest in written}
    for kind, example in examples.items():
        assert list(Draft202012Validator(schemas[kind]).iter_errors(example)) == []


def test_the_image_is_the_one_that_documents_install() -> None:
    """The name is that of the README, which sets the required repository; the tag is the chart's default."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    [entry] = listed("images")
    repository, _, tag = entry["image"].rpartition(":")

    assert values["image"]["tag"] == ""
    assert tag == ENTRY["appVersion"] == project_version()
    assert f"--set image.repository={repository}" in (CHART / "README.md").read_text()
    assert entry["platforms"] == ["linux/amd64"]


def test_changes_are_of_known_kinds() -> None:
    """The list is of the chart's own version, so a new version renews it."""
    assert {change["kind"] for change in listed("changes")} <= KINDS_OF_CHANGES
    assert (
        ANNOTATIONS["containsSecurityUpdates"]
        == str("security" in {change["kind"] for change in listed("changes")}).lower()
    )


def test_recommended_packages_are_of_artifact_hub() -> None:
    """Each is the address of a chart there."""
    for entry in listed("recommendations"):
        address = urlsplit(entry["url"])
        assert (address.scheme, address.netloc) == ("https", "artifacthub.io")
        assert len(address.path.removeprefix("/packages/helm/").split("/")) == 2


def test_the_icon_needs_no_server() -> None:
    """Chart.yaml has icon.svg as a data URL, as Helm and Artifact Hub read it; the square loads nothing."""
    drawn = (CHART / "icon.svg").read_bytes()
    root = ET.fromstring(drawn)

    assert ENTRY["icon"] == f"data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}"
    assert root.get("viewBox") == "0 0 64 64"
    assert {element.tag.partition("}")[2] for element in root.iter()} == {"svg", "rect", "path"}
    assert not any("href" in name for element in root.iter() for name in element.attrib)
