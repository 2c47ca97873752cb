"""The generated pages of docs/pages/reference agree with the program, the CRDs and the chart."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings.environment import Settings
from docs.references.commands import commands
from docs.references.pages import PAGES, path_of, text_of
from tests.public_surface.metrics import metrics

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_that_of_its_source(name: str) -> None:
    """`make references` writes it anew after a change."""
    assert path_of(name).read_text() == text_of(name)


def test_every_file_is_generated() -> None:
    """No page in the folder is without a source."""
    assert {path.stem for path in path_of("settings").parent.iterdir()} == set(PAGES)


def section(page: str, heading: str) -> str:
    """The text of a page below one of its second-level headings."""
    return re.split(r"^## ", page.partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]


def test_every_option_is_in_the_section_of_its_command() -> None:
    """Each command has a section with the names of all its options and arguments."""
    page = path_of("commands").read_text()
    missing = [
        f"{name} {option}"
        for name, command in commands().items()
        for parameter in command.params
        for option in parameter.opts
        if (option if option.startswith("-") else f"| `{(parameter.metavar or option.upper())}` |")
        not in section(page, name)
    ]

    assert len(commands()) > 15
    assert missing == []


def test_every_setting_and_every_metric_has_a_row() -> None:
    """Each field of Settings once, and each metric that the program registers once."""
    settings = re.findall(r"^\| `([A-Z0-9_]+)` \|", path_of("settings").read_text(), re.MULTILINE)
    shown = re.findall(r"^\| `(\w+)` \|", path_of("metrics").read_text(), re.MULTILINE)

    assert sorted(settings) == sorted(name.upper() for name in Settings.model_fields)
    names = {line.split()[0] for line in metrics() if " with " not in line}
    assert sorted(name.removesuffix("_total") for name in shown) == sorted(
        name.removesuffix("_total") for name in names
    )


def count_of_fields(schema: dict[str, Any]) -> int:
    """The number of properties in a schema, at any depth, without those of the metadata."""
    own = schema.get("properties", {})
    inner = [schema.get("items"), schema.get("additionalProperties"), *own.values()]
    return len(own) + sum(count_of_fields(one) for one in inner if isinstance(one, dict))


def test_every_field_of_a_custom_resource_has_a_row() -> None:
    """As many rows as the schema has properties, apart from apiVersion, kind and metadata."""
    page = path_of("custom-resources").read_text()
    for file in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(file.read_text())
        rows = re.findall(
            r"^\| `(?:spec|status)[\w.*\[\]]*` \|", section(page, crd["spec"]["names"]["kind"]), re.MULTILINE
        )

        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        assert len(rows) == count_of_fields(schema) - 3
