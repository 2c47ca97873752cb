"""Labels of namespaces and Pod templates that ask for a VerticalPodAutoscaler."""

import pytest

from app.domain.annotations import (
    IGNORE_LABEL,
    VPA_CONTROLLED_VALUES,
    VPA_LABEL,
    VPA_MIN_REPLICAS,
    vpa_labels,
)
from app.vpa.labels import UNDECIDED, LabelReading, WantedAutoscaler, label_faults, read_labels
from app.vpa.update_mode import UpdateMode

NOTHING = LabelReading()


def read(template: dict[str, str], namespace: dict[str, str]) -> LabelReading:
    """What the labels of both objects say together."""
    return read_labels(vpa_labels(template), vpa_labels(namespace))


def faults(**labels: str) -> list[str]:
    """The faults of a Pod template with labels `vpa` and `vpa-…`; an underscore stands for a dash."""
    found = {f"job-profiler.liqo.io/{key.replace('_', '-')}": value for key, value in labels.items()}
    return list(label_faults(vpa_labels(found), "the Pod template"))


@pytest.mark.parametrize("mode", ["Off", "Initial", "InPlaceOrRecreate", "Recreate"])
def test_the_mode_of_a_namespace_is_that_of_its_workloads(mode: str) -> None:
    """Requests only, and no minimum of replicas, unless labels say so."""
    assert read({"app": "web"}, {VPA_LABEL: mode}).wanted == WantedAutoscaler(UpdateMode(mode))


def test_without_the_label_there_is_none() -> None:
    """Other labels of the product, and details without a mode, ask for nothing."""
    assert read({}, {}) == NOTHING
    assert read({VPA_MIN_REPLICAS: "1"}, {"job-profiler.liqo.io/scheduling": "true"}) == NOTHING


def test_each_label_of_the_template_wins_by_itself() -> None:
    """The template's mode and the namespace's details, unless the template has them too."""
    namespace = {VPA_LABEL: "Recreate", VPA_MIN_REPLICAS: "1", VPA_CONTROLLED_VALUES: "RequestsAndLimits"}

    assert read({VPA_LABEL: "Off"}, namespace).wanted == WantedAutoscaler(
        UpdateMode.OFF, requests_only=False, min_replicas=1
    )
    assert read({VPA_MIN_REPLICAS: "3", VPA_CONTROLLED_VALUES: "RequestsOnly"}, namespace).wanted == (
        WantedAutoscaler(UpdateMode.RECREATE, requests_only=True, min_replicas=3)
    )
    assert read({VPA_LABEL: "Initial"}, {}).wanted == WantedAutoscaler(UpdateMode.INITIAL)


def test_what_opts_out_has_none() -> None:
    """The label `ignore` of a namespace or of a template counts, also beside an explicit mode."""
    assert read({VPA_LABEL: "Off"}, {IGNORE_LABEL: "true"}) == NOTHING
    assert read({IGNORE_LABEL: "true"}, {VPA_LABEL: "Off"}) == NOTHING
    assert read({IGNORE_LABEL: "false"}, {VPA_LABEL: "Off", IGNORE_LABEL: "true"}) == NOTHING
    assert read({IGNORE_LABEL: "false"}, {VPA_LABEL: "Off"}).wanted == WantedAutoscaler(UpdateMode.OFF)


@pytest.mark.parametrize(
    "template",
    [{VPA_LABEL: "recreate"}, {VPA_LABEL: "Auto"}, {VPA_MIN_REPLICAS: "0"}, {VPA_CONTROLLED_VALUES: "x"}],
)
def test_a_wrong_value_decides_nothing(template: dict[str, str]) -> None:
    """The namespace's Recreate does not take its place: who writes a label means something else."""
    assert read(template, {VPA_LABEL: "Recreate"}) == UNDECIDED


def test_a_wrong_value_of_the_namespace_is_overridden() -> None:
    """A template with a label of its own has what it says."""
    assert read({VPA_LABEL: "Off"}, {VPA_LABEL: "false"}).wanted == WantedAutoscaler(UpdateMode.OFF)
    assert read({}, {VPA_LABEL: "false"}) == UNDECIDED


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        ({"vpa": "recreate"}, "is 'recreate': use Off, Initial, InPlaceOrRecreate or Recreate"),
        ({"vpa_min_replicas": "one"}, "is 'one': use a number of Pods, 1 or more"),
        ({"vpa_controlled_values": "Limits"}, "is 'Limits': use RequestsOnly or RequestsAndLimits"),
        (
            {"vpa_replicas": "1"},
            f"is not known: use {VPA_LABEL}, {VPA_MIN_REPLICAS} or {VPA_CONTROLLED_VALUES}",
        ),
    ],
)
def test_faults_say_what_to_write(label: dict[str, str], sentence: str) -> None:
    """With the key, the object and the values that there are."""
    [key] = label
    assert faults(**label) == [f"job-profiler.liqo.io/{key.replace('_', '-')} of the Pod template {sentence}"]


def test_right_labels_have_no_fault() -> None:
    """All three, and what is no label of ours."""
    assert faults(vpa="Off", vpa_min_replicas="2", vpa_controlled_values="RequestsOnly", ignore="x") == []
