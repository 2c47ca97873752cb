"""Names of runs: what is left of a generated name without the part that differs from run to run.

Schedulers and build servers name each run of one thing differently: `etl-1700000000` (an Argo CronWorkflow),
`spark-pi-1602243240000000000-driver`, `hello-x7k2p3ab` (Airflow), `deploy-12-x7k2p-4zq8w` (Jenkins). The
shape of that part (digits, hexadecimal, UUID, random) gives the name of a group, `etl-{digits}`, which no
object can have. A name alone does not prove a run, so a group counts from `LEAST_RUNS` runs on; and only
kinds that run and end have runs.
"""

import re
from collections.abc import Iterable, Iterator

from app.domain.workloads import GENERATED, NAMED_KINDS, POD, Workload

LEAST_RUNS = 3

# Kinds of custom resources that run to completion are named so: TaskRun, Workflow, MPIJob, SparkApplication.
# Those that start runs are not: CronWorkflow, ScaledJob, ScheduledSparkApplication.
_RUN_KIND = re.compile(
    r"(?!Cron|Scaled|Scheduled)[A-Za-z]*(Job|Run|Runner|Workflow|Build|Task|Test)|SparkApplication|Pod"
)

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NUMBER = "[0-9]+"
# From 8 digits on: a date, a schedule's minute, (nano)seconds. A person may have chosen a shorter number.
_TIME = "[0-9]{8,}(?:t[0-9]{4,6}z?)?"
_MIXED = "(?=[0-9]*[a-z])(?=[a-z]*[0-9])"  # letters alone may be a word
_HEX = f"{_MIXED}[0-9a-f]{{6,64}}"
_RANDOM = f"{_MIXED}[a-z0-9]{{8}}"
_SHORT = "[bcdfghjklmnpqrstvwxz0-9]{5}"  # what Jenkins adds; Kubernetes uses fewer digits
# Users choose names, so none may take long: a part matches in one way (atomic groups), up to its dash.
_STRONG = f"(?>(?:{_UUID}|{_TIME}|{_HEX}|{_RANDOM})(?=-|$))"
_PART = f"(?>(?:{_UUID}|{_TIME}|{_HEX}|{_RANDOM}|{_MIXED}{_SHORT}|{_NUMBER})(?=-|$))"
_NUMBERS = f"(?:-{_NUMBER}(?=-|$))*+"

_FORMS_OF_PODS = (
    # GitLab: the number of a slot, and a suffix.
    re.compile("(?P<base>.+-project-[0-9]+)-(?P<run>concurrent-[0-9]+(?:-?[a-z0-9]{5,8})?)(?P<rest>)"),
    # Jenkins: the number of a build, and two suffixes.
    re.compile(f"(?P<base>.+?)-(?P<run>{_NUMBER}-[a-z0-9]{{5}}-[a-z0-9]{{5}}|{_SHORT}-{_SHORT})(?P<rest>)"),
)
_FORMS = (
    # At the end, with shorter parts beside it.
    re.compile(f"(?P<base>.+?)-(?P<run>(?:{_PART}-)*{_STRONG}{_NUMBERS})(?P<rest>)"),
    # Between words, as in the name of a part of a run.
    re.compile(f"(?P<base>.+?)-(?P<run>{_STRONG}|{_MIXED}{GENERATED})(?P<rest>-.+)"),
)
_FORMS_OF_OTHERS = (re.compile(f"(?P<base>.+?)-(?P<run>{_NUMBER}(?:-{_NUMBER})*)(?P<rest>)"),)

_DIGIT_PART = re.compile("[0-9]+(?:t[0-9]{4,6}z?)?")
_HEX_PART = re.compile("[0-9a-f]{6,64}|[0-9]+")
_WORD_AND_NUMBER = re.compile("[a-z]+[0-9]+")


def run_groups(run: Workload) -> tuple[Workload, ...]:
    """The groups that *run* may belong to, by the shape of its name; empty for a kind that does not end.

    There is more than one since a random part may look like a number.
    """
    if run.kind in NAMED_KINDS or "{" in run.name or not _RUN_KIND.fullmatch(run.kind):
        return ()
    forms = (*_FORMS_OF_PODS, *_FORMS) if run.kind == POD else (*_FORMS, *_FORMS_OF_OTHERS)
    match = next((match for form in forms if (match := form.fullmatch(run.name))), None)
    if match is None:
        return ()
    names = (f"{match['base']}-{{{shape}}}{match['rest']}" for shape in _shapes(match["run"]))
    return tuple(Workload(run.namespace, name, run.kind) for name in names)


def new_groups(runs: Iterable[Workload], known: frozenset[Workload]) -> dict[Workload, Workload]:
    """The group of each run: one of the *known* groups, else its own if it has enough runs."""
    proposed: dict[Workload, list[Workload]] = {}
    groups: dict[Workload, Workload] = {}
    for run in runs:
        candidates = run_groups(run)
        if group := next((candidate for candidate in candidates if candidate in known), None):
            groups[run] = group
        elif candidates and not _is_weak(run, candidates[0]):
            proposed.setdefault(candidates[0], []).append(run)
    for group, members in proposed.items():
        if len(members) >= LEAST_RUNS:
            groups |= dict.fromkeys(members, group)
    return groups


def _shapes(run: str) -> Iterator[str]:
    """The shapes of *run*, the strictest first."""
    parts = run.split("-")
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
    if len(run) == 8 and len(parts) == 1:
        yield "random"


def _is_weak(run: Workload, group: Workload) -> bool:
    """True for a word with a number, `orders01`: it may join a group of random names, but founds none."""
    prefix, _, rest = group.name.partition("{random}")
    if prefix == group.name:
        return False
    part = run.name.removeprefix(prefix).removesuffix(rest)
    return _WORD_AND_NUMBER.fullmatch(part) is not None
