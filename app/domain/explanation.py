"""Where a profile's value comes from, in words for `kubectl describe`; pure: same profile, same words."""

from datetime import timedelta

from app.domain.profiles import (
    Basis,
    ConnectionProfile,
    ContainerNeed,
    NeedReason,
    NeedSignal,
    Profile,
    Resource,
    ResourceProfile,
    Rule,
)
from app.domain.quantities import format_share, format_time

LONGEST = 4096  # characters; the schema's limit

_SAMPLE = timedelta(minutes=5)
_SIGNS = {NeedReason.CPU_THROTTLING: "CPU throttling", NeedReason.OOM_KILLED: "An OOM kill"}


def explain(profile: Profile) -> str:
    """The sentences; empty where the profile does not tell its rule."""
    if isinstance(profile, ConnectionProfile):
        text = _connection(profile)
    else:
        text = _need(profile, profile.rule) if profile.rule else ""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _need(profile: ResourceProfile, rule: Rule) -> str:
    count = len(profile.containers)
    samples = f"{profile.basis.samples:,} five-minute samples of {count} container{'' if count == 1 else 's'}"
    aging = [] if _is_maximum(rule) else [f"each day counting half after {_days(rule.half_life_days)}"]
    parts = (
        f"{_statistic(rule)} of {samples} {_over(profile.basis)}",
        *aging,
        f"plus {_percent(rule.margin)}",
    )
    amounts = ", ".join(_container(profile.resource, container) for container in profile.containers)
    return " ".join([f"{', '.join(parts)}: {amounts}.", *map(_sign, profile.signals)])


def _is_maximum(rule: Rule) -> bool:
    """The largest sample is the largest, however little its day weighs."""
    return rule.percentile >= 1


def _statistic(rule: Rule) -> str:
    return "Maximum" if _is_maximum(rule) else f"{_ordinal(rule.percentile * 100)} percentile"


def _ordinal(number: float) -> str:
    spelled = f"{number:g}"
    teens = number % 100 in {11, 12, 13}
    ending = "th" if teens else {"1": "st", "2": "nd", "3": "rd"}.get(spelled[-1], "th")
    return f"{spelled}{ending}"


def _over(basis: Basis) -> str:
    return f"over {_length(basis.window_end - basis.window_start)} (coverage {format_share(basis.coverage)})"


def _length(time: timedelta) -> str:
    hours = time / timedelta(hours=1)
    return _hours(hours) if hours < 48 else _days(hours / 24)


def _hours(hours: float) -> str:
    return _counted(hours, "hour")


def _days(days: float) -> str:
    return _counted(days, "day")


def _counted(amount: float, unit: str) -> str:
    rounded = round(amount, 1)
    return f"{rounded:g} {unit}{'' if rounded == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{round(share * 100, 1):g} %"


def _container(resource: Resource, container: ContainerNeed) -> str:
    amount = f"{container.value} cores" if resource is Resource.CPU else f"{int(container.value):,} bytes"
    return f"{container.name} {amount}"


def _sign(sign: NeedSignal) -> str:
    return (
        f"{_SIGNS[sign.reason]} of {sign.container}, last seen {format_time(sign.last_seen)},"
        f" raises it by {round(sign.raised_by * 100)} %."
    )


def _connection(profile: ConnectionProfile) -> str:
    scraped = _hours(profile.basis.samples * _SAMPLE / timedelta(hours=1))
    return (
        f"Mean over those of the last 24 hours in which {profile.connection.source} was scraped ({scraped}),"
        " silent minutes counting as 0:"
        f" {profile.requests_per_minute} requests + {profile.responses_per_minute} responses per minute."
    )
