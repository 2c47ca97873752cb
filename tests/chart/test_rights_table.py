"""The table of rights in docs/pages/security.md and the roles that the chart renders are the same."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import pytest

from tests.chart.conftest import Render
from tests.chart.rendered import REPOSITORY, Right

pytestmark = pytest.mark.chart

DOCUMENT = REPOSITORY / "docs" / "pages" / "security.md"
LISTED = "`profiling.namespaces`, or all"
# The values that the table names in the column `when`.
CHOICES: dict[str, tuple[Any, ...]] = {
    "certificates.provider": ("self", "cert-manager"),
    "scheduling.enabled": (False, True),
    "probe.enabled": (False, True),
    "backfill.enabled": (False, True),
}
VPA = ("vpa.recommender.enabled", "vpa.objects.enabled")  # without the first there is no second
# What `profiles`, `profiled` and `searched` are, and what is done for VPA: they vary together.
PLACES: tuple[dict[str, Any], ...] = (
    {
        "profiling.namespaces": [],
        "profiling.profilesNamespace": "",
        "prometheus.url": "auto",
        "prometheus.namespaces": ["monitoring", "prometheus", "observability", "linkerd-viz", "istio-system"],
        **dict.fromkeys(VPA, False),
    },
    *(
        {
            "profiling.namespaces": ["emojivoto", "shop"],
            "profiling.profilesNamespace": "profiles",
            "prometheus.url": "prometheus",
            "prometheus.namespaces": ["monitoring"],
            **dict(zip(VPA, (True, keeps_objects), strict=True)),
        }
        for keeps_objects in (False, True)
    ),
)
DEFAULTS = PLACES[0] | {
    "certificates.provider": "self",
    "scheduling.enabled": False,
    "probe.enabled": True,
    "backfill.enabled": True,
}
# Values that change Pods, objects and traffic, but no right.
WITHOUT_RIGHTS: list[dict[str, Any]] = [
    {"linkerd": {"viz": True}},
    {"apiPriority": {"enabled": True}},
    {"networkPolicy": {"enabled": True, "metricsNamespaces": ["monitoring"]}},
    {"profiling": {"namespaceSelector": {"matchLabels": {"team": "web"}}}},
    {"monitoring": {"workloadMetrics": True, "serviceMonitor": {"enabled": True}}},
    {"webhook": {"clientCa": {"secretName": "front"}, "replicas": 3}},
]


class Row(NamedTuple):
    """A row of the table: the rights of one account on some resources, under a condition."""

    account: str
    where: str
    group: str
    resources: list[str]
    names: str
    verbs: list[str]
    when: str
    reason: str

    def holds(self, choice: dict[str, Any]) -> bool:
        """True if the condition, `value=literal` or several with `or` between them, is met."""
        conditions = re.findall(r"`([\w.]+)=([\w-]+)`", self.when)
        assert conditions or self.when == "always", self.when
        return not conditions or any(_text(choice[name]) == wanted for name, wanted in conditions)

    def rights(self, choice: dict[str, Any]) -> Iterator[Right]:
        """The rights as (namespace or *, API group, resource, name or *, verb)."""
        namespaces = choice["profiling.namespaces"]
        places = {
            "own": ["profiling"],
            "profiles": [choice["profiling.profilesNamespace"] or "profiling"],
            "profiled": namespaces or ["*"],
            "searched": [*choice["prometheus.namespaces"], "profiling"],
            "cluster": ["*"],
        }[self.where]
        names = (namespaces or ["*"]) if self.names == LISTED else _code(self.names) or ["*"]
        for place, resource, name, verb in product(places, self.resources, names, self.verbs):
            yield place, self.group, resource, name, verb


def _text(value: object) -> str:
    return str(value).lower()


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def rows() -> tuple[Row, ...]:
    """The rows of the table under the heading on rights."""
    section = DOCUMENT.read_text().partition("\n## Rights of the service accounts\n")[2].partition("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith(("| webhook", "| profiler"))
    ]
    return tuple(_row(line) for line in cells)


def _row(cells: list[str]) -> Row:
    account, where, group, resources, names, verbs, when, reason = cells
    return Row(
        account,
        where,
        "" if group == "core" else group.strip("`"),
        _code(resources),
        names,
        verbs.split(", "),
        when,
        reason,
    )


def expected(accounts: tuple[str, ...], choice: dict[str, Any]) -> set[Right]:
    """The rights of the accounts by the table."""
    return {
        right
        for row in rows()
        if row.account in accounts and row.holds(choice)
        for right in row.rights(choice)
    }


def values(choice: dict[str, Any]) -> dict[str, Any]:
    """The chosen values as the chart takes them."""
    nested: dict[str, Any] = {}
    for path, value in choice.items():
        *parents, key = path.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[key] = value
    return nested


CHOSEN = [
    dict(zip(CHOICES, chosen, strict=True)) | place
    for chosen in product(*CHOICES.values())
    for place in PLACES
]


@pytest.mark.parametrize("choice", CHOSEN, ids=lambda choice: ",".join(map(_text, choice.values())))
def test_the_rendered_roles_have_the_rights_of_the_table(render: Render, choice: dict[str, Any]) -> None:
    """Neither a right without a row nor a row without its right."""
    release = render(**values(choice))

    assert release.rights("job-profiler-webhook") == expected(("webhook",), choice)
    assert release.rights("job-profiler-profiler") == expected(("profiler",), choice)


@pytest.mark.parametrize("choice", [CHOSEN[0], DEFAULTS, CHOSEN[-1]], ids=["least", "defaults", "other"])
def test_one_account_has_the_rights_of_both(render: Render, choice: dict[str, Any]) -> None:
    """With `topology: combined`, the rows of webhook and profiler hold for the same account."""
    release = render(topology="combined", **values(choice))

    assert release.rights("job-profiler") == expected(("webhook", "profiler"), choice)


@pytest.mark.parametrize("extra", WITHOUT_RIGHTS, ids=",".join)
def test_other_values_change_no_right(render: Render, extra: dict[str, Any]) -> None:
    """The rights are those of the defaults."""
    release = render(**extra)

    assert release.rights("job-profiler-webhook") == expected(("webhook",), DEFAULTS)
    assert release.rights("job-profiler-profiler") == expected(("profiler",), DEFAULTS)


@pytest.mark.parametrize("kube_version", ["1.20.0", "1.25.0", "1.36.0"])
def test_versions_of_kubernetes_have_the_same_rights(render: Render, kube_version: str) -> None:
    """What a cluster serves decides which objects are rendered, and not which rights."""
    release = render(kube_version=kube_version)

    assert release.rights("job-profiler-profiler") == expected(("profiler",), DEFAULTS)


@pytest.mark.parametrize("topology", ["split", "combined"])
def test_no_right_by_name_is_part_of_a_larger_one(render: Render, topology: str) -> None:
    """A verb on a named object is not granted where the same account has that verb on all objects."""
    release = render(topology=topology, scheduling={"enabled": True})

    for account in release.names("ServiceAccount"):
        rights = release.rights(account)
        assert rights
        assert not [right for right in rights if right[3] != "*" and (*right[:3], "*", right[4]) in rights]


def test_every_row_has_a_reason_and_applies_somewhere() -> None:
    """No empty cell, no condition on a value that the test does not vary, no row that never holds."""
    assert len(rows()) > 15
    for row in rows():
        assert row.reason, row
        assert any(row.holds(choice) for choice in CHOSEN), row


def test_no_other_account_is_granted_anything(render: Render) -> None:
    """All roles, whatever they are called, are bound only to the accounts of the table."""
    for topology, accounts in (
        ("split", {"job-profiler-webhook", "job-profiler-profiler"}),
        ("combined", {"job-profiler"}),
    ):
        release = render(topology=topology, scheduling={"enabled": True})
        bindings = release.of("RoleBinding") + release.of("ClusterRoleBinding")
        subjects = {
            (subject["kind"], subject["name"]) for binding in bindings for subject in binding["subjects"]
        }

        assert subjects == {("ServiceAccount", account) for account in accounts}
        assert release.names("RoleBinding") == release.names("Role")
        assert release.names("ClusterRoleBinding") == release.names("ClusterRole") - {"job-profiler-reader"}
