"""What counts connections beside meshes, what could, and what the settings leave out."""

import pytest

from app.diagnosis.candidates import CANDIDATES, Candidate
from app.diagnosis.catalogue import Exporter
from app.diagnosis.diagnosis import Diagnosis, diagnose
from app.diagnosis.observations import Observations
from app.diagnosis.questions import Fact, Kind
from app.diagnosis.target import CONNECTIONS, Target
from app.domain.connection_providers import AUTO, NONE
from app.errors import TooLargeError
from app.sources.queries import Scope
from tests.diagnosis.observed import NOW, healthy

OBJECTS = (Exporter.KUBELET, Exporter.KUBE_STATE_METRICS)
PRESENT = Fact(Kind.PRESENT, CONNECTIONS)


def diagnosed(*metrics: str, providers: tuple[str, ...] = (AUTO,), has_sampling: bool = False) -> Diagnosis:
    """The diagnosis of a healthy server with these *metrics*."""
    exporters = OBJECTS if NONE in providers else tuple(Exporter)
    target = Target(Scope(), None, exporters, providers, has_sampling)
    facts = healthy() | {PRESENT: {(metric,): 5.0 for metric in metrics}}
    return diagnose("http://prometheus:9090", Observations(target, NOW, facts), 15 * 86400.0)


def reasons(diagnosis: Diagnosis) -> list[str]:
    return [finding.reason for finding in diagnosis.findings]


def states(diagnosis: Diagnosis) -> dict[str, tuple[str, str]]:
    """The state and the basis of each provider's feature, meshes left out."""
    features = {one.name: (one.state.value, one.basis) for one in diagnosis.features}
    names = [f"Connection profiles ({each.name})" for each in CANDIDATES]
    return {name.split("(")[1].rstrip(")"): features[name] for name in names if name in features}


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_provider_that_counts_is_named(candidate: Candidate) -> None:
    """Its metric is there: a feature works, and nothing is missing."""
    diagnosis = diagnosed(*candidate.counts, has_sampling=True)

    assert states(diagnosis) == {candidate.name: ("yes", "")}
    assert reasons(diagnosis) == []


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.name)
def test_a_program_that_runs_could_count(candidate: Candidate) -> None:
    """Any metric of its own shows it: a note beside the one that nothing counts, with the lines to write."""
    for sign in candidate.signs:
        diagnosis = diagnosed(sign)
        assert sorted(reasons(diagnosis)) == ["CouldCount", "NoMesh"]
        [note] = [finding for finding in diagnosis.findings if finding.reason == "CouldCount"]
        assert candidate.name in note.message
        assert note.remedy.lines


def test_nothing_that_counts() -> None:
    """One note, with all that would count; settings that name providers are asked for these alone."""
    [nothing] = diagnosed().findings
    assert nothing.message == ("no metrics of linkerd, istio, netobserv, obi, beyla, service-graph, hubble")
    [named] = diagnosed(providers=("obi", "beyla")).findings
    assert named.message == "no metrics of obi, beyla"
    assert diagnosed(providers=(NONE,)).findings == ()


def test_what_the_settings_leave_out_is_off() -> None:
    """A metric of a provider that is not named; service graphs without the share that is traced."""
    flows, traces = "obi_network_flow_bytes_total", "traces_service_graph_request_total"

    assert states(diagnosed(flows, providers=("hubble",))) == {
        "obi": ("off", "NETWORK_METRIC_PROVIDER"),
        "hubble": ("no", ""),
    }
    unstated = diagnosed(traces)
    assert states(unstated) == {"service-graph": ("off", "SERVICE_GRAPH_SAMPLING")}
    assert reasons(unstated) == ["SamplingNotStated"]
    assert reasons(diagnosed(traces, providers=("obi", NONE))) == []


def test_an_unanswered_question_is_no_absence() -> None:
    """The query on what there is was too large: it is not said that nothing counts."""
    target = Target(Scope())
    seen = Observations(target, NOW, healthy(), {PRESENT: TooLargeError("TimedOut", "slow", timed_out=True)})

    assert "NoMesh" not in reasons(diagnose("http://prometheus:9090", seen, 15 * 86400.0))
