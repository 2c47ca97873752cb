"""Attribution of Pods to workloads: by owner if the Pod is known, else by the exact pattern of its name."""

from collections.abc import Mapping

from app.domain.profiles import Identity, ProfileKind
from app.domain.workloads import SERVICE, Workload
from app.profiler.attribution import Attribution
from app.profiler.cluster_snapshot import ClusterSnapshot
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import Scenario

NAMESPACE = "emojivoto"
WEB, WEB_API = Workload(NAMESPACE, "web"), Workload(NAMESPACE, "web-api")


def snapshot(pods: Mapping[str, Workload], *deployments: Workload) -> ClusterSnapshot:
    """A snapshot of Pods of the namespace with their owners, and of Deployments."""
    return ClusterSnapshot({(NAMESPACE, pod): owner for pod, owner in pods.items()}, deployments)


def test_a_known_pod_belongs_to_its_owner() -> None:
    """A Pod of web-api that is named like one of web, and a Pod of web with another name."""
    pod, other = "web-6b6f9d7d5c-2x8qz", "another-name"
    attribute = Attribution(snapshot({pod: WEB_API, other: WEB}, WEB, WEB_API))

    assert (attribute(NAMESPACE, pod), attribute(NAMESPACE, other)) == (WEB_API, WEB)


def test_a_pod_of_the_past_belongs_to_the_deployment_of_its_name() -> None:
    """The Pod is deleted, perhaps its Deployment too: the exact pattern of its name decides."""
    attribute = Attribution(snapshot({}))

    assert attribute(NAMESPACE, "web-6b6f9d7d5c-2x8qz") == WEB
    assert attribute(NAMESPACE, "web-api-5f5b555dff-fcg7c") == WEB_API


def test_a_past_pod_with_another_hash_needs_a_deployment_that_exists() -> None:
    """`a1e0a1e0a` is no hash of current controllers: it counts only if a Deployment `web` exists."""
    pod = "web-a1e0a1e0a-abcde"

    assert Attribution(snapshot({}, WEB))(NAMESPACE, pod) == WEB
    assert Attribution(snapshot({}))(NAMESPACE, pod) is None


def test_other_kinds_own_past_pods_of_their_name() -> None:
    """A Rollout is not watched, but owns a Pod; CronJob `report` created a Job, and `clean` only exists."""
    rollout = Workload(NAMESPACE, "web", "Rollout")
    report, clean = (Workload(NAMESPACE, name, "CronJob") for name in ("report", "clean"))
    attribute = Attribution(
        ClusterSnapshot(
            {(NAMESPACE, "web-7d4b9c6f8-x7k2p"): rollout},
            cron_jobs={Workload(NAMESPACE, "report-29000000", "Job"): report},
            uids={clean: "uid-of-clean"},
        )
    )

    assert attribute(NAMESPACE, "web-5f5b555dff-fcg7c") == rollout
    assert attribute(NAMESPACE, "report-28394810-x7k2p") == report
    assert attribute(NAMESPACE, "clean-28394810-x7k2p") == clean


def test_known_pods_of_other_kinds_never_fall_back_to_their_names() -> None:
    """Pods of a StatefulSet, of a Job and bare, all named like one of Deployment `web`, are not its Pods."""
    names = [f"web-6b6f9d7d5c-{tail}" for tail in ("2x8qz", "7w4ct", "fcg7c")]
    owners = [
        Workload(NAMESPACE, "db", "StatefulSet"),
        Workload(NAMESPACE, "run", "Job"),
        Workload(NAMESPACE, "debug", "Pod"),
    ]
    attribute = Attribution(snapshot(dict(zip(names, owners, strict=True)), WEB))

    assert [attribute(NAMESPACE, name) for name in names] == [
        Workload(NAMESPACE, "db", "StatefulSet"),
        Workload(NAMESPACE, "run", "Job"),
        Workload(NAMESPACE, "debug", "Pod"),
    ]


def test_a_mirror_pod_has_no_workload() -> None:
    """Its owner is a Node, which is no workload."""
    attribute = Attribution(snapshot({"etcd-master": Workload(NAMESPACE, "master", "Node")}))

    assert attribute(NAMESPACE, "etcd-master") is None


def test_runs_of_a_cron_job_are_one_workload() -> None:
    """Two Jobs that CronJob `report` created, and one without a CronJob that is only named like them."""
    runs = [Workload(NAMESPACE, f"report-2839481{n}", "Job") for n in range(3)]
    report = Workload(NAMESPACE, "report", "CronJob")
    pods = {(NAMESPACE, f"{run.name}-x7k2p"): run for run in runs}
    attribute = Attribution(ClusterSnapshot(pods, cron_jobs=dict.fromkeys(runs[:2], report)))

    assert [attribute(*pod) for pod in pods] == [report, report, runs[2]]


def test_owner_metrics_take_precedence_over_the_name() -> None:
    """kube-state-metrics has Deployment `shop-web` as the owner of a Pod that is named like one of `web`."""
    pod = (NAMESPACE, "web-6b6f9d7d5c-2x8qz")
    past = {pod: Workload(NAMESPACE, "shop-web")}

    assert Attribution(snapshot({}), past)(*pod) == Workload(NAMESPACE, "shop-web")
    assert Attribution(snapshot({pod[1]: WEB_API}), past)(*pod) == WEB_API


