"""The wheel's bill of materials: the locked packages that it needs, in a valid CycloneDX document."""

import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.supply_chain.documents import components, schema_fault
from tests.supply_chain.environment import REPOSITORY, run_program

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document that the program writes."""
    directory = tmp_path_factory.mktemp("bill")
    done = run_program("sbom", directory)
    assert done.returncode == 0, done.stderr
    return directory / f"{PROJECT['name']}-{PROJECT['version']}.wheel.cdx.json"


def test_its_components_are_the_locked_packages(document: Path) -> None:
    """The packages of requirements.lock whose markers hold here, in the locked versions, and no others."""
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if "==" in line and line[0] != " "]
    locked = {
        f"pkg:pypi/{pin.name}@{next(iter(pin.specifier)).version}"
        for pin in pins
        if pin.marker is None or pin.marker.evaluate()
    }

    assert set(components(document)) == locked


def test_it_shows_who_needs_what(document: Path) -> None:
    """The wheel needs its direct dependencies; httpx needs httpcore; every component states a licence."""
    read = json.loads(document.read_text())
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in read["dependencies"]}
    direct = {Requirement(text).name for text in PROJECT["dependencies"]}

    assert read["metadata"]["component"]["name"] == PROJECT["name"]
    assert {ref.removeprefix("pkg:pypi/").partition("@")[0] for ref in needs["subject"]} == direct
    [httpx] = [ref for ref in needs if ref.startswith("pkg:pypi/httpx@")]
    assert any(ref.startswith("pkg:pypi/httpcore@") for ref in needs[httpx])
    assert [name for name, entry in components(document).items() if not entry.get("licenses")] == []


def test_it_follows_the_schema(document: Path) -> None:
    """CycloneDX's schema accepts the document, and refuses it with a component of an unknown type."""
    read = json.loads(document.read_text())
    assert schema_fault(document.read_text()) == ""

    read["components"][0]["type"] = "planet"
    assert "'planet' is not one of" in schema_fault(json.dumps(read))
