"""A model of the API server's checks of requests and limits, from its documentation and source.

It works on manifests and exact fractions, and shares no code with the product. `complaints` returns the rules
that a Pod violates; if there are none, the server admits the Pod.
"""

import copy
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

Object = dict[str, Any]
ResourceList = dict[str, Fraction]
RESOURCES = ("cpu", "memory")
SERVERS = ("1.20", "current")
_SCALES = {unit: Fraction(1, 1000**power) for power, unit in enumerate(("", "m", "u", "n"))}
_SCALES |= {unit: Fraction(1000**power) for power, unit in enumerate("kMGTPE", 1)}
_SCALES |= {f"{unit}i": Fraction(1024**power) for power, unit in enumerate("KMGTPE", 1)}
_MAX_MILLI_VALUE = (2**63 - 1) // 1000


def quantity(text: str) -> Fraction:
    """The number in a Kubernetes quantity."""
    match = re.fullmatch(r"([0-9.]+(?:[eE][0-9]+)?)([A-Za-z]*)", text)
    assert match, text
    return Fraction(match[1]) * _SCALES[match[2]]


def _list(container: Object, member: str) -> ResourceList:
    """CPU and memory in a container's requests or limits; a request defaults to the limit."""
    resources = container.get("resources") or {}
    texts = dict(resources.get(member) or {})
    if member == "requests":
        texts = dict(resources.get("limits") or {}) | texts
    return {name: quantity(texts[name]) for name in RESOURCES if name in texts}


def _containers(pod: Object) -> list[Object]:
    return [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]


def _add(total: ResourceList, more: ResourceList) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, Fraction(0)) + amount


def _raise_to(total: ResourceList, other: ResourceList) -> None:
    for name, amount in other.items():
        total[name] = max(total.get(name, amount), amount)


def pod_total(pod: Object, member: str) -> ResourceList:
    """The total requests or limits of a Pod as a current API server computes them."""
    total: ResourceList = {}
    for container in pod["spec"]["containers"]:
        _add(total, _list(container, member))
    restarted: ResourceList = {}
    peak: ResourceList = {}
    for container in pod["spec"].get("initContainers") or ():
        moment = _list(container, member)
        if container.get("restartPolicy") == "Always":
            _add(total, moment)
            _add(restarted, moment)
            moment = restarted
        else:
            _add(moment, restarted)
        _raise_to(peak, moment)
    _raise_to(total, peak)
    return total


def pod_total_of_1_20(pod: Object, member: str) -> ResourceList:
    """The total as computed by API server 1.20, which has no sidecars."""
    lists = [_list(container, member) for container in pod["spec"]["containers"]]
    total: ResourceList = {}
    for name in RESOURCES:
        if all(name in container for container in lists):
            unit = 1000 if name == "cpu" else 1
            total[name] = Fraction(sum(math.ceil(container[name] * unit) for container in lists), unit)
    for container in pod["spec"].get("initContainers") or ():
        _raise_to(total, _list(container, member))
    return total


def with_defaults(pod: Object, limit_ranges: Sequence[Object] = ()) -> Object:
    """The Pod as webhooks see it: requests default to limits, then LimitRanges set defaults.

    An entry for containers defaults limits to its max, and requests to the default limit or else to its min.
    """
    defaulted = copy.deepcopy(pod)
    entries = [entry for each in limit_ranges for entry in each["spec"]["limits"]]
    for each in _containers(defaulted):
        resources = each["resources"] = each.get("resources") or {}
        requests = resources["requests"] = resources.get("requests") or {}
        limits = resources["limits"] = resources.get("limits") or {}
        _fill(requests, limits)
        for entry in entries:
            if entry["type"] == "Container":
                most, least = entry.get("max") or {}, entry.get("min") or {}
                _fill(limits, most)
                _fill(requests, most)
                _fill(requests, least)
    return defaulted


def _fill(quantities: Object, defaults: Object) -> None:
    for name in RESOURCES:
        if name in defaults:
            quantities.setdefault(name, defaults[name])


def complaints(
    pod: Object, limit_ranges: Sequence[Object] = (), quotas: Sequence[Object] = (), server: str = "current"
) -> set[str]:
    """The rules of the namespace and of the API that the Pod violates, without totals of quotas."""
    violated = set(_invalid(pod)) | set(_uncounted(pod, quotas))
    for number, entry in enumerate(entry for each in limit_ranges for entry in each["spec"]["limits"]):
        violated |= {f"rule {number}: {complaint}" for complaint in _out_of_range(pod, entry, server)}
    return violated


