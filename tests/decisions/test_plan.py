"""The plan: the webhook's changes to the next Pods of workloads, and the reason for each that stays."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from app.decisions.plan import WorkloadPlan
from app.decisions.templates import workload_object
from app.domain.profiles import Resource, RiskLevel
from tests.decisions.manifests import Object, container, deployment, need
from tests.decisions.planning import CPU, MEMORY, MIB, WRITTEN, planner
from tests.rightsizing.manifests import limit_range


def plan(
    manifest: Object, *profiles: Object, kind: str = "Deployment", limit_ranges: Sequence[Object] = ()
) -> WorkloadPlan:
    """The plan for a workload; without *profiles*, with those of `web`."""
    found = workload_object(kind, manifest)
    return planner(*(profiles or (CPU, MEMORY)), limit_ranges=limit_ranges).plan(found, limit_ranges)


def test_old_and_new_requests() -> None:
    """500m becomes 26m; a need of 5 bytes less than 347 MiB is rounded up to 347 MiB."""
    found = plan(deployment("web", container(requests=WRITTEN)))

    (app,) = found.containers
    cpu, memory = app.changes[Resource.CPU], app.changes[Resource.MEMORY]
    assert (cpu.old, cpu.new, cpu.reason) == (Decimal("0.5"), Decimal("0.026"), "")
    assert (memory.old, memory.new) == (Decimal(256 * MIB), Decimal(347 * MIB))
    assert found.total(Resource.CPU, new=False) == 1
    assert found.total(Resource.CPU, new=True) == Decimal("0.052")


def reasons(found: WorkloadPlan) -> list[str]:
    return [change.reason for one in found.containers for change in one.changes.values()]


def test_within_the_deadband() -> None:
    """29m is within 15 % of 26m (up to 29.9m), and 300Mi within 15 % of 347Mi (from 294.95)."""
    found = plan(deployment("web", container(requests={"cpu": "29m", "memory": "300Mi"})))

    assert reasons(found) == ["within 15% of its need"] * 2
    assert not found.has_changes


def with_policy(profile: Object, **values: str) -> Object:
    """The profile with a policy of the namespace; an underscore stands for a dash."""
    rules = [
        {"annotation": key.replace("_", "-"), "value": value, "source": "Namespace"}
        for key, value in values.items()
    ]
    return profile | {"status": {**profile["status"], "policy": rules}}


def test_annotations_that_move_a_request() -> None:
    """347Mi are needed at low risk and 64Mi allowed; 26m are within the bounds of CPU."""
    found = plan(
        deployment("web", container(requests=WRITTEN)),
        with_policy(CPU, max_cpu="1", risk="low"),
        with_policy(MEMORY, max_memory="64Mi", risk="low"),
    )

    (app,) = found.containers
    cpu, memory = app.changes[Resource.CPU], app.changes[Resource.MEMORY]
    assert (cpu.new, cpu.policy) == (Decimal("0.026"), "")
    assert (memory.new, memory.policy) == (Decimal(64 * MIB), "at most 64Mi by max-memory of namespace shop")
    assert found.risk == "low risk by risk of namespace shop"


def test_a_request_that_is_near_a_bound() -> None:
    """60Mi is within 15 % of the 64Mi that are allowed, and stays for that reason."""
    found = plan(
        deployment("web", container(requests={"memory": "60Mi"})), with_policy(MEMORY, max_memory="64Mi")
    )

    (app,) = found.containers
    memory = app.changes[Resource.MEMORY]
    assert (memory.reason, memory.policy) == (
        "within 15% of its need",
        "at most 64Mi by max-memory of namespace shop",
    )


def test_a_workload_that_is_off() -> None:
    """Each resource has the annotation as its reason."""
    found = plan(
        deployment("web", container(requests=WRITTEN)),
        with_policy(CPU, off="true"),
        with_policy(MEMORY, off="true"),
    )

    assert reasons(found) == ["turned off by annotation off of namespace shop"] * 2
    assert not found.has_changes
    assert found.added == ()


def test_a_container_without_a_need() -> None:
    """The profile has a need for `app` only; `proxy`, which has one, is not in the template."""
    containers = tuple({"name": name, "value": "0.026", "samples": 1} for name in ("app", "proxy"))
    cpu = need("cpu", "web", "0.052", containers=containers)

    found = plan(deployment("web", container(requests=WRITTEN), container("log")), cpu, MEMORY)

    assert reasons(found) == ["", "", "no profile", "no profile"]
    assert found.added == ("proxy",)


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ((need("cpu", "db", "1.000"),), ["no profile", "no profile"]),
        ((CPU,), ["", "no profile"]),
        ((need("cpu", "web", "0.026", confidence="0.49"), MEMORY), ["confidence below the minimum", ""]),
    ],
)
def test_without_a_usable_profile(profiles: tuple[Object, ...], expected: list[str]) -> None:
    """No profile of the workload, none of its memory, and one with too little confidence."""
    assert reasons(plan(deployment("web", container(requests=WRITTEN)), *profiles)) == expected


def test_a_pod_that_is_guaranteed_stays() -> None:
    """Its requests equal its limits, which setting one of them would end."""
    found = plan(deployment("web", container(requests=WRITTEN, limits=WRITTEN)))

    assert reasons(found) == ["the Pod is Guaranteed"] * 2


def test_a_limit_below_the_need_holds_the_request() -> None:
    """The memory limit of 256 MiB is below the need of 347 MiB; the request stays at the limit."""
    found = plan(deployment("web", container(requests=WRITTEN, limits={"memory": "256Mi"})))

    assert reasons(found) == ["", "at its limit, which is below its need"]


def test_a_limit_range_bounds_the_request() -> None:
    """Its minimum is 200m, so 500m falls to 200m and not to 26m."""
    found = plan(
        deployment("web", container(requests=WRITTEN)), limit_ranges=[limit_range(min={"cpu": "200m"})]
    )

    assert found.containers[0].changes[Resource.CPU].new == Decimal("0.2")


def test_defaults_of_a_limit_range_are_the_old_requests() -> None:
    """The template has no request: the Pod gets 300m and a limit of 1, and then 26m."""
    ranges = [limit_range(default={"cpu": "1"}, defaultRequest={"cpu": "300m"})]

    cpu = plan(deployment("web", container()), limit_ranges=ranges).containers[0].changes[Resource.CPU]

    assert (cpu.old, cpu.new, cpu.new_limit) == (Decimal("0.3"), Decimal("0.026"), Decimal(1))


def test_an_autoscaler_keeps_its_resource() -> None:
    """An HPA scales on CPU: only the memory request changes."""
    target = {"kind": "Deployment", "name": "web"}
    hpa = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"scaleTargetRef": target}}

    found = planner(CPU, MEMORY, horizontal_autoscalers=[hpa]).plan(
        workload_object("Deployment", deployment("web", container(requests=WRITTEN)))
    )

    assert reasons(found) == ["a HorizontalPodAutoscaler scales on it", ""]


def test_a_vertical_autoscaler_keeps_its_containers() -> None:
    """It has a recommendation for the CPU of app; the proxy and what it does not recommend are planned.

    Its own bound of the app's CPU moves nothing then.
    """
    listed = ({"name": "app", "value": "0.026"}, {"name": "proxy", "value": "0.050"})
    rules = [{"annotation": "max-cpu", "value": "20m", "source": "Namespace"}]
    cpu = need("cpu", "web", "0.076", containers=listed, policy=rules)
    recommended = {"containerRecommendations": [{"containerName": "app", "target": {"cpu": "1"}}]}
    vpa = {
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"targetRef": {"kind": "Deployment", "name": "web"}},
        "status": {"recommendation": recommended},
    }

    found = planner(cpu, MEMORY, vertical_autoscalers=[vpa]).plan(
        workload_object(
            "Deployment", deployment("web", container(requests=WRITTEN), container("proxy", requests=WRITTEN))
        )
    )

    app, proxy = found.containers
    assert reasons(found) == ["a VerticalPodAutoscaler sets it", "", "", "no profile"]
    assert app.changes[Resource.CPU].policy == ""
    assert proxy.changes[Resource.CPU].new == Decimal("0.02")
    assert proxy.changes[Resource.CPU].policy == "at most 20m by max-cpu of namespace shop"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("job-profiler.liqo.io/scheduling=false", "its Pod template's label turns scheduling off"),
        ("job-profiler.liqo.io/ignore=true", "its Pods opt out"),
    ],
)
def test_labels_of_the_template_count(label: str, reason: str) -> None:
    """Where the webhook would leave the Pod alone, nothing is planned."""
    key, _, value = label.partition("=")

    found = plan(deployment("web", container(requests=WRITTEN), labels={key: value}))

    assert (found.reason, found.has_changes) == (reason, False)


def test_needs_at_another_risk() -> None:
    """The stored need at low risk is 50m instead of 26m."""
    values = {"low": "0.050", "normal": "0.026", "high": "0.020"}
    listed = ({"name": "app", "value": "0.026", "samples": 1, "values": values},)

    found = planner(need("cpu", "web", "0.026", containers=listed), risk=RiskLevel.LOW).plan(
        workload_object("Deployment", deployment("web", container(requests=WRITTEN)))
    )

    assert found.containers[0].changes[Resource.CPU].new == Decimal("0.050")


def test_a_sidecar_is_planned_and_an_init_container_is_not() -> None:
    """The sidecar is the second of the init containers, and its place is kept for patches."""
    listed = ({"name": "log", "value": "0.050", "samples": 1}, {"name": "first", "value": "1.000"})
    sidecar = container("log", requests={"cpu": "1"}, restartPolicy="Always")
    manifest = deployment("web", container(), initContainers=[container("first"), sidecar])

    found = plan(manifest, need("cpu", "web", "0.050", containers=listed))

    (log,) = [one for one in found.containers if one.name == "log"]
    assert [one.name for one in found.containers] == ["app", "log"]
    assert (log.group, log.index, log.changes[Resource.CPU].new) == ("initContainers", 1, Decimal("0.05"))


def test_a_cron_job_is_found_by_the_profile_of_its_runs() -> None:
    """The Pods of a CronJob belong to a Job, whose name has the time of its schedule."""
    template = {"spec": {"containers": [container(requests=WRITTEN)]}}
    manifest = {
        "metadata": {"name": "etl", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": template}}},
    }

    found = plan(manifest, need("cpu", "etl", "0.026", kind="CronJob"), kind="CronJob")

    assert found.containers[0].changes[Resource.CPU].new == Decimal("0.026")
    assert found.replicas is None


def test_unreadable_resources() -> None:
    """A template that the API server would not accept is no reason to fail."""
    found = plan(deployment("web", container(requests={"cpu": "much"})))

    assert (found.containers, found.has_changes) == ((), False)


def test_too_many_containers() -> None:
    """A Pod with 101 containers can be read; the webhook leaves it alone for another reason."""
    found = plan(deployment("web", *(container(f"app-{number}") for number in range(101))))

    assert (found.containers, found.reason) == ((), "it has more than 100 containers")


@pytest.mark.parametrize("odd", [{}, {"scaleTargetRef": "web"}, None], ids=str)
def test_an_autoscaler_that_can_not_be_read(odd: object) -> None:
    """Of two autoscalers one has no target: it is left out, and the other counts."""
    target = {"kind": "Deployment", "name": "web"}
    autoscalers = [
        {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}
        for name, spec in (("odd", odd), ("web", {"scaleTargetRef": target}))
    ]

    found = planner(CPU, MEMORY, horizontal_autoscalers=[*autoscalers, {"spec": odd}]).plan(
        workload_object("Deployment", deployment("web", container(requests=WRITTEN)))
    )

    assert reasons(found) == ["a HorizontalPodAutoscaler scales on it", ""]
