"""Random mutations of real reviews, in their structure and their bytes.

The same seed gives the same reviews.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from tests.webhook.byte_mutations import ByteMutator
from tests.webhook.generated_pods import FOREIGN_KEYS, FORGED_KEYS

Container = dict[str, Any] | list[Any]
Place = tuple[Container, Any]

_DEEP = "@deep@"  # placeholder for brackets that are too deep for Python's encoder
_DEPTHS = (10, 100, 500, 1100, 5000)
_SIZES = (300, 5_000, 60_000, 250_000)
_LETTERS = ("a", "ü", "👋", "\u0000", "\u202e", "\ufffe", "\\", '"', "/", "~1", "\ufeff", "\n")
_QUANTITIES = (
    *("", "0", "1", "-1", "1m", "1Gi", "0.1n", "1e3", "1e999999999", "-1e-999999999", "9" * 400, ".5", "1."),
    *("+1", "NaN", "Infinity", "1_000", "٣", "1Ki ", "1 Gi", "0x10", "1e", "e3", "1EiB", "1E"),
)
_SCALARS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, 2**64, -(2**70), 10**400, 0.5, 1e308, -0.0),
    *(
        "",
        "x",
        "true",
        "null",
        "0",
        "Pod",
        "CREATE",
        "web",
        "emojivoto",
        "kube-system",
        "\ud83d",
        "\udfff",
        _DEEP,
    ),
)
_KEYS = (
    *("metadata", "annotations", "labels", "ownerReferences", "name", "generateName", "namespace", "spec"),
    *("containers", "initContainers", "resources", "requests", "limits", "cpu", "memory", "restartPolicy"),
    *("uid", "request", "object", "kind", "operation", "subResource", "apiVersion", "", "a/b~c", "ü"),
)
_OWNER_KINDS = ("ReplicaSet", "Job", "StatefulSet", "ReplicationController", "Rollout", "Pod", "", "ü")
_LABEL_KEYS = (
    *("pod-template-hash", "rollouts-pod-template-hash", "deploymentconfig", "app"),
    *("job-profiler.liqo.io/ignore", "job-profiler.liqo.io/scheduling"),
)
_NOTE = "job-profiler.liqo.io/requests"


_WAYS = (
    *(("request", "object", "metadata"),) * 6,
    *(("request", "object", "spec", "containers"), ("request", "object"), ("request",)) * 2,
    (),
)


class ReviewMutator:
    """Mutates *documents*, which are reviews as decoded JSON."""

    def __init__(self, seed: int, documents: Sequence[dict[str, Any]]) -> None:
        self._chance = Random(seed)
        self._texts = [json.dumps(document) for document in documents]
        self._structural: tuple[Callable[[dict[str, Any]], None], ...] = (
            *(self._drop, self._retype, self._retype, self._nest, self._repeat, self._swap, self._rename),
            *(self._enlarge, self._own, self._own, self._forge, self._crowd, self._label),
            *(self._size, self._size),
        )
        self._bytes = ByteMutator(self._chance)

    def reviews(self, count: int) -> Iterator[bytes]:
        """*count* bodies, of which most are still JSON."""
        return (self._review() for _ in range(count))

    def _review(self) -> bytes:
        document = json.loads(self._chance.choice(self._texts))
        for _ in range(self._chance.choice((0, 1, 1, 1, 2, 2, 3, 5))):
            if document:
                self._chance.choice(self._structural)(document)
        body = self._encoded(document)
        return self._bytes.mutate(body) if self._happens(0.2) else body

    def _encoded(self, document: dict[str, Any]) -> bytes:
        """JSON with raw or escaped characters; unpaired surrogates make it invalid UTF-8 or JSON."""
        text = json.dumps(document, ensure_ascii=self._happens(0.5))
        if _DEEP in text:
            depth = self._chance.choice(_DEPTHS)
            brackets = self._chance.choice(("[" * depth + "]" * depth, '{"a":' * depth + "0" + "}" * depth))
            text = text.replace(f'"{_DEEP}"', brackets)
        return text.encode("utf-8", "surrogatepass")

    def _drop(self, document: dict[str, Any]) -> None:
        holder, key = self._place(document)
        del holder[key]

    def _retype(self, document: dict[str, Any]) -> None:
        holder, key = self._place(document)
        holder[key] = self._value()

    def _nest(self, document: dict[str, Any]) -> None:
        holder, key = self._place(document)
        holder[key] = self._chance.choice(([holder[key]], {self._key(): holder[key]}, [[], holder[key]]))

    def _repeat(self, document: dict[str, Any]) -> None:
        """Repeat an entry of a list, or a value under another key."""
        holder, key = self._place(document)
        if isinstance(holder, list):
            holder.insert(key, holder[key])
        else:
            holder[self._key()] = holder[key]

    def _swap(self, document: dict[str, Any]) -> None:
        (first, key), (second, other) = self._place(document), self._place(document)
        if not _holds(first[key], second) and not _holds(second[other], first):
            first[key], second[other] = second[other], first[key]

    def _rename(self, document: dict[str, Any]) -> None:
        holder, key = self._place(document)
        if isinstance(holder, dict):
            holder[self._key()] = holder.pop(key)

    def _enlarge(self, document: dict[str, Any]) -> None:
        """Insert a long text, sometimes a very long one."""
        holder, key = self._place(document)
        size = self._chance.choice(_SIZES if self._happens(0.2) else _SIZES[:2])
        holder[key] = self._chance.choice(_LETTERS) * size

    def _own(self, document: dict[str, Any]) -> None:
        """Set owners with random names, kinds and controller flags."""
        names = (
            "web-87cf995f7",
            "web",
            "redis-cart",
            "checkout-x",
            "-x",
            "",
            "x" * 300,
            "ü-é",
            "a-1",
            "\ud800",
        )
        owners = [
            {"kind": self._chance.choice(_OWNER_KINDS), "name": self._chance.choice(names)}
            | self._chance.choice(
                ({"controller": True}, {"controller": True}, {}, {"controller": self._value()})
            )
            for _ in range(self._chance.choice((1, 1, 2, 300)))
        ]
        self._metadata(document)["ownerReferences"] = owners
        self._metadata(document)["labels"] = {
            "pod-template-hash": self._chance.choice(("87cf995f7", "x", "", 7))
        }

    def _forge(self, document: dict[str, Any]) -> None:
        """Set our keys and similar ones, with values of any type."""
        keys = self._chance.sample((*FORGED_KEYS, *FOREIGN_KEYS, _NOTE), self._chance.randrange(1, 6))
        text = self._happens(0.8)
        values = {key: self._text() if text else self._value() for key in keys}
        self._metadata(document)["annotations"] = values

    def _crowd(self, document: dict[str, Any]) -> None:
        """Set up to 2,000 annotations, some of them ours."""
        prefix = self._chance.choice(("liqo.io/connectionProfile", "x/", "liqo.io/cpuProfile", "~/"))
        count = self._chance.choice((70, 500, 2000))
        value = self._chance.choice(("", "v", "x" * 120))
        self._metadata(document)["annotations"] = {f"{prefix}{number}": value for number in range(count)}

    def _label(self, document: dict[str, Any]) -> None:
        """Set labels that the webhook reads."""
        values = ("true", "false", "", "x", None, 1)
        labels = {key: self._chance.choice(values) for key in self._chance.sample(_LABEL_KEYS, 2)}
        self._metadata(document)["labels"] = labels | {"pod-template-hash": "87cf995f7"}

    def _size(self, document: dict[str, Any]) -> None:
        """Set containers with unusual resources, with names that have needs."""
        pod = _member(_member(document, "request"), "object")
        containers = [self._container() for _ in range(self._chance.choice((1, 1, 2, 50)))]
        group = self._chance.choice(("containers", "containers", "containers", "initContainers"))
        _member(pod, "spec")[group] = containers

    def _container(self) -> dict[str, Any]:
        container: dict[str, Any] = {
            "name": self._chance.choice(("server", "proxy", "web", "other", "", "ü"))
        }
        resources = {
            part: self._chance.choice(
                ({"cpu": self._quantity(), "memory": self._quantity()}, {}, self._value())
            )
            for part in self._chance.sample(("requests", "limits"), self._chance.randrange(3))
        }
        if self._happens(0.8):
            container["resources"] = resources
        if self._happens(0.2):
            container["restartPolicy"] = self._chance.choice(("Always", "", None, 1))
        return container

    def _quantity(self) -> Any:
        return self._chance.choice(_QUANTITIES) if self._happens(0.9) else self._value()

    def _value(self) -> Any:
        choice = self._chance.randrange(6)
        if choice < 3:
            return self._chance.choice(_SCALARS)
        if choice == 3:
            return self._text()
        return [[], {}, [[]], [{}], {"": ""}, [None], {self._key(): None}][self._chance.randrange(7)]

    def _text(self) -> str:
        return "".join(self._chance.choices(_LETTERS, k=self._chance.randrange(4)))

    def _key(self) -> str:
        return self._chance.choice(_KEYS)

    def _metadata(self, document: dict[str, Any]) -> dict[str, Any]:
        return _member(_member(_member(document, "request"), "object"), "metadata")

    def _place(self, document: dict[str, Any]) -> Place:
        """A random place in the document, mostly in the Pod, which the webhook reads."""
        way = iter(self._chance.choice(_WAYS))
        holder: Container = document
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            wanted = next(way, None)
            key: Any = wanted if wanted in keys else self._chance.choice(keys)
            inner = holder[key]
            if not isinstance(inner, dict | list) or not inner or self._happens(0.05 if wanted else 0.3):
                return holder, key
            holder = inner

    def _happens(self, probability: float) -> bool:
        return self._chance.random() < probability


def _member(holder: Any, key: str) -> dict[str, Any]:
    """The object under *key*, created if missing; a detached object if *holder* is not an object."""
    if not isinstance(holder, dict):
        return {}
    if not isinstance(holder.get(key), dict):
        holder[key] = {}
    member: dict[str, Any] = holder[key]
    return member


def _holds(value: Any, container: Container) -> bool:
    """True if *container* is *value* or is inside it: a container must not contain itself."""
    if value is container:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return isinstance(value, dict | list) and any(_holds(each, container) for each in inner)
