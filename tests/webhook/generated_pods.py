"""Random Pods of every shape that an API server accepts, and the expected annotations of each."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from app.domain.workloads import Workload
from tests.webhook import profiles
from tests.webhook.reviews import pod

CHECKOUT, REDIS, LOOP, IDLE = (
    Workload("shop", "checkout"),
    Workload("shop", "redis-cart", "StatefulSet"),
    Workload("shop", "loop"),
    Workload("shop", "idle"),
)
EXCLUDED = Workload("kube-system", "web")
LIMIT_BYTES = 200 * 1024
# 100 connections of 1 to 100 a minute: the 64 largest are those of 37 and more.
CONNECTIONS = [
    profiles.connection(CHECKOUT, Workload("shop", f"db-{rate}"), f"{rate}.00") for rate in range(1, 101)
]
LARGEST = sorted(map(profiles.name_of, CONNECTIONS[36:]))
PROFILES = (
    *profiles.web_profiles(),
    profiles.cpu(CHECKOUT),
    *CONNECTIONS,
    profiles.memory(REDIS),
    profiles.connection(LOOP, LOOP),
    profiles.cpu(EXCLUDED),
)
WANTED = {
    profiles.WEB: profiles.WEB_ANNOTATIONS,
    CHECKOUT: {"liqo.io/cpuProfile": profiles.cpu(CHECKOUT)["metadata"]["name"]}
    | {f"liqo.io/connectionProfile{number}": name for number, name in enumerate(LARGEST)},
    REDIS: {"liqo.io/memoryProfile": profiles.name_of(profiles.memory(REDIS))},
    LOOP: {"liqo.io/connectionProfile0": profiles.name_of(profiles.connection(LOOP, LOOP))},
}
_OURS = re.compile(r"liqo\.io/(cpuProfile|memoryProfile|connectionProfile[0-9]+)")
FORGED_KEYS = (
    *("liqo.io/cpuProfile", "liqo.io/memoryProfile"),
    *(f"liqo.io/connectionProfile{number}" for number in ("0", "1", "7", "63", "64", "007", "9" * 30)),
)
FOREIGN_KEYS = (
    *("liqo.io/cpuprofile", "LIQO.IO/cpuProfile", "liqo.io/connectionProfile", "liqo.io/connectionProfile1x"),
    *("liqo.io/connectionProfile-1", "liqo.io~1cpuProfile", "liqo.io~0cpuProfile", "liqo.io/cpuProfile/"),
    *(
        "a~b/c",
        "~",
        "/",
        "~1",
        "~01",
        "//",
        "",
        " ",
        '"',
        "\\",
        "\n",
        "\u0000",
        "ключ/значение",
        "👋/🌍",
        "é",
    ),
    *("linkerd.io/inject", "kubectl.kubernetes.io/last-applied-configuration", "0", "-", "annotations"),
)
_VALUES = ("", "enabled", "null", '{"a":"b/~"}', "ünï¢ødé 👋", "line\nline", "x" * 300)


def size_bytes(annotations: dict[str, str]) -> int:
    """The size that counts against the API server's limit."""
    return sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())


def is_ours(key: str) -> bool:
    """The contract's three keys."""
    return _OURS.fullmatch(key) is not None


