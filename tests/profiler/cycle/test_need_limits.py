"""Usage and needs that no machine has: never published, named in the status report."""

from datetime import timedelta

from app.domain.profiles import Identity, ProfileKind, Resource
from app.domain.workloads import Workload
from app.history.samples import EdgeFault
from app.profiler.cycle.collected_samples import CollectedSamples, CollectionLimits
from app.profiler.cycle.findings import Findings
from app.profiler.cycle.need_limits import AbsurdNeed, NeedLimits
from app.profiler.cycle.publisher import PublishResult
from tests.profiler.emojivoto_prometheus import EmojivotoPrometheus
from tests.profiler.scenario import NOON, Scenario

VOTING = Identity(ProfileKind.CPU, Workload("emojivoto", "voting"))
VOTING_POD = ("voting-5f5b555dff-fcg7c", "voting-svc")


async def test_forged_usage_does_not_reach_the_history() -> None:
    """Some metric claims 1,047 cores of voting: its 0.064 stays, and the claim is named.

    A day later two whole days of 0.06 cores give 0.06 * (1 + .5 / (1 + 2)^3) = 0.062: the claim is nowhere in
    the history.
    """
    prometheus = EmojivotoPrometheus()
    scenario = Scenario(prometheus)
    await scenario.cycle()
    assert value(scenario) == "0.064"

    prometheus.containers[VOTING_POD] = (1047.0, 1.2e7)
    await scenario.cycle(minutes=5)

    assert value(scenario) == "0.064"
    assert scenario.sink.reports[-1]["absurdNeeds"] == {
        "emojivoto/voting": "AbsurdNeed: cpu of 1047.000 cores, above MAX_CPU_NEED (256.000 cores)"
    }
    prometheus.containers[VOTING_POD] = (0.06, 1.2e7)
    await scenario.cycle(minutes=24 * 60 + 10)
    assert value(scenario) == "0.062"
    assert "absurdNeeds" not in scenario.sink.reports[-1]


async def test_a_sum_above_the_limit_is_not_published() -> None:
    """The containers of web use 0.1 and 0.02 cores, below the limit of 0.11 or not: 0.128 is above it.

    The three others are published, and web is named with the reason of the need.
    """
    scenario = Scenario(EmojivotoPrometheus(), limits_of_collection=CollectionLimits(needs=NeedLimits(0.11)))

    await scenario.cycle()

    kinds = [profile.subject.name for profile in scenario.profiles.catalogue if profile.kind == "cpu"]  # type: ignore[union-attr]
    assert sorted(kinds) == ["emoji", "vote-bot", "voting"]
    assert scenario.sink.reports[-1]["absurdNeeds"] == {
        "emojivoto/web": "AbsurdNeed: cpu of 0.128 cores, above MAX_CPU_NEED (0.110 cores)"
    }


async def test_memory_has_its_own_limit() -> None:
    """7 TiB are above 6 TiB; CPU of the same container is published."""
    prometheus = EmojivotoPrometheus()
    prometheus.containers[VOTING_POD] = (0.06, 7 * 2.0**40)
    scenario = Scenario(prometheus)

    await scenario.cycle()

    assert value(scenario) == "0.064"
    memory = Identity(ProfileKind.MEMORY, VOTING.subject)
    assert scenario.profiles.catalogue.get(memory) is None
    assert scenario.sink.reports[-1]["absurdNeeds"]["emojivoto/voting"].startswith(
        "AbsurdNeed: memory of 7696581394432 bytes, above MAX_MEMORY_NEED (6597069766656 bytes)"
    )


def value(scenario: Scenario) -> str:
    stored = scenario.profiles.catalogue.get(VOTING)
    assert stored
    return stored.value


def test_many_claims_are_remembered_and_listed_by_namespaces_in_turn() -> None:
    """Of 6,000 absurd needs of `aaa` and one of `web`, 5,000 are remembered and 500 listed, web's among them.

    Namespaces that reports claim are remembered too: the newest 5,000.
    """
    findings = Findings()
    needs = [AbsurdNeed(Workload("aaa", f"w{n:04d}"), Resource.CPU, 999.0, 256.0) for n in range(6000)]
    needs.append(AbsurdNeed(Workload("web", "api"), Resource.CPU, 999.0, 256.0))
    for cycle in range(2):
        dropped = {(EdgeFault.OTHER_REPORTER, f"n{cycle}-{n}"): 1 for n in range(4000)}
        collected = CollectedSamples(absurd_needs=needs, dropped_edges=dropped)
        findings.update(collected, NOON + timedelta(minutes=cycle))

    report = findings.as_report(PublishResult([], 0, 0, set()))

    assert len(report["absurdNeeds"]) == 500
    assert "web/api" in report["absurdNeeds"]
    assert len(findings._needs) == len(findings._edges) == 5000
