"""Where a profile's value comes from, in words for `kubectl describe`; pure: same profile, same words."""

from datetime import timedelta

from app.domain.profiles import (
    Basis,
    ChosenRule,
    ConnectionProfile,
    ContainerNeed,
    Pressure,
    PressureSignal,
    Profile,
    Resource,
    ResourceProfile,
    StatedRisk,
)
from app.domain.quantities import format_share, format_time

LONGEST = 4096  # characters; the schema's limit

_SAMPLE = timedelta(minutes=5)
_SIGNS = {Pressure.CPU_THROTTLING: "CPU throttling", Pressure.OOM_KILLED: "An OOM kill"}


def explain(profile: Profile) -> str:
    """The sentences; empty where the profile does not tell its rule."""
    if isinstance(profile, ConnectionProfile):
        text = _connection(profile)
    else:
        text = _need(profile) if profile.risk else ""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _need(profile: ResourceProfile) -> str:
    count = len(profile.containers)
    samples = f"{profile.basis.samples:,} five-minute samples of {count} container{'' if count == 1 else 's'}"
    containers = " ".join(_container(profile.resource, container) for container in profile.containers)
    sentences = [f"From {samples} {_over(profile.basis)}: {containers}", *map(_sign, profile.signals)]
    if profile.newest:
        sentences.append(
            f"Now {_amount(profile.resource, profile.newest)} would be chosen; moving saves too little."
        )
    if profile.risk:
        sentences.append(_risk(profile.resource, profile.risk))
    return " ".join(sentences)


def _rule(rule: ChosenRule) -> str:
    if rule.siblings:
        others = f"{rule.siblings} workload{'' if rule.siblings == 1 else 's'} of this name elsewhere"
        return f"as {others} need, since little was seen of it"
    which = "largest" if rule.rank == 1 else f"{_ordinal(rule.rank)} largest"
    days = "day" if rule.days == 1 else f"{rule.days} days"
    statistic = "maximum" if rule.level >= 1 else f"{_ordinal(rule.level * 100)} percentile"
    of_days = f"{statistic} of 1 day" if rule.days == 1 else f"{which} of {days}' {statistic}"
    raises = [(rule.margin, ""), (rule.little_history, " for little history")]
    more = [f"plus {_percent(share)}{why}" for share, why in raises if round(share, 3)]
    return ", ".join([of_days, *more])


def _risk(resource: Resource, risk: StatedRisk) -> str:
    level = f"At {risk.level.value} risk"
    if resource is Resource.MEMORY:
        return f"{level} a day exceeds it with a chance of {_percent(risk.expected)}."
    at_most = "" if risk.at_most is None else f", and at most {_percent(risk.at_most)} on nine days of ten"
    return f"{level} {_percent(risk.expected)} of the coming day's time are expected above it{at_most}."


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
    made = f" ({_rule(container.rule)})" if container.rule else ""
    return f"{container.name} {_amount(resource, container.value)}{made}."


def _amount(resource: Resource, value: str) -> str:
    return f"{value} cores" if resource is Resource.CPU else f"{int(value):,} bytes"


def _sign(sign: PressureSignal) -> str:
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
