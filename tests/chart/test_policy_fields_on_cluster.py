"""Each field of the API server's schema is named in the policies: CEL can't compare "all fields but one".

A Kubernetes version that adds a field fails these tests until the chart compares it.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chart.limited_release import LimitedRelease

pytestmark = [pytest.mark.chart, pytest.mark.cluster]

CORE, ADMISSION = "io.k8s.api.core.v1", "io.k8s.api.admissionregistration.v1"
DOCUMENTS = {CORE: "api/v1", ADMISSION: "apis/admissionregistration.k8s.io/v1"}
META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
# The API server sets these in each update: version, number of changes of the spec, and who owns which field.
SET_BY_THE_SERVER = {"resourceVersion", "generation", "managedFields"}
# They select the resource and can't differ between the two versions of one object.
OF_THE_REQUEST = {"apiVersion", "kind"}


@pytest.fixture
def fields(limited_release: LimitedRelease) -> Any:
    """A function: the fields of a schema."""

    def read(schema: str) -> set[str]:
        group = next(group for group in DOCUMENTS if schema.startswith(group) or schema == META)
        document = limited_release.admin.get(f"/openapi/v3/{DOCUMENTS[group]}")
        return set(document["components"]["schemas"][schema]["properties"])

    return read


def compared(policy: dict[str, Any], variable: str, former: str) -> set[str]:
    """The fields of *variable* that the policy's validations compare with those of *former*."""
    pattern = rf"\b{re.escape(variable)}\.\?([\w.?]+) == {re.escape(former)}\.\?([\w.?]+)"
    found: Iterator[tuple[str, str]] = (
        pair
        for validation in policy["spec"]["validations"]
        for pair in re.findall(pattern, validation["expression"])
    )
    pairs = set(found)
    assert all(field == other for field, other in pairs), pairs
    return {field for field, _ in pairs}


@pytest.mark.parametrize(
    ("policy", "exempt"),
    [("ca-bundle", set()), ("secrets", set()), ("configmaps", set()), ("backfill", {"annotations"})],
)
def test_all_metadata_is_compared(
    limited_release: LimitedRelease, fields: Any, policy: str, exempt: set[str]
) -> None:
    """Of a Pod all but the annotations, which have rules of their own."""
    named = compared(limited_release.policy(policy), "object.metadata", "oldObject.metadata")

    assert fields(META) - named == SET_BY_THE_SERVER | exempt


@pytest.mark.parametrize(
    ("policy", "schema", "exempt"),
    [
        ("backfill", f"{CORE}.Pod", set()),
        ("configmaps", f"{CORE}.ConfigMap", {"data"}),
        ("secrets", f"{CORE}.Secret", {"data"}),
        ("ca-bundle", f"{ADMISSION}.MutatingWebhookConfiguration", {"webhooks"}),
    ],
)
def test_all_of_an_object_is_compared(
    limited_release: LimitedRelease, fields: Any, policy: str, schema: str, exempt: set[str]
) -> None:
    """Beside metadata: all but the data of ConfigMaps and Secrets, and the webhooks, each compared below."""
    named = compared(limited_release.policy(policy), "object", "oldObject")

    assert fields(schema) - named == OF_THE_REQUEST | {"metadata"} | exempt


def test_all_of_a_webhook_is_compared(limited_release: LimitedRelease, fields: Any) -> None:
    """All fields but caBundle, which is compared for webhooks of others alone."""
    [own] = [
        validation
        for validation in limited_release.policy("ca-bundle")["spec"]["validations"]
        if validation["message"] == "the profiler may change only caBundle of a webhook"
    ]
    named = compared({"spec": {"validations": [own]}}, "webhook", "former")
    of_client = {
        field.removeprefix("clientConfig.?") for field in named if field.startswith("clientConfig.?")
    }

    assert fields(f"{ADMISSION}.MutatingWebhook") - named == {"clientConfig"}
    assert fields(f"{ADMISSION}.WebhookClientConfig") - of_client == {"caBundle"}