def expected_annotations(present: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """The foreign annotations unchanged, and the wanted ones that the size rule allows."""
    foreign = {key: value for key, value in present.items() if not is_ours(key)}
    needs = {key: value for key, value in wanted.items() if "connection" not in key}
    choices = (foreign | wanted, foreign | needs)
    return next((choice for choice in choices if size_bytes(choice) <= LIMIT_BYTES), foreign)


@dataclass(frozen=True, slots=True)
class GeneratedPod:
    """A Pod, the namespace of its creation, and its expected annotations afterwards."""

    namespace: str
    pod: dict[str, Any]
    expected: dict[str, str]


class PodGenerator:
    """Generates Pods; the same seed gives the same Pods."""

    def __init__(self, seed: int) -> None:
        self._chance = Random(seed)

    def pods(self, count: int) -> Iterator[GeneratedPod]:
        """*count* Pods."""
        return (self._pod() for _ in range(count))

    def _pod(self) -> GeneratedPod:
        workload = self._chance.choice((*WANTED, *WANTED, IDLE, EXCLUDED, None))
        namespace = workload.namespace if workload else "shop"
        metadata = self._maybe(
            "namespace", self._chance.choice((namespace, "kube-system", ""))
        ) | self._maybe("generateName", "web-")
        metadata |= self._ownership(workload)
        wanted = WANTED.get(workload, {}) if workload else {}
        present = self._annotations(wanted)
        metadata |= (
            {"annotations": present} if present or self._happens(0.3) else self._nothing("annotations")
        )
        if workload == EXCLUDED:
            return GeneratedPod(namespace, pod(metadata), present)
        return GeneratedPod(namespace, pod(metadata), expected_annotations(present, wanted))

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability

    def _maybe(self, field: str, value: str) -> dict[str, Any]:
        return {field: value} if self._happens(0.5) else {}

    def _nothing(self, field: str) -> dict[str, Any]:
        """A null or an absent field."""
        return {field: None} if self._happens(0.5) else {}

    def _ownership(self, workload: Workload | None) -> dict[str, Any]:
        """Owners, of which only the controller counts, and the labels that belong to it."""
        others = [self._reference("ReplicaSet", "web-87cf995f7", controller) for controller in (None, False)]
        references = self._chance.sample(others, self._chance.randrange(3))
        labels: dict[str, str] = {}
        if workload:
            tail = self._chance.choice(("87cf995f7", "5f5b555dff", "x"))
            deployed = workload.kind == "Deployment"
            labels = {"pod-template-hash": tail} if deployed else {"app": "x"} if self._happens(0.5) else {}
            name = f"{workload.name}-{tail}" if deployed else workload.name
            controller = self._reference("ReplicaSet" if deployed else workload.kind, name, controller=True)
            references.insert(self._chance.randrange(len(references) + 1), controller)
        elif self._happens(0.5):
            labels = {"pod-template-hash": "87cf995f7"}
        return ({"labels": labels} if labels or self._happens(0.3) else self._nothing("labels")) | (
            {"ownerReferences": references} if references else self._nothing("ownerReferences")
        )

    def _reference(self, kind: str, name: str, controller: bool | None) -> dict[str, Any]:  # noqa: FBT001 - its field
        flag = {} if controller is None else {"controller": controller}
        return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "1"} | flag

    def _annotations(self, wanted: dict[str, str]) -> dict[str, str]:
        """Foreign, right, stale and forged annotations, in any order."""
        annotations: dict[str, str] = {}
        if self._happens(0.7):
            count = self._chance.randrange(6)
            annotations |= {
                key: self._chance.choice(_VALUES) for key in self._chance.sample(FOREIGN_KEYS, count)
            }
        if self._happens(0.3):
            annotations |= dict.fromkeys(
                self._chance.sample(FORGED_KEYS, self._chance.randrange(4)), "forged"
            )
        if self._happens(0.3):
            annotations |= wanted
        elif wanted and self._happens(0.3):
            kept = self._chance.sample(sorted(wanted), self._chance.randrange(1, len(wanted) + 1))
            annotations |= {key: wanted[key] for key in kept}
        if self._happens(0.02):
            annotations |= self._filler(annotations, wanted)
        order = list(annotations)
        self._chance.shuffle(order)
        return {key: annotations[key] for key in order}

    def _filler(self, annotations: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
        """An annotation that brings the total close to the limit, on either side, or far above it."""
        foreign = {key: value for key, value in annotations.items() if not is_ours(key)}
        room = LIMIT_BYTES - size_bytes(foreign) - len("filler")
        needs = {key: value for key, value in wanted.items() if "connection" not in key}
        taken = self._chance.choice((0, size_bytes(needs), size_bytes(wanted)))
        length = self._chance.choice((room - taken, room - taken, room, room + 50_000))
        letter = self._chance.choice(("x", "ü"))
        size = (length + self._chance.randrange(-1, 2)) // len(letter.encode())
        return {"filler": letter * size}


def document(generated: GeneratedPod) -> str:
    """The Pod as text, cut for messages of failed tests."""
    return json.dumps(generated.pod)[:2000]
