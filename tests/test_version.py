"""The version that the program states of itself."""

from app.version import VERSION
from tests.chart.rendered import project_version


def test_the_version_is_that_of_the_wheel() -> None:
    """A checkout that is not installed has no metadata: the program states its own version."""
    assert project_version() == VERSION
