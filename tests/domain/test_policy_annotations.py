"""Reading the annotations of a policy from one object."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.annotations import POLICY_PREFIX
from app.domain.policy_annotations import read_policy
from app.domain.policy_rule import PolicyKey, PolicySource
from app.domain.workload_policy import MAX_RULES, NO_POLICY, WorkloadPolicy, from_items, to_items

TEMPLATE = PolicySource.TEMPLATE


def read(**annotations: str) -> WorkloadPolicy:
    """The policy of a Pod template with these annotations; an underscore stands for a dash, two for a dot."""
    return read_policy(
        {
            POLICY_PREFIX + key.replace("__", ".").replace("_", "-"): value
            for key, value in annotations.items()
        },
        TEMPLATE,
    )


def rules(policy: WorkloadPolicy) -> dict[str, str]:
    """The value of each rule by its annotation."""
    return {rule.annotation: rule.value for rule in policy.rules}


def test_an_object_without_such_annotations_shares_one_policy() -> None:
    """Ten thousand workloads without a policy take no memory for it."""
    assert read_policy({}, TEMPLATE) is NO_POLICY
    assert read_policy({"example.org/max-memory": "1Gi", "liqo.io/cpuProfile": "x"}, TEMPLATE) is NO_POLICY


def test_values_have_one_spelling() -> None:
    """Half a core is 500m however it is written, and 1024Mi are 1Gi."""
    policy = read(risk="low", off="false", min_cpu="0.5", max_memory="1024Mi", max_memory__main="1e8")

    assert rules(policy) == {
        "risk": "low",
        "off": "false",
        "min-cpu": "500m",
        "max-memory": "1Gi",
        "max-memory.main": "100M",
    }
    assert policy.faults == ()


BELOW_A_MEBIBYTE = "which is less than 1Mi: use a quantity such as 512Mi"


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("risk", "lowest", "risk of the Pod template is 'lowest': use low, normal or high"),
        ("risk", "Low", "risk of the Pod template is 'Low': use low, normal or high"),
        ("risk__main", "low", "risk.main of the Pod template names a container: a workload has one risk"),
        ("off", "yes", "off of the Pod template is 'yes': use true or false"),
        ("max_cpu", "plenty", "max-cpu of the Pod template is 'plenty': use a quantity such as 250m"),
        ("min_memory", "-1Gi", "min-memory of the Pod template is '-1Gi': use a quantity such as 512Mi"),
        ("min_memory", "1GiB", "min-memory of the Pod template is '1GiB': use a quantity such as 512Mi"),
        ("max_cpu", "0", "max-cpu of the Pod template is '0': a container gets more than nothing"),
        *(
            ("max_memory", value, f"max-memory of the Pod template is '{value}', {BELOW_A_MEBIBYTE}")
            for value in ("0", "512m", "512", "1048575")
        ),
        ("max_memory", "", "max-memory of the Pod template is '': use a quantity such as 512Mi"),
        ("max_cpu", "\u0661", "max-cpu of the Pod template is '\u0661': use a quantity such as 250m"),
        ("max_cpu", "\u202e1", r"max-cpu of the Pod template is '\u202e1': use a quantity such as 250m"),
        (
            "max_cpu__Main",
            "1",
            "max-cpu.Main of the Pod template names 'Main', which no container can be called",
        ),
        (
            "scheduling",
            "true",
            "scheduling of the Pod template is a label, and has no effect as an annotation",
        ),
        ("ignore", "true", "ignore of the Pod template is a label, and has no effect as an annotation"),
    ],
)
def test_a_wrong_value_sets_nothing_and_is_named(key: str, value: str, fault: str) -> None:
    """The sentence says where, what and how it would be right."""
    policy = read(**{key: value})

    assert (policy.rules, policy.faults) == ((), (fault,))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("maxmemory", "max-memory"),
        ("Max_Memory", "max-memory"),
        ("memory_max", "max-memory"),
        ("cpu_max", "max-cpu"),
        ("cpu_min", "min-cpu"),
        ("max_mem__main", "max-memory"),
        ("min_memmory", "min-memory"),
        ("risc", "risk"),
    ],
)
def test_a_wrong_spelling_is_named(key: str, meant: str) -> None:
    """The nearest annotation is proposed."""
    (fault,) = read(**{key: "1"}).faults

    assert fault.endswith(f" is not known: did you mean {meant}?")


@pytest.mark.parametrize("key", ["requests", "workload_kind", "vpa_replicas", "namespace"])
def test_annotations_of_another_meaning_are_left_alone(key: str) -> None:
    """Other keys of the product, and those of a newer release, are no faults."""
    assert read(**{key: "x"}) is NO_POLICY


def test_a_minimum_above_the_maximum_leaves_both_out() -> None:
    """On one object and for the same containers it is not known which is meant; others hold."""
    policy = read(min_memory="1Gi", max_memory="512Mi", min_memory__db="2Gi", max_cpu="1")

    assert rules(policy) == {"min-memory.db": "2Gi", "max-cpu": "1"}
    assert policy.faults == (
        "min-memory of the Pod template is 1Gi, which is above max-memory 512Mi: neither counts",
    )


def test_many_and_huge_annotations_are_bounded() -> None:
    """Of 5,000 annotations 64 are read; faults are short, whatever the values, and say what is left out."""
    many = read(**{f"max_memory__c{number:05}": "1Gi" for number in range(5000)})
    huge = read(**{f"max_cpu__c{number}": "9" * 100_000 for number in range(30)})

    assert len(many.rules) == MAX_RULES
    assert many.faults == (
        "the Pod template has over 64 annotations job-profiler.liqo.io/…: others are left out",
    )
    assert huge.rules == ()
    assert len("; ".join(huge.faults)) < 1500
    assert huge.faults[-1] == "22 more"


WORDS = st.sampled_from([*PolicyKey, "maxmemory", "scheduling", "x"])
NAMES = st.builds(
    lambda word, tail: f"{POLICY_PREFIX}{word}{tail}",
    WORDS,
    st.sampled_from(["", ".main", ".db", ".Not a name", "."]),
)
VALUES = st.one_of(
    st.sampled_from(["low", "true", "false", "1", "250m", "512Mi", "1e-99999999", "1e99999999", "0", "-1"]),
    st.text(alphabet=string.printable + "\u0661\u202e\u00b2", max_size=40),
    st.text(alphabet=string.digits + "eEmiMGk.+-", max_size=40),
)


@given(st.dictionaries(NAMES, VALUES, max_size=12), st.sampled_from(PolicySource))
def test_any_annotations_are_read(annotations: dict[str, str], source: PolicySource) -> None:
    """Nothing raises; what is read survives its way through a status; there is one rule for each place."""
    policy = read_policy(annotations, source)

    assert from_items(to_items(policy.rules)) == policy.rules
    places = [(rule.key, rule.container) for rule in policy.rules]
    assert len(set(places)) == len(places)
    assert all(rule.source is source for rule in policy.rules)
