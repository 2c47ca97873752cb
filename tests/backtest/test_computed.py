"""Sentences of `explain` on the policy of a workload."""

from typing import Any

from app.backtest.computed import policy_sentences
from app.backtest.profile_needs import read_need
from app.domain.profiles import Resource
from app.domain.workloads import Workload
from tests.webhook.profiles import cpu, memory, with_containers

WEB = Workload("shop", "web")


def with_policy(manifest: dict[str, Any], *rules: tuple[str, str, str]) -> dict[str, Any]:
    """The profile with these annotations, values and objects."""
    items = [{"annotation": name, "value": value, "source": source} for name, value, source in rules]
    return manifest | {"status": {**manifest["status"], "policy": items}}


def test_a_policy_in_words() -> None:
    """The risk once for both profiles, what is off, and each bound that holds a request from the need."""
    risk = ("risk", "low", "Namespace")
    of_cpu = with_policy(with_containers(cpu(WEB), {"main": "0.250", "proxy": "0.010"}), risk)
    of_memory = with_policy(
        with_containers(memory(WEB), {"main": str(700 * 1024**2), "proxy": "9000000"}),
        risk,
        ("max-memory", "512Mi", "Workload"),
        ("off.proxy", "true", "Template"),
    )
    needs = {
        resource: need
        for resource, manifest in ((Resource.CPU, of_cpu), (Resource.MEMORY, of_memory))
        if (need := read_need(WEB, resource, manifest))
    }

    assert list(policy_sentences(WEB, needs)) == [
        "Policy: low risk by risk of namespace shop",
        "Policy: proxy: turned off by annotation off.proxy of the Pod template",
        "Policy: main, memory: at most 512Mi by max-memory of Deployment web (the need is 700Mi)",
    ]


def test_without_annotations_there_are_no_words() -> None:
    """Most workloads have none."""
    need = read_need(WEB, Resource.CPU, with_containers(cpu(WEB), {"main": "0.250"}))

    assert need
    assert list(policy_sentences(WEB, {Resource.CPU: need})) == []
