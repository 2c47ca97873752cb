"""Policies of workloads in profiling cycles: risk of values, policy in profiles, wrong annotations."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.domain.annotations import POLICY_PREFIX
from app.domain.container_roles import TemplateContainers
from app.domain.namespaces import NamespaceSelection
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicyRule, PolicySource
from app.domain.profile_names import contract_name
from app.domain.profiles import Identity, Resource, StoredProfile
from app.domain.template_amounts import template_amounts
from app.domain.workload_policy import NO_POLICY, WorkloadPolicy
from app.domain.workloads import Workload
from app.profiler.cluster_snapshot import ClusterSnapshot
from app.profiler.cycle.cycle import CycleReport
from app.profiler.event_recorder import MAX_EVENTS_PER_MINUTE
from app.profiler.in_memory import InMemoryProfiles
from app.profiler.ports import ClusterPorts
from tests.profiler.emojivoto_prometheus import CONTAINERS, EmojivotoPrometheus
from tests.profiler.prometheus_faults import refused
from tests.profiler.scenario import DEPLOYMENTS, RecordingEvents, RecordingSink, Scenario
from tests.profiler.varying_usage import varying_prometheus
from tests.rightsizing.manifests import policy

WEB, VOTING = Workload("emojivoto", "web"), Workload("emojivoto", "voting")
ALL = NamespaceSelection()


def on(source: PolicySource, **annotations: str) -> WorkloadPolicy:
    """The policy of these annotations on an object; an underscore stands for a dash."""
    named = {POLICY_PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    return read_policy(named, source)


def snapshot(
    policies: Mapping[Workload, WorkloadPolicy] | None = None, namespace: WorkloadPolicy = NO_POLICY
) -> ClusterSnapshot:
    """The four Deployments with their policies, and that of their namespace."""
    return ClusterSnapshot(
        workloads=DEPLOYMENTS,
        uids={workload: f"uid-of-{workload.name}" for workload in DEPLOYMENTS},
        templates={WEB: TemplateContainers(frozenset({"wait"}), containers=frozenset({"web-svc"}))},
        policies=dict.fromkeys(DEPLOYMENTS, NO_POLICY) | dict(policies or {}),
        namespace_policies={"emojivoto": namespace},
        known_namespaces=ALL,
    )


class CountingProfiles(InMemoryProfiles):
    """In-memory profiles that count writes; with an older schema, the API server drops the policy."""

    def __init__(self) -> None:
        super().__init__("profiling")
        self.writes, self.has_older_schema = 0, False

    async def write(self, write: Any, now: Any) -> None:
        """Store the profile."""
        self.writes += 1
        await super().write(write, now)

    async def set_policy(self, profile: StoredProfile, rules: Sequence[PolicyRule]) -> None:
        """Store the rules, or drop them."""
        self.writes += 1
        await super().set_policy(profile, () if self.has_older_schema else rules)


class ChangingCluster:
    """A leader over a cluster whose annotations change between its cycles."""

    def __init__(self, prometheus: EmojivotoPrometheus | None = None) -> None:
        self.now = snapshot()
        self.profiles, self.sink, self.events = CountingProfiles(), RecordingSink(), RecordingEvents()
        ports = ClusterPorts(
            self, self.profiles, self.sink, self.events, asking_namespaces=lambda: {"emojivoto"}
        )
        self.prometheus = prometheus or varying_prometheus()
        self._scenario = Scenario(
            self.prometheus, self.profiles, cluster=ports, scheduling=policy(min_confidence=0)
        )

    async def snapshot(self) -> ClusterSnapshot:
        """The annotations of now."""
        return self.now

    async def cycle(self, minutes: float, now: ClusterSnapshot | None = None) -> CycleReport:
        """A cycle with these annotations, from then on."""
        self.now = now or self.now
        return await self._scenario.cycle(minutes)

    def status(self, workload: Workload, resource: Resource = Resource.CPU) -> Mapping[str, Any]:
        """The status of a profile."""
        name = contract_name(Identity(resource.profile_kind, workload))
        assert name
        status: Mapping[str, Any] = self.profiles.manifests[name]["status"]
        return status

    def policy(self, workload: Workload, resource: Resource = Resource.CPU) -> list[str]:
        """The annotations in the policy of a profile, with their objects."""
        rules = self.status(workload, resource).get("policy", [])
        return [f"{rule['annotation']}={rule['value']} {rule['source']}" for rule in rules]

    def risk(self, workload: Workload) -> tuple[str, str]:
        """The level of a CPU profile, and its value."""
        status = self.status(workload)
        return status["risk"]["level"], status["need"]

    @property
    def faults(self) -> Mapping[str, str]:
        """The wrong annotations in the status report."""
        found: Mapping[str, str] = self.sink.reports[-1].get("policyFaults", {})
        return found


async def test_each_workload_has_the_risk_of_its_own_policy() -> None:
    """At high risk web needs what its profile stated for it; the others stay at normal risk.

    Values change in the same cycle, up and down again, and the history says why.
    """
    cluster = ChangingCluster()
    await cluster.cycle(0)
    before, other = cluster.risk(WEB), cluster.risk(VOTING)
    stated = [container["values"] for container in cluster.status(WEB)["containers"]]

    await cluster.cycle(5, snapshot({WEB: on(PolicySource.WORKLOAD, risk="high")}))
    high = cluster.risk(WEB)
    now = [container["value"] for container in cluster.status(WEB)["containers"]]
    reasons = [change["reason"] for change in cluster.status(WEB)["history"]]
    await cluster.cycle(10, snapshot())

    assert before[0] == other[0] == "normal"
    assert high[0] == "high"
    assert now == [values["high"] for values in stated] != [values["normal"] for values in stated]
    assert cluster.risk(VOTING) == other
    assert reasons == ["RiskChanged"]
    assert cluster.risk(WEB) == before


async def test_a_risk_without_another_value_is_written_once() -> None:
    """Constant usage needs the same CPU at any risk: only the level of the status changes."""
    cluster = ChangingCluster(EmojivotoPrometheus())
    await cluster.cycle(0)
    before = cluster.risk(WEB)

    await cluster.cycle(5, snapshot(namespace=on(PolicySource.NAMESPACE, risk="high")))
    after, writes = cluster.risk(WEB), cluster.profiles.writes
    await cluster.cycle(10)

    assert (before, after) == (("normal", before[1]), ("high", before[1]))
    assert cluster.profiles.writes == writes


async def test_a_profile_has_the_policy_that_holds() -> None:
    """Each profile has the rules of its resource and of its own containers; without them it has none."""
    cluster = ChangingCluster()
    web = on(PolicySource.TEMPLATE, **{"max_memory.web-svc": "1Gi", "off": "false"})
    namespace = on(PolicySource.NAMESPACE, off="true", min_cpu="50m", **{"max_cpu.elsewhere": "1"})

    await cluster.cycle(0, snapshot({WEB: web}, namespace))
    new = cluster.policy(WEB), cluster.policy(WEB, Resource.MEMORY), cluster.policy(VOTING)
    await cluster.cycle(5, snapshot())

    assert new == (
        ["min-cpu=50m Namespace", "off=false Template"],
        ["off=false Template", "max-memory.web-svc=1Gi Template"],
        ["min-cpu=50m Namespace", "off=true Namespace"],
    )
    assert cluster.policy(WEB) == cluster.policy(VOTING) == []


async def test_an_unchanged_cycle_writes_nothing() -> None:
    """Nor does one that finds policies which an older schema drops: these are written again after an hour."""
    cluster = ChangingCluster(EmojivotoPrometheus())
    bounded = snapshot(namespace=on(PolicySource.NAMESPACE, max_cpu="1"))
    await cluster.cycle(0, bounded)
    written = cluster.profiles.writes
    await cluster.cycle(5)
    unchanged = cluster.profiles.writes
    cluster.profiles.has_older_schema = True
    await cluster.cycle(10, snapshot(namespace=on(PolicySource.NAMESPACE, max_cpu="2")))
    dropped = cluster.profiles.writes
    await cluster.cycle(15)
    await cluster.cycle(65)

    assert unchanged == written
    assert dropped == written + len(DEPLOYMENTS)
    assert cluster.profiles.writes == dropped


async def test_what_is_not_known_stays() -> None:
    """Of a workload or a namespace that can't be read, the risk and the policy are those of before."""
    cluster = ChangingCluster()
    low = snapshot({WEB: on(PolicySource.WORKLOAD, risk="low", off="true")})
    await cluster.cycle(0, low)
    before = cluster.risk(WEB), cluster.policy(WEB)

    await cluster.cycle(5, ClusterSnapshot(workloads=DEPLOYMENTS, known_namespaces=ALL))
    gone = cluster.risk(WEB), cluster.policy(WEB)
    await cluster.cycle(10, ClusterSnapshot(workloads=DEPLOYMENTS, policies=snapshot().policies))

    assert before[0][0] == "low"
    assert gone == before == (cluster.risk(WEB), cluster.policy(WEB))


