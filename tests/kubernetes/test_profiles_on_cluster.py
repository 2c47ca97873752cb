"""Profiles and their status subresource on a real API server."""

from datetime import UTC, datetime

import pytest

from app.domain.annotations import POLICY_PREFIX
from app.domain.catalogue import ProfileCatalogue, ProfileSink
from app.domain.custom_resources import KINDS, to_manifest, to_status
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicyRule, PolicySource
from app.domain.profile_names import separated_name
from app.domain.profiles import Basis, Identity, ProfileKind, Resource, ResourceProfile
from app.domain.workload_policy import policy_in, to_items
from app.domain.workloads import Workload
from app.errors import NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.list_options import ListOptions, Object
from app.kubernetes.profiles import FIELD_MANAGER, ProfileWriter
from app.kubernetes.reflector import Reflector
from tests.cluster.kubectl import Kubectl
from tests.cluster.profile_crds import ensure_crds
from tests.kubernetes.polling import until
from tests.kubernetes.reflectors import running

pytestmark = pytest.mark.cluster

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEB = Workload("shop", "web")
CPU_NAME = separated_name(Identity(ProfileKind.CPU, WEB))  # an object under another name is no profile


@pytest.fixture(scope="module")
def crds(kubectl: Kubectl) -> None:
    """The CRDs of the three kinds of profiles."""
    ensure_crds(kubectl)


def cpu_profile(value: str) -> ResourceProfile:
    """A profile of `web` in `shop`."""
    basis = Basis(NOON, NOON, samples=12, coverage=1, confidence=0.5)
    return ResourceProfile(WEB, Resource.CPU, value, basis)


