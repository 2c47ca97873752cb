"""The ValidatingAdmissionPolicy that keeps back-fill to our annotations, where a cluster serves such."""

import pytest

from tests.chart.conftest import Render

pytestmark = pytest.mark.chart

SERVED = ("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",)
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def test_it_is_rendered_only_where_the_cluster_serves_it(render: Render) -> None:
    """Clusters before 1.30 would refuse the whole release."""
    assert not [kind for kind in KINDS if render().of(kind)]
    assert all(render(api_versions=SERVED).of(kind) for kind in KINDS)


def test_without_back_fill_there_is_nothing_to_limit(render: Render) -> None:
    """The account has no right to change Pods then."""
    release = render(api_versions=SERVED, backfill={"enabled": False})

    assert not [kind for kind in KINDS if release.of(kind)]


def test_the_binding_makes_the_api_server_refuse(render: Render) -> None:
    """In every namespace, by denial and not by a warning; a policy without a binding does nothing."""
    release = render(api_versions=SERVED)
    policy, binding = (release.one(kind) for kind in KINDS)

    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert policy["spec"]["matchConstraints"]["resourceRules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["UPDATE"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ]


@pytest.mark.parametrize(
    ("topology", "account"), [("split", "job-profiler-profiler"), ("combined", "job-profiler")]
)
def test_it_is_about_the_account_that_may_patch_pods(render: Render, topology: str, account: str) -> None:
    """Nobody else's updates of Pods are looked at."""
    release = render(api_versions=SERVED, topology=topology)
    [condition] = release.one(KINDS[0])["spec"]["matchConditions"]

    assert condition["expression"] == (
        f'request.userInfo.username == "system:serviceaccount:profiling:{account}"'
    )
    assert "patch" in {verb for *_, resource, _, verb in release.rights(account) if resource == "pods"}


def test_every_other_part_of_a_pod_is_compared(render: Render) -> None:
    """Specification, labels, owners, finalizers, and the annotations of others in both directions."""
    validations = render(api_versions=SERVED).one(KINDS[0])["spec"]["validations"]
    expressions = [each["expression"] for each in validations]

    assert expressions == [
        (
            'variables.after.all(key, key.startsWith("liqo.io/") || '
            "(key in variables.before && variables.before[key] == variables.after[key]))"
        ),
        'variables.before.all(key, key.startsWith("liqo.io/") || key in variables.after)',
        "object.spec == oldObject.spec",
        *(
            f"has(object.metadata.{field}) == has(oldObject.metadata.{field}) && "
            f"(!has(object.metadata.{field}) || object.metadata.{field} == oldObject.metadata.{field})"
            for field in ("labels", "ownerReferences", "finalizers")
        ),
    ]
    assert all(each["message"].startswith("the profiler may") for each in validations)
