"""Fixtures: one Chromium for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.conftest import require_parts
from tests.dashboard.browser.chromium import Chromium
from tests.parts.locate import Part


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A running Chromium."""
    require_parts(Part.CHROMIUM, Part.ACCESSIBILITY_RULES)
    with Chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running
