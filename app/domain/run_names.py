"""Names of runs: what is left of a generated name without the part that differs from run to run.

Schedulers and build servers name each run of one thing differently: `etl-1700000000` (an Argo CronWorkflow),
`spark-pi-1602243240000000000-driver`, `hello-x7k2p3ab` (Airflow), `deploy-12-x7k2p-4zq8w` (Jenkins). The
shape of that part (digits, hexadecimal, UUID, random) gives the name of a group, `etl-{digits}`, which no
object can have. A name alone does not prove a run, so a group counts from `LEAST_RUNS` runs on; and only
kinds that run and end have runs.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from app.domain.workloads import GENERATED, NAMED_KINDS, POD, Workload

LEAST_RUNS = 3

# Kinds of custom resources that run to completion are named so: TaskRun, Workflow, MPIJob, SparkApplication.
# Those that start runs are not: CronWorkflow, ScaledJob, ScheduledSparkApplication.
_RUN_KIND = re.compile(
    r"(?!Cron|Scaled|Scheduled)[A-Za-z]*(Job|Run|Runner|Workflow|Build|Task|Test)|SparkApplication|Pod"
)

_RAY_CLUSTER = "RayCluster"
_OTHER_RUN_KINDS = frozenset({"Trial"})  # of Katib
# A RayCluster may run all the time; one that a RayJob has created is named so.
_CLUSTER_OF_RAY_JOB = re.compile(".+-raycluster(?:-[a-z0-9]{5})?")

# Names are texts of parts between dashes or dots.
_END = "(?=[-.]|$)"
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER = "[0-9]+"
_CLOCK = "[0-9]{2,6}(?:[-.][0-9]{1,9}){0,3}z?"
_DATE = f"(?:19|20)[0-9]{{2}}[-.](?:0[1-9]|1[0-2])(?:[-.](?:0[1-9]|[12][0-9]|3[01])(?:[t.-]{_CLOCK})?)?"
# From 8 digits on: a date, a schedule's minute, (nano)seconds. A person may have chosen a shorter number.
_TIME = f"[0-9]{{8,}}(?:t{_CLOCK})?"
_MIXED = "(?=[0-9]*[a-z])(?=[a-z]*[0-9])"  # letters alone may be a word
_HEX = f"{_MIXED}[0-9a-f]{{6,64}}"
_RANDOM = f"{_MIXED}[a-z0-9]{{8}}"
_SHORT = "[bcdfghjklmnpqrstvwxz0-9]{5}"  # what Jenkins adds; Kubernetes uses fewer digits
# Users choose names, so none may take long: a part matches in one way (atomic groups), up to its end.
_STRONG = f"(?>(?:{_UUID}|{_DATE}|{_TIME}|{_HEX}|{_RANDOM}){_END})"
_PART = f"(?>(?:{_UUID}|{_DATE}|{_TIME}|{_HEX}|{_RANDOM}|{_MIXED}{_SHORT}|{_NUMBER}){_END})"
_NUMBERS = f"(?:[-.]{_NUMBER}{_END})*+"

_FORMS_OF_PODS = (
    # GitLab: the number of a slot, and a suffix.
    re.compile("(?P<base>.+-project-[0-9]+-)(?P<run>concurrent-[0-9]+(?:-?[a-z0-9]{5,8})?)(?P<rest>)"),
    # Jenkins: the number of a build, and two or three suffixes.
    re.compile(
        f"(?P<base>.+?-)(?P<run>{_NUMBER}(?:-[a-z0-9]{{5}}){{2,3}}|{_SHORT}(?:-{_SHORT}){{1,2}})(?P<rest>)"
    ),
    # Spark: all executors of a run are equal.
    re.compile(f"(?P<base>.+?-)(?P<run>{_STRONG})(?P<rest>-exec)-{_NUMBER}"),
)
_FORMS = (
    # Nothing else, as Prow names Pods.
    re.compile(f"(?P<base>)(?P<run>{_UUID}|{_MIXED}[0-9a-f]{{32,64}})(?P<rest>(?:[-.].+)?)"),
    # At the end, with shorter parts beside it.
    re.compile(f"(?P<base>.+?[-.])(?P<run>(?:{_PART}[-.])*{_STRONG}{_NUMBERS})(?P<rest>)"),
    # Between words, as in the name of a part of a run.
    re.compile(f"(?P<base>.+?[-.])(?P<run>{_STRONG}|{_MIXED}{GENERATED})(?P<rest>[-.].+)"),
)
# Small numbers, and other parts in names that only one thing gives: after the forms above.
_NUMBERED = (re.compile(f"(?P<base>.+?[-.])(?P<run>{_NUMBER}(?:[-.]{_NUMBER})*)(?P<rest>)"),)
_NUMBERED_PODS = (
    # OpenShift's builds and deployments, and tasks of a numbered run of Tekton.
    re.compile(
        f"(?P<base>.+?-)(?P<run>{_NUMBER})(?P<rest>-(?:build|deploy|debug|hook-(?:pre|mid|post)|.+-pod))"
    ),
)
_NUMBERED_TASKS = (re.compile(f"(?P<base>.+?-)(?P<run>{_NUMBER})(?P<rest>-[a-z].*)"),)
_RAY_CLUSTERS = (
    re.compile(
        "(?P<base>.+?-)(?P<run>(?=[a-z]*[0-9])[a-z0-9]{5,}|[0-9]+)(?P<rest>-raycluster)(?:-[a-z0-9]{5})?"
    ),
)
_FORMS_OF_KINDS = {
    POD: (*_FORMS_OF_PODS, *_FORMS, *_NUMBERED_PODS),
    "TaskRun": (*_FORMS, *_NUMBERED, *_NUMBERED_TASKS),
    _RAY_CLUSTER: (*_FORMS, *_NUMBERED, *_RAY_CLUSTERS),
}
_FORMS_OF_OTHERS = (*_FORMS, *_NUMBERED)
# Random parts of letters alone, which may be words: such a run joins a group of others, and founds none.
_BETWEEN_WORDS = re.compile(f"(?P<base>.+?-)(?P<run>{GENERATED})(?P<rest>-.+)")
_WEAK_FORMS_OF_PODS = (_BETWEEN_WORDS, re.compile("(?P<base>.+-)(?P<run>[a-z]{8})(?P<rest>)"))
# No word has five consonants in a row.
_WEAK_FORMS = (
    _BETWEEN_WORDS,
    re.compile("(?P<base>.+-)(?P<run>(?=[a-z]*[bcdfghjklmnpqrstvwxz]{5})[a-z]{8})(?P<rest>)"),
)
# Further parts of a run in what is around one, as in a Pod of a Workflow: `etl-x7k2p-main-1234567890`.
_FURTHER = re.compile(f"(?<=[-.])(?:{_STRONG}|{_MIXED}{GENERATED}{_END})")

_DIGIT_PART = re.compile(f"[0-9]+(?:t{_NUMBER}z?)?z?")
_HEX_PART = re.compile("[0-9a-f]{6,64}|[0-9]+")
_WORD_AND_NUMBER = re.compile("[a-z]+[0-9]+")
_RANDOM_LENGTHS = frozenset({5, 8})  # of Kubernetes and of Airflow
_BETWEEN_PARTS = re.compile("[-.]")


class _Candidates(NamedTuple):
    """The names of the groups that a run may belong to, and whether it may be one that makes a group."""

    names: tuple[str, ...] = ()
    founds: bool = False


def run_groups(run: Workload) -> tuple[Workload, ...]:
    """The groups that *run* may belong to, by the shape of its name; empty for a kind that does not end.

    There is more than one since a random part may look like a number.
    """
    return tuple(Workload(run.namespace, name, run.kind) for name in _candidates(run).names)


def new_groups(runs: Iterable[Workload], known: frozenset[Workload]) -> dict[Workload, Workload]:
    """The group of each run: one of the *known* groups, else its own if it has enough runs.

    A run whose random part may be a word joins a group, and does not count among the runs that make one.
    """
    proposed: dict[Workload, list[Workload]] = {}
    joining: list[tuple[Workload, list[Workload]]] = []
    groups: dict[Workload, Workload] = {}
    for run in runs:
        names, founds = _candidates(run)
        candidates = [Workload(run.namespace, name, run.kind) for name in names]
        if group := next((candidate for candidate in candidates if candidate in known), None):
            groups[run] = group
        elif founds:
            proposed.setdefault(candidates[0], []).append(run)
        elif candidates:
            joining.append((run, candidates))
    for group, members in proposed.items():
        if len(members) >= LEAST_RUNS:
            groups |= dict.fromkeys(members, group)
    founded = set(groups.values())
    for run, candidates in joining:
        if group := next((candidate for candidate in candidates if candidate in founded), None):
            groups[run] = group
    return groups


def _candidates(run: Workload) -> _Candidates:
    if run.kind in NAMED_KINDS or "{" in run.name or not _may_end(run):
        return _Candidates()
    if match := _first_match(_FORMS_OF_KINDS.get(run.kind, _FORMS_OF_OTHERS), run.name):
        part = match["run"]
        shapes = tuple(_shapes(part))
        is_word = shapes[0] == "random" and _WORD_AND_NUMBER.fullmatch(part)
        return _Candidates(_names(match, shapes), founds=not is_word)
    if match := _first_match(_WEAK_FORMS_OF_PODS if run.kind == POD else _WEAK_FORMS, run.name):
        shapes = ("hex", "random") if _HEX_PART.fullmatch(match["run"]) else ("random",)
        return _Candidates(_names(match, shapes))
    return _Candidates()


def _may_end(run: Workload) -> bool:
    """True for a kind whose objects run and end."""
    if run.kind == _RAY_CLUSTER:
        return _CLUSTER_OF_RAY_JOB.fullmatch(run.name) is not None
    return run.kind in _OTHER_RUN_KINDS or _RUN_KIND.fullmatch(run.kind) is not None


def _first_match(forms: Iterable[re.Pattern[str]], name: str) -> re.Match[str] | None:
    return next((match for form in forms if (match := form.fullmatch(name))), None)


def _names(match: re.Match[str], shapes: Iterable[str]) -> tuple[str, ...]:
    """The name with the matched part replaced by each of *shapes*, and further parts by their first."""
    before, after = (_FURTHER.sub(_first_shape, match[group]) for group in ("base", "rest"))
    return tuple(f"{before}{{{shape}}}{after}" for shape in shapes)


def _first_shape(match: re.Match[str]) -> str:
    return f"{{{next(_shapes(match[0]))}}}"


def _shapes(run: str) -> Iterator[str]:
    """The shapes of *run*, the strictest first."""
    parts = _BETWEEN_PARTS.split(run)
    if re.fullmatch(_UUID, run):
        yield "uuid"
    elif all(map(_DIGIT_PART.fullmatch, parts)):
        yield "digits"
        if run.isdigit() and 6 <= len(run) <= 64:
            yield "hex"
    elif all(map(_HEX_PART.fullmatch, parts)):
        yield "hex"
    else:
        yield "random"
        return
    if len(run) in _RANDOM_LENGTHS and len(parts) == 1:
        yield "random"
