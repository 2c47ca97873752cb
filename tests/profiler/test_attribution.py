"""Whose usage a Pod's is: its owner's where the Pod is known, by its exact name where it is of the past."""

from collections.abc import Mapping

from app.domain.workloads import Workload
from app.profiler.ports import Directory
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import Scenario

NAMESPACE = "emojivoto"
WEB, WEB_API = Workload(NAMESPACE, "web"), Workload(NAMESPACE, "web-api")


def directory(pods: Mapping[str, Workload | None], *deployments: Workload) -> Directory:
    """The Pods of the namespace that are known, with their owners."""
    return Directory({(NAMESPACE, pod): owner for pod, owner in pods.items()}, deployments)


def test_a_known_pod_belongs_to_its_owner_whatever_its_name_looks_like() -> None:
    """A Pod of web-api that is named like one of web, and a Pod of web that is named like none."""
    pod, other = "web-6b6f9d7d5c-2x8qz", "somebody-else"
    attribute = directory({pod: WEB_API, other: WEB}, WEB, WEB_API).attribution()

    assert (attribute(NAMESPACE, pod), attribute(NAMESPACE, other)) == (WEB_API, WEB)


def test_a_pod_of_the_past_belongs_to_the_deployment_of_its_name() -> None:
    """It is gone, and perhaps its Deployment too: the exact pattern of its name tells."""
    attribute = directory({}).attribution()

    assert attribute(NAMESPACE, "web-6b6f9d7d5c-2x8qz") == WEB
    assert attribute(NAMESPACE, "web-api-5f5b555dff-fcg7c") == WEB_API


def test_a_past_pod_with_another_hash_needs_a_deployment_that_exists() -> None:
    """`a1e0a1e0a` is no hash of today's controller: beside a Deployment `web` it counts, elsewhere not."""
    pod = "web-a1e0a1e0a-abcde"

    assert directory({}, WEB).attribution()(NAMESPACE, pod) == WEB
    assert directory({}).attribution()(NAMESPACE, pod) is None


def test_known_pods_of_other_kinds_never_fall_back_to_their_names() -> None:
    """A StatefulSet's, a Job's and a bare Pod, each named like one of Deployment `web`, are of none."""
    names = [f"web-6b6f9d7d5c-{tail}" for tail in ("2x8qz", "7w4ct", "fcg7c")]
    owners = [Workload(NAMESPACE, "db", "StatefulSet"), Workload(NAMESPACE, "run", "Job"), None]
    attribute = directory(dict(zip(names, owners, strict=True)), WEB).attribution()

    assert [attribute(NAMESPACE, name) for name in names] == [None, None, None]


def test_namespaces_are_kept_apart() -> None:
    """The same Pod name elsewhere is another Pod: not known there, so its name tells."""
    attribute = directory({"web-6b6f9d7d5c-2x8qz": None}).attribution()

    assert attribute("other", "web-6b6f9d7d5c-2x8qz") == Workload("other", "web")


async def test_web_never_eats_web_api() -> None:
    """web-api uses 1 core and 1 GB, web what it did: 1 * 1.15 = 1.150 cores beside the 0.138 of web."""
    prometheus = EmojivotoPrometheus()
    prometheus.containers["web-api-5f5b555dff-fcg7c", "web-api"] = (1.0, 1e9)
    scenario = Scenario(prometheus)

    await scenario.cycle()

    values = {profile.identity: profile.value for profile in scenario.profiles.catalogue}
    assert (values["cpu", WEB], values["cpu", WEB_API]) == ("0.138", "1.150")
    assert (values["memory", WEB], values["memory", WEB_API]) == ("34500000", "1150000000")


async def test_pods_of_other_kinds_get_no_profile_and_their_namespace_is_told() -> None:
    """`db-0` of a StatefulSet, and a Job's Pod named like one of `web`: web's value is its own."""
    prometheus = EmojivotoPrometheus()
    job = "web-6b6f9d7d5c-zzzzz"
    prometheus.containers |= {("db-0", "db"): (5.0, 1e9), (job, "web-svc"): (5.0, 1e9)}
    pods = {"db-0": Workload(NAMESPACE, "db", "StatefulSet"), job: Workload(NAMESPACE, "web", "Job")}
    scenario = Scenario(prometheus, directory=directory(pods, WEB))

    report = await scenario.cycle()

    values = {profile.identity: profile.value for profile in report.profiles}
    assert values["cpu", WEB] == "0.138"
    assert {str(identity[1]) for identity in values if identity[0] == "cpu"} == {
        f"{NAMESPACE}/{name}" for name in ("web", "voting", "emoji", "vote-bot")
    }
    assert scenario.sink.reports[-1]["namespacesWithUnattributedPods"] == [NAMESPACE]


async def test_replicas_old_and_new_are_pooled_into_their_deployment() -> None:
    """A known Pod and one of the past, both web's: the samples of both count, 2 * 432 of each container."""
    prometheus = EmojivotoPrometheus()
    past = "web-5f5b555dff-7w4ct"
    prometheus.containers |= {(past, "web-svc"): (0.1, 2e7), (past, "linkerd-proxy"): (0.02, 1e7)}
    scenario = Scenario(prometheus, directory=directory({"web-6b6f9d7d5c-2x8qz": WEB}, WEB))

    report = await scenario.cycle()

    (web,) = [profile for profile in report.profiles if profile.identity == ("cpu", WEB)]
    assert (web.value, web.basis.samples) == ("0.138", 4 * 432)