async def test_requests_that_annotations_change_are_announced() -> None:
    """Once, as an Event on the workload, although its value stays; while they can't be read, nothing changes.

    What web needs is more than a millicore.
    """
    cluster = ChangingCluster()
    amounts = {WEB: template_amounts([("web-svc", {"cpu": "1"}, {})])}
    bounded = replace(snapshot({}, on(PolicySource.NAMESPACE, max_cpu="1m")), amounts=amounts)
    await cluster.cycle(0, replace(snapshot(), amounts=amounts))
    cluster.events.recorded.clear()

    await cluster.cycle(5, bounded)
    announced = list(cluster.events.lines)
    await cluster.cycle(10, replace(bounded, known_namespaces=NamespaceSelection(frozenset())))
    await cluster.cycle(15, bounded)

    (event,) = announced
    assert event[:2] == ("emojivoto/web", "RequestsChanged")
    assert event[2].endswith("m → 1m (at most 1m by max-cpu of namespace emojivoto)")
    assert cluster.events.lines == announced


async def test_a_policy_holds_while_prometheus_is_away() -> None:
    """It reaches stored profiles although none can be derived."""
    cluster = ChangingCluster()
    await cluster.cycle(0)
    cluster.prometheus.faults = dict.fromkeys(("cpu", "memory"), refused)

    await cluster.cycle(5, snapshot({WEB: on(PolicySource.TEMPLATE, off="true")}))

    assert cluster.policy(WEB) == ["off=true Template"]


