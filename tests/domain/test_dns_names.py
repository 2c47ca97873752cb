"""Names of namespaces and workloads that can exist."""

import pytest

from app.domain.dns_names import has_possible_name
from app.domain.workloads import Workload


@pytest.mark.parametrize(
    ("namespace", "name", "possible"),
    [
        ("shop", "web", True),
        ("shop", "web.v2", True),
        ("s" * 63, "w" * 253, True),
        ("s" * 64, "web", False),
        ("shop", "w" * 254, False),
        ("shop.eu", "web", False),
        ("Shop", "web", False),
        ("shop", "Web", False),
        ("shop", "web_1", False),
        ("shop", "-web", False),
        ("shop", "web.", False),
        ("shop", "a..b", False),
        ("", "web", False),
        ("shop", "", False),
        ("shop", "web\n", False),
        ("shop", "wéb", False),
    ],
)
def test_names_follow_rfc_1123(namespace: str, name: str, *, possible: bool) -> None:
    """A namespace is a label of at most 63 characters, a workload a subdomain of at most 253."""
    assert has_possible_name(Workload(namespace, name)) == possible