def test_namespaces_are_kept_apart() -> None:
    """A Pod of the same name in another namespace is unknown, so it is attributed by its name."""
    attribute = Attribution(snapshot({"web-6b6f9d7d5c-2x8qz": WEB_API}))

    assert attribute("other", "web-6b6f9d7d5c-2x8qz") == Workload("other", "web")


async def test_web_has_no_usage_of_web_api() -> None:
    """web-api uses 1 core and 1 GB: 1 * 1.0625 = 1.063 cores beside the 0.128 of web."""
    prometheus = EmojivotoPrometheus()
    prometheus.containers["web-api-5f5b555dff-fcg7c", "web-api"] = (1.0, 1e9)
    scenario = Scenario(prometheus)

    await scenario.cycle()

    values = {profile.identity: profile.value for profile in scenario.profiles.catalogue}
    assert (values[Identity(ProfileKind.CPU, WEB)], values[Identity(ProfileKind.CPU, WEB_API)]) == (
        "0.128",
        "1.063",
    )
    assert (values[Identity(ProfileKind.MEMORY, WEB)], values[Identity(ProfileKind.MEMORY, WEB_API)]) == (
        "38137476",
        "1271249152",
    )


async def test_pods_of_other_kinds_have_profiles_of_their_own() -> None:
    """`db-0` of a StatefulSet, and a Job's Pod named like one of `web`: the value of web has neither.

    db uses 5 cores: 5 * 1.0625 = 5.3125.
    """
    prometheus = EmojivotoPrometheus()
    job = "web-6b6f9d7d5c-zzzzz"
    prometheus.containers |= {("db-0", "db"): (5.0, 1e9), (job, "web-svc"): (5.0, 1e9)}
    pods = {"db-0": Workload(NAMESPACE, "db", "StatefulSet"), job: Workload(NAMESPACE, "web", "Job")}
    scenario = Scenario(prometheus, snapshot=snapshot(pods, WEB))

    await scenario.cycle()

    values = {identity: profile.value for identity, profile in scenario.learned().items()}
    assert values[Identity(ProfileKind.CPU, WEB)] == "0.128"
    assert values[Identity(ProfileKind.CPU, Workload(NAMESPACE, "db", "StatefulSet"))] == "5.313"
    assert values[Identity(ProfileKind.CPU, Workload(NAMESPACE, "web", "Job"))] == "5.313"


async def test_namespaces_with_unattributed_pods_are_reported() -> None:
    """`db-0` belongs to no known StatefulSet: it has no profile, but the report names the namespace."""
    prometheus = EmojivotoPrometheus()
    prometheus.containers |= {("db-0", "db"): (5.0, 1e9)}
    scenario = Scenario(prometheus)

    report = await scenario.cycle()

    profiled = {str(identity.subject) for identity in report.identities if identity.kind == ProfileKind.CPU}
    assert profiled == {f"{NAMESPACE}/{name}" for name in ("web", "voting", "emoji", "vote-bot")}
    assert scenario.sink.reports[-1]["namespacesWithUnattributedPods"] == [NAMESPACE]


async def test_running_and_terminated_replicas_are_pooled() -> None:
    """A running and a terminated Pod of web: the samples of both count, 2 * 432 per container."""
    prometheus = EmojivotoPrometheus()
    past = "web-5f5b555dff-7w4ct"
    prometheus.containers |= {(past, "web-svc"): (0.1, 2e7), (past, "linkerd-proxy"): (0.02, 1e7)}
    scenario = Scenario(prometheus, snapshot=snapshot({"web-6b6f9d7d5c-2x8qz": WEB}, WEB))

    await scenario.cycle()

    web = scenario.learned()[Identity(ProfileKind.CPU, WEB)]
    assert (web.value, web.basis.samples) == ("0.128", 4 * 432)


def test_the_only_workload_of_a_name() -> None:
    """A name alone, or with a namespace or a kind, is that of one known workload, or of none."""
    cart, api = Workload("shop", "cart", "StatefulSet"), Workload("shop", "api")
    other, job = Workload("billing", "api"), Workload("billing", "api", "CronJob")
    attribute = Attribution(ClusterSnapshot({("shop", "cart-0"): cart}, (api, other, job)))

    only = attribute.only_workload
    assert only(Workload("", "cart", SERVICE)) == only(Workload("shop", "cart", "")) == cart
    assert only(Workload("", "api", SERVICE)) is only(Workload("billing", "api", SERVICE)) is None
    assert only(Workload("shop", "api", SERVICE)) == api
    assert only(Workload("", "api", "CronJob")) == job
    assert only(Workload("", "cart", "Deployment")) is only(Workload("billing", "cart", "")) is None


def test_the_only_workload_with_usage() -> None:
    """A workload that only has usage counts if none of its name exists, as of `old` and not of `web`."""
    old, web = Workload("shop", "old"), Workload("shop", "web")
    attribute = Attribution(ClusterSnapshot(workloads=(web,)), measured={old, Workload("billing", "web")})

    assert attribute.only_workload(Workload("", "old", SERVICE)) == old
    assert attribute.only_workload(Workload("", "web", SERVICE)) == web
