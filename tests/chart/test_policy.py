"""The ValidatingAdmissionPolicies that limit the profiler's service account, if the cluster serves them."""

import re
from types import SimpleNamespace
from typing import Any

import pytest

from app.domain.self_probe import config_map
from app.kubernetes.checkpoint_maps import PREFIX
from app.kubernetes.status_map import NAME as STATUS
from tests.chart.conftest import Render

pytestmark = pytest.mark.chart

SERVED = ("admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",)
POLICY, BINDING = KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
BACKFILL, CONFIG_MAPS = "job-profiler-backfill", "job-profiler-configmaps"
both = pytest.mark.parametrize("name", [BACKFILL, CONFIG_MAPS])

# A name that the API server generates.
GENERATED = "x7k2p"
A_CHECKPOINT = f"{PREFIX}0000000000ab"
OTHERS = ("kube-root-ca.crt", "job-profiler-authorities", f"{STATUS}es", PREFIX.rstrip("-"), f"a-{PREFIX}a")
OPERATIONS = ("CREATE", "UPDATE", "DELETE")


def test_they_are_rendered_only_where_the_cluster_serves_them(render: Render) -> None:
    """Clusters before 1.30, which do not serve the kind, get no policy."""
    assert not [kind for kind in KINDS if render().of(kind)]
    release = render(api_versions=SERVED)
    assert [release.names(kind) for kind in KINDS] == [{BACKFILL, CONFIG_MAPS}] * 2


def test_without_back_fill_pods_need_no_policy(render: Render) -> None:
    """Without back-fill the account may not change Pods; it still writes ConfigMaps."""
    release = render(api_versions=SERVED, backfill={"enabled": False})

    assert [release.names(kind) for kind in KINDS] == [{CONFIG_MAPS}] * 2


@pytest.mark.parametrize(
    ("name", "operations", "resource"),
    [(BACKFILL, ["UPDATE"], "pods"), (CONFIG_MAPS, ["CREATE", "UPDATE", "DELETE"], "configmaps")],
)
def test_the_binding_makes_the_api_server_refuse(
    render: Render, name: str, operations: list[str], resource: str
) -> None:
    """Each policy has a binding that denies, in every namespace."""
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
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": operations,
                "resources": [resource],
                "scope": "Namespaced",
            }
        ],
    }


@both
@pytest.mark.parametrize(
    ("topology", "account"), [("split", "job-profiler-profiler"), ("combined", "job-profiler")]
)
def test_they_are_about_the_profilers_account(render: Render, name: str, topology: str, account: str) -> None:
    """The policies match only the profiler's service account, the one with the rights that they limit."""
    release = render(api_versions=SERVED, topology=topology)
    [condition] = release.one(POLICY, name)["spec"]["matchConditions"]
    written = {
        (resource, verb)
        for *_, resource, named, verb in release.rights(account)
        if named == "*" and resource in {"pods", "configmaps"} and verb not in {"get", "list", "watch"}
    }

    assert condition["expression"] == (
        f'request.userInfo.username == "system:serviceaccount:profiling:{account}"'
    )
    assert written == {("pods", "patch")} | {("configmaps", verb) for verb in ("create", "update", "delete")}


def test_every_other_part_of_a_pod_is_compared(render: Render) -> None:
    """Spec, labels, owners and finalizers may not change; no other annotation may be set or removed."""
    validations = render(api_versions=SERVED).one(POLICY, BACKFILL)["spec"]["validations"]
    expressions = [validation["expression"] for validation in validations]

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
    assert all(validation["message"].startswith("the profiler may") for validation in validations)


@pytest.fixture
def allows(render: Render) -> Any:
    """A function: True if the policy allows the profiler's account the operation on a ConfigMap."""
    spec = render(api_versions=SERVED).one(POLICY, CONFIG_MAPS)["spec"]

    def is_allowed(operation: str, *, dry_run: bool = False, **metadata: str) -> bool:
        config_map = SimpleNamespace(metadata=SimpleNamespace(**metadata))
        cel_variables: dict[str, Any] = {
            "request": SimpleNamespace(operation=operation, dryRun=dry_run),
            "object": None if operation == "DELETE" else config_map,
            "oldObject": None if operation == "CREATE" else config_map,
            "variables": SimpleNamespace(),
        }
        for variable in spec["variables"]:
            setattr(
                cel_variables["variables"], variable["name"], _value_of(variable["expression"], cel_variables)
            )
        return all(_value_of(validation["expression"], cel_variables) for validation in spec["validations"])

    return is_allowed


def _value_of(expression: str, cel_variables: dict[str, Any]) -> Any:
    """The value of a simple CEL expression, translated to Python."""
    text = re.sub(r"has\(([\w.]+)\.(\w+)\)", r'hasattr(\1, "\2")', expression)
    text = re.sub(r"^(.+) \? (.+) : (.+)$", r"(\2) if (\1) else (\3)", text)
    for cel, python in (("&&", "and"), ("||", "or"), (".startsWith(", ".startswith(")):
        text = text.replace(cel, python)
    return eval(text, {"__builtins__": {"hasattr": hasattr}}, cel_variables)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_check_points_are_its_own(allows: Any, operation: str) -> None:
    """Check-points may be created, replaced and removed; ConfigMaps with similar or other names may not."""
    assert allows(operation, name=A_CHECKPOINT)
    assert not [name for name in OTHERS if allows(operation, name=name)]


def test_the_status_is_only_filled(allows: Any) -> None:
    """The status may be updated only: it owns the check-points, which would be deleted with it."""
    assert [allows(operation, name=STATUS) for operation in OPERATIONS] == [False, True, False]


@pytest.mark.parametrize("is_named", [False, True])
def test_the_probes_config_map_is_never_stored(allows: Any, is_named: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """The self-probe's ConfigMap is allowed only as a dry run, before and after its name is generated."""
    prefix = config_map("question")["metadata"]["generateName"]
    metadata = {"generateName": prefix} | ({"name": prefix + GENERATED} if is_named else {})

    assert allows("CREATE", dry_run=True, **metadata)
    assert not allows("CREATE", **metadata)
    assert not allows("UPDATE", dry_run=True, name=prefix + GENERATED)
    assert not allows("CREATE", dry_run=True, generateName="job-profiler-")