def _invalid(pod: Object) -> Iterator[str]:
    for container in _containers(pod):
        requests, limits = _list(container, "requests"), _list(container, "limits")
        for name in RESOURCES:
            if name in limits and requests[name] > limits[name]:
                yield f"{container['name']}: {name} request is above its limit"


def _uncounted(pod: Object, quotas: Sequence[Object]) -> Iterator[str]:
    keys = {key for quota in quotas for key in quota["spec"]["hard"] if key.rpartition(".")[2] in RESOURCES}
    for container in _containers(pod):
        requests, limits = _list(container, "requests"), _list(container, "limits")
        present = {
            *requests,
            *(f"requests.{name}" for name in requests),
            *(f"limits.{name}" for name in limits),
        }
        for counted in keys - present:
            yield f"{container['name']} must specify {counted}"


def _out_of_range(pod: Object, entry: Object, server: str) -> Iterator[str]:
    if entry["type"] == "Container":
        judged = {each["name"]: (_list(each, "requests"), _list(each, "limits")) for each in _containers(pod)}
    elif entry["type"] == "Pod":
        total = pod_total_of_1_20 if server == "1.20" else pod_total
        judged = {"Pod": (total(pod, "requests"), total(pod, "limits"))}
    else:
        return
    for name, (requests, limits) in judged.items():
        for bound, judge in (("min", _too_small), ("max", _too_large), ("maxLimitRequestRatio", _too_far)):
            for resource, enforced in (entry.get(bound) or {}).items():
                for word in judge(requests.get(resource), limits.get(resource), quantity(enforced)):
                    yield f"{name}: {resource} {bound} {word}"


def _comparable(*amounts: Fraction | None) -> list[int]:
    """The amounts in thousandths, or in whole units if one is too large for that; None counts as 0."""
    present = [amount or Fraction(0) for amount in amounts]
    fits = all(math.ceil(amount) <= _MAX_MILLI_VALUE for amount in present)
    return [math.ceil(amount * 1000 if fits else amount) for amount in present]


def _too_small(request: Fraction | None, limit: Fraction | None, enforced: Fraction) -> Iterator[str]:
    request_units, limit_units, least = _comparable(request, limit, enforced)
    if request is None or request_units < least:
        yield "request"
    if limit is not None and limit_units < least:
        yield "limit"


def _too_large(request: Fraction | None, limit: Fraction | None, enforced: Fraction) -> Iterator[str]:
    request_units, limit_units, most = _comparable(request, limit, enforced)
    if limit is None or limit_units > most:
        yield "limit"
    if request is not None and request_units > most:
        yield "request"


def _too_far(request: Fraction | None, limit: Fraction | None, enforced: Fraction) -> Iterator[str]:
    request_units, limit_units, _ = _comparable(request, limit, enforced)
    too_far = request_units and float(limit_units) / float(request_units) * 1000 > float(
        math.ceil(enforced * 1000)
    )
    if not request_units or not limit_units or too_far:
        yield "request and limit"


def quality_of_service(pod: Object) -> str:
    """BestEffort without amounts; Guaranteed if every limit equals its request; else Burstable."""
    requests: ResourceList = {}
    limits: ResourceList = {}
    are_limited = True
    for container in _containers(pod):
        limited = _positive(_list(container, "limits"))
        _add(requests, _positive(_list(container, "requests")))
        _add(limits, limited)
        are_limited &= len(limited) == len(RESOURCES)
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if are_limited and requests == limits else "Burstable"


def _positive(amounts: Mapping[str, Fraction]) -> ResourceList:
    return {name: amount for name, amount in amounts.items() if amount > 0}


def counted_by(quotas: Iterable[Object], pod: Object, total_of: Any = pod_total) -> dict[str, Fraction]:
    """The amount of each counted resource that the Pod uses of the quotas."""
    totals = {"requests": total_of(pod, "requests"), "limits": total_of(pod, "limits")}
    amounts: dict[str, Fraction] = {}
    for key in {key for quota in quotas for key in quota["spec"]["hard"]}:
        member, _, name = key.rpartition(".")
        amounts[key] = totals[member or "requests"].get(name, Fraction(0))
    return amounts
