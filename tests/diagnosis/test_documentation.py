"""The documentation has the headings that findings link to, and the examination's metrics."""

import re
from pathlib import Path

import pytest

from app.diagnosis.catalogue import CATALOGUE
from app.diagnosis.distributions import ALL
from app.diagnosis.finding import Section

PAGE = (Path(__file__).parents[2] / "docs" / "pages" / "prometheus.md").read_text()


def slugs() -> set[str]:
    """The links to the headings of the page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("section", Section)
def test_every_section_is_a_heading(section: Section) -> None:
    """A finding's link leads to a heading."""
    assert section.value in slugs()


def test_every_distribution_is_in_the_table() -> None:
    """The table of distributions links to the section of each."""
    named = [one for one in ALL if one.name]

    assert len(named) == 9
    assert [one.name for one in named if f"| [{one.name}](#{one.section})" not in PAGE] == [
        "Amazon Managed Prometheus"  # in the table it is Amazon EKS
    ]


@pytest.mark.parametrize("metric", CATALOGUE)
def test_every_metric_is_on_the_page(metric: str) -> None:
    """Names in code font, such as `istio_{request,response}_bytes`, of a histogram without `_sum`."""
    names: set[str] = set()
    for text in re.findall(r"`([\w:{},]+)`", PAGE):
        beginning, _, rest = text.partition("{")
        inner, _, end = rest.partition("}")
        names |= {f"{beginning}{one}{end}" for one in inner.split(",")}

    assert metric.removesuffix("_sum") in names