async def test_profiles_reach_the_catalogue(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """A reflector reads an applied profile, its change and its deletion; the status survives an apply."""
    writer, catalogue = ProfileWriter(cluster, namespace), ProfileCatalogue()
    selection = ListOptions(paths.profiles("cpuprofiles", namespace))
    identity = Identity(ProfileKind.CPU, WEB)

    def manifest(value: str) -> Object:
        return to_manifest(cpu_profile(value), name=CPU_NAME, namespace=namespace, updated_at=NOON)

    def stored_value() -> str | None:
        stored = catalogue.get(identity)
        return stored.value if stored else None

    sink = ProfileSink(catalogue, ProfileKind.CPU)
    async with running(Reflector(cluster, selection, sink, transform=sink.read)):
        await writer.apply("cpuprofiles", manifest("0.020"))
        await until(lambda: stored_value() == "0.020")
        status = to_status(cpu_profile("0.020"), refreshed_at=NOON)
        await writer.apply_status("cpuprofiles", CPU_NAME, status)
        await writer.apply("cpuprofiles", manifest("0.030"))
        await until(lambda: stored_value() == "0.030")
        await until(lambda: catalogue.get(identity).status_refreshed_at == NOON)  # type: ignore[union-attr]
        await writer.delete("cpuprofiles", CPU_NAME)
        await until(lambda: stored_value() is None)


async def test_a_copy_is_ignored_and_no_object_of_the_profiler(
    cluster: ClusterClient, namespace: str, crds: None
) -> None:
    """The field manager of a copy under another name is its creator's, even if it is copied with its fields.

    So it is not the profiler's to delete: it is ignored, counted and named.
    """
    writer, catalogue = ProfileWriter(cluster, namespace), ProfileCatalogue()
    await writer.apply(
        "cpuprofiles", to_manifest(cpu_profile("0.020"), name=CPU_NAME, namespace=namespace, updated_at=NOON)
    )
    original = await cluster.get(paths.profile("cpuprofiles", namespace, CPU_NAME))
    metadata = {
        key: original["metadata"][key] for key in ("annotations", "labels", "managedFields", "namespace")
    }
    copy = await cluster.create(
        paths.profiles("cpuprofiles", namespace), original | {"metadata": metadata | {"name": "backup"}}
    )
    for manifest in (original, copy):
        catalogue.upsert(ProfileKind.CPU, manifest)

    managers = [
        {entry["manager"] for entry in manifest["metadata"]["managedFields"]} for manifest in (original, copy)
    ]
    assert managers[0] == {FIELD_MANAGER}
    assert FIELD_MANAGER not in managers[1]
    assert (catalogue.ignored_count, catalogue.ignored_names(9)) == (1, ["cpuprofiles/backup"])


async def test_an_unchanged_apply_changes_nothing(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """A second apply of profile and status leaves spec, status, annotations and generation unchanged."""
    writer = ProfileWriter(cluster, namespace)
    manifest = to_manifest(cpu_profile("0.020"), name=CPU_NAME, namespace=namespace, updated_at=NOON)
    status = to_status(cpu_profile("0.020"), refreshed_at=NOON)
    path = paths.profile("cpuprofiles", namespace, CPU_NAME)
    stored_states = []
    for _ in range(2):
        await writer.apply("cpuprofiles", manifest)
        await writer.apply_status("cpuprofiles", CPU_NAME, status)
        stored = await cluster.get(path)
        metadata = stored["metadata"]
        stored_states.append(
            (
                stored["spec"],
                stored["status"],
                metadata["annotations"],
                metadata["generation"],
                metadata["uid"],
            )
        )

    assert stored_states[0] == stored_states[1]
    assert stored_states[0][0] == manifest["spec"]
    assert stored_states[0][1] == status


async def test_profile_and_status_have_separate_field_managers(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """An annotation that is no longer applied is removed, although the status was applied in between."""
    writer = ProfileWriter(cluster, namespace)
    manifest = to_manifest(cpu_profile("0.020"), name=CPU_NAME, namespace=namespace, updated_at=NOON)
    old = manifest["metadata"]["annotations"] | {"old": "1"}
    await writer.apply("cpuprofiles", manifest | {"metadata": manifest["metadata"] | {"annotations": old}})
    await writer.apply_status("cpuprofiles", CPU_NAME, {"samples": 12})

    await writer.apply("cpuprofiles", manifest)

    stored = await cluster.get(paths.profile("cpuprofiles", namespace, CPU_NAME))
    assert stored["metadata"]["annotations"] == manifest["metadata"]["annotations"]
    assert stored["status"] == {"samples": 12}


async def test_a_status_creates_no_profile(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """The API server refuses the status of a profile that does not exist."""
    with pytest.raises(NotFoundError):
        await ProfileWriter(cluster, namespace).apply_status("cpuprofiles", CPU_NAME, {"samples": 1})


async def test_a_policy_comes_and_goes_beside_the_status(
    cluster: ClusterClient, kubectl: Kubectl, namespace: str, crds: None
) -> None:
    """Every annotation fits the schemas; rules are replaced and removed, which no write of a status does."""
    writer, basis = (
        ProfileWriter(cluster, namespace),
        Basis(NOON, NOON, samples=12, coverage=1, confidence=0.5),
    )
    for resource, value in ((Resource.CPU, "0.020"), (Resource.MEMORY, "20000000")):
        profile, plural = (
            ResourceProfile(WEB, resource, value, basis),
            KINDS[resource.profile_kind].plural,
        )
        status, path = to_status(profile, refreshed_at=NOON), paths.profile(plural, namespace, CPU_NAME)
        rules = every_rule(resource)
        stored = []
        await writer.apply(plural, to_manifest(profile, name=CPU_NAME, namespace=namespace, updated_at=NOON))
        for applied in (to_items(rules), to_items(rules[:2]), []):
            await writer.apply_policy(plural, CPU_NAME, applied)
            await writer.apply_status(plural, CPU_NAME, status)
            stored.append(await cluster.get(path))

        assert [len(policy_in(one).rules) for one in stored] == [7, 2, 0]
        assert policy_in(stored[0]).rules == rules
        assert [{**one["status"], "policy": None} for one in stored] == [status | {"policy": None}] * 3


def every_rule(resource: Resource) -> tuple[PolicyRule, ...]:
    """A rule of each annotation, for all containers and for `main`; a risk is of all."""
    maximum = "9007" if resource is Resource.CPU else "9007Mi"
    texts = {"risk": "low", "off": "true", f"min-{resource}": "1", f"max-{resource}": maximum}
    annotations = {
        f"{POLICY_PREFIX}{key}{tail}": text
        for key, text in texts.items()
        for tail in ("", ".main")
        if (key, tail) != ("risk", ".main")
    }
    return read_policy(annotations, PolicySource.TEMPLATE).stored_rules(resource, {"main"})
