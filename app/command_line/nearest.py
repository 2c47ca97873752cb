"""The names of workloads and namespaces that are most like a mistyped one; pure."""

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from app.domain.workloads import Workload

_MOST = 3
_LEAST_RATIO = 0.6  # as difflib.get_close_matches


def nearest(name: str, present: Iterable[str]) -> list[str]:
    """At most three of the names *present* that are like *name*, the likest first."""
    ratios = {one: _ratio(name, one) for one in present}
    like = [one for one, ratio in ratios.items() if ratio >= _LEAST_RATIO]
    return sorted(like, key=lambda one: (-ratios[one], one))[:_MOST]


def nearest_workloads(wanted: Workload, present: Iterable[Workload]) -> list[Workload]:
    """At most three workloads with a name like that of *wanted*, the likest first.

    They are of a namespace with a name like its own or, under the very same name, of any.
    """
    ratios: dict[Workload, float] = {}
    for one in present:
        name = _ratio(wanted.name, one.name)
        namespace = _ratio(wanted.namespace, one.namespace) if name >= _LEAST_RATIO else 0.0
        if namespace >= _LEAST_RATIO or one.name == wanted.name:
            ratios[one] = name + namespace
    return sorted(ratios, key=lambda one: (-ratios[one], one))[:_MOST]


def nearest_names(names: Sequence[str]) -> str:
    """The end of a sentence with the nearest *names*; empty without any."""
    if not names:
        return ""
    *others, last = names
    if not others:
        return f"; the nearest name is {last}"
    return f"; the nearest names are {', '.join(others)} and {last}"


def _ratio(wanted: str, present: str) -> float:
    """The likeness from 0 to 1; also 1 for the name of a Pod and that of its workload."""
    if wanted.startswith(f"{present}-"):
        return 1.0
    matcher = SequenceMatcher(None, wanted, present)
    if matcher.real_quick_ratio() < _LEAST_RATIO or matcher.quick_ratio() < _LEAST_RATIO:
        return 0.0
    return matcher.ratio()
