"""The ValidatingAdmissionPolicies that limit the profiler's service account, if the cluster serves them.

What they refuse and allow is tested by token on API servers that evaluate them, in `test_*_on_cluster.py`.
"""

from typing import Any

import pytest

from app.domain.annotations import REQUESTS
from app.kubernetes.checkpoint_maps import PREFIX
from app.kubernetes.events import COMPONENT
from app.kubernetes.status_map import NAME as STATUS
from app.kubernetes.webhook_entries import PROBE_WEBHOOK, WEBHOOK
from tests.chart.conftest import Render

pytestmark = pytest.mark.chart

SERVED = ("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",)
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
ADMISSION = "admissionregistration.k8s.io"
# Group, resource and operations of each policy, by the end of its name.
LIMITS: dict[str, tuple[str, str, list[str]]] = {
    "backfill": ("", "pods", ["UPDATE"]),
    "ca-bundle": (ADMISSION, "mutatingwebhookconfigurations", ["UPDATE"]),
    "configmaps": ("", "configmaps", ["CREATE", "UPDATE", "DELETE"]),
    "events": ("", "events", ["CREATE"]),
    "secrets": ("", "secrets", ["UPDATE"]),
}
OPERATION_OF = {"create": "CREATE", "update": "UPDATE", "patch": "UPDATE", "delete": "DELETE"}
# Their content is the product's own; docs/pages/security.md says what can be done with it.
WITHOUT_POLICY = {"leases", "cpuprofiles", "memoryprofiles", "connectionprofiles"}


def names(*limits: str) -> set[str]:
    return {f"job-profiler-{limit}" for limit in limits}


def test_they_are_rendered_only_where_the_cluster_serves_them(render: Render) -> None:
    """Clusters before 1.30, which do not serve the kind, get no policy."""
    assert not [kind for kind in KINDS if render().of(kind)]
    release = render(api_versions=SERVED)
    assert [release.names(kind) for kind in KINDS] == [names(*LIMITS)] * 2


@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"backfill": {"enabled": False}}, {"backfill"}),
        ({"certificates": {"provider": "cert-manager"}}, {"ca-bundle", "secrets"}),
    ],
    ids=["without-back-fill", "cert-manager"],
)
def test_a_right_that_is_not_given_needs_no_policy(
    render: Render, values: dict[str, Any], missing: set[str]
) -> None:
    """Without back-fill no Pod may be changed; with cert-manager neither Secrets nor the configuration."""
    release = render(api_versions=SERVED, **values)

    assert [release.names(kind) for kind in KINDS] == [names(*LIMITS.keys() - missing)] * 2


@pytest.mark.parametrize("limits", LIMITS)
def test_the_binding_makes_the_api_server_refuse(render: Render, limits: str) -> None:
    """Each policy has a binding that denies, in every namespace."""
    name, (group, resource, operations) = f"job-profiler-{limits}", LIMITS[limits]
    release = render(api_versions=SERVED)
    policy, binding = (release.one(kind, name) for kind in KINDS)

    assert binding["spec"] == {"policyName": name, "validationActions": ["Deny"]}
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert policy["spec"]["matchConstraints"] == {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {},
        "objectSelector": {},
        "resourceRules": [
            {
                "apiGroups": [group],
                "apiVersions": ["v1"],
                "operations": operations,
                "resources": [resource],
                "scope": "Cluster" if group == ADMISSION else "Namespaced",
            }
        ],
    }
    messages = [validation["message"] for validation in policy["spec"]["validations"]]
    assert len(set(messages)) == len(messages)


@pytest.mark.parametrize(
    ("topology", "account"), [("split", "job-profiler-profiler"), ("combined", "job-profiler")]
)
def test_they_are_about_the_profilers_account(render: Render, topology: str, account: str) -> None:
    """The policies match only the profiler's service account, the one with the rights that they limit.

    Every write that RBAC gives it is limited, but for Leases and profiles, which only the product reads.
    """
    release = render(api_versions=SERVED, topology=topology)
    conditions = [policy["spec"]["matchConditions"] for policy in release.of(KINDS[0])]
    written = {
        (group, resource, OPERATION_OF[verb])
        for _, group, resource, _, verb in release.rights(account)
        if verb in OPERATION_OF and resource.removesuffix("/status") not in WITHOUT_POLICY
    }

    expression = f'request.userInfo.username == "system:serviceaccount:profiling:{account}"'
    assert conditions == [[{"name": "by-the-profiler", "expression": expression}]] * len(LIMITS)
    assert written == {
        (group, resource, operation)
        for group, resource, operations in LIMITS.values()
        for operation in operations
    }


@pytest.mark.parametrize(
    ("limits", "constants"),
    [
        ("backfill", [REQUESTS, "liqo[.]io/", '"kube-node-lease","kube-public","kube-system","profiling"']),
        ("ca-bundle", [f'["{WEBHOOK}", "{PROBE_WEBHOOK}"]']),
        ("configmaps", [f'startsWith("{PREFIX}")', f'"{STATUS}"']),
        ("events", [f'"{COMPONENT}"']),
    ],
)
def test_they_name_what_the_product_writes(render: Render, limits: str, constants: list[str]) -> None:
    """The names in the expressions are those of the program."""
    policy = render(api_versions=SERVED).one(KINDS[0], f"job-profiler-{limits}")
    text = "\n".join(validation["expression"] for validation in policy["spec"]["validations"])

    assert [constant for constant in constants if constant not in text] == []