async def test_wrong_annotations_are_reported_and_announced_once() -> None:
    """One Event for each object, also if it was wrong before the leader began; none when it is right.

    A container may be in the template or in Pods: the proxy is injected. An init container is not sized.
    """
    web = on(
        PolicySource.TEMPLATE,
        risk="lowest",
        **{"max_cpu.web-srv": "1", "max_cpu.linkerd-proxy": "1", "max_cpu.wait": "1", "max_cpu.web-svc": "1"},
    )
    cluster = ChangingCluster()
    await cluster.cycle(0, snapshot({WEB: web}, on(PolicySource.NAMESPACE, max_mem="1Gi")))
    first = dict(cluster.faults)
    await cluster.cycle(5)
    events = cluster.events.lines
    await cluster.cycle(10, snapshot())

    assert first == {
        "Namespace/emojivoto/emojivoto": "max-mem of the namespace is not known: did you mean max-memory?",
        "emojivoto/web": (
            "risk of the Pod template is 'lowest': use low, normal or high; "
            "max-cpu.wait is of an init container, which is not sized; "
            "max-cpu.web-srv is of a container that the Pod template does not have"
        ),
    }
    prefix = "annotations job-profiler.liqo.io/… without effect: "
    assert events == [(name, "InvalidPolicy", prefix + text) for name, text in first.items()]
    assert cluster.faults == {}
    assert cluster.events.lines == events


async def test_events_over_the_rate_are_for_later_cycles() -> None:
    """Of 30 wrong workloads 20 get their Event in the first minute, and 10 in the next cycle."""
    cluster = ChangingCluster()
    wrong = on(PolicySource.WORKLOAD, off="perhaps")
    many = {Workload("emojivoto", f"w-{number:02}"): wrong for number in range(30)}
    await cluster.cycle(0, replace(snapshot(many), uids=dict.fromkeys(many, "uid")))
    first = len(cluster.events.lines)
    await cluster.cycle(5)

    assert (first, len(cluster.events.lines)) == (MAX_EVENTS_PER_MINUTE, 30)
    assert len({name for name, *_ in cluster.events.lines}) == 30


async def test_changes_leave_no_fault_unannounced() -> None:
    """30 wrong workloads appear together with the profiles of four: the four have their Events, too.

    In the minute of 12:05 there are 20 Events on annotations, and 4 on profiles; 10 are dropped for now.
    """
    cluster = ChangingCluster(EmojivotoPrometheus(containers={}, edges={}, proxies=()))
    await cluster.cycle(0)
    cluster.prometheus.containers = dict(CONTAINERS)
    wrong = on(PolicySource.WORKLOAD, off="perhaps")
    many = {Workload("emojivoto", f"w-{number:02}"): wrong for number in range(30)}
    now = snapshot(many)
    report = await cluster.cycle(5, replace(now, uids={**now.uids, **dict.fromkeys(many, "uid")}))

    reasons = Counter(reason for _, reason, _ in cluster.events.lines)
    assert reasons == {"ProfileCreated": 4, "InvalidPolicy": 20}
    assert report.events_dropped == 10


async def test_the_report_is_bounded() -> None:
    """Of 3,000 wrong workloads 200 are listed, and all are counted."""
    cluster = ChangingCluster()
    wrong = on(PolicySource.WORKLOAD, **{f"max_cpu.c{number}": "x" * 30 for number in range(60)})
    await cluster.cycle(0, snapshot({Workload("emojivoto", f"w-{number}"): wrong for number in range(3000)}))

    assert 100 < len(cluster.faults) <= 200
    assert cluster.sink.reports[-1]["policyFaultsTotal"] == 3000
