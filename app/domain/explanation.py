"""The `status.explanation` of a profile: how its value was chosen; equal profiles get equal text."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from app.domain.profiles import (
    Basis,
    ChosenRule,
    ConnectionProfile,
    ContainerNeed,
    LeftOutContainer,
    Pressure,
    PressureSignal,
    Profile,
    Resource,
    ResourceProfile,
    StatedRisk,
)
from app.domain.protocols import Protocol
from app.domain.quantities import format_risk, format_share, format_time
from app.domain.shown_amounts import need

MAX_CHARACTERS = 4096  # the schema's limit

_MAX_NAMED = 5
_STEP = timedelta(minutes=5)
# The beginning of a sentence; `of` and a container follow.
PRESSURE_NAMES: Mapping[str, str] = {
    Pressure.CPU_THROTTLING: "CPU throttling",
    Pressure.CPU_WAITING: "Waiting for CPU (PSI)",
    Pressure.OOM_KILLED: "An OOM kill",
    Pressure.MEMORY_STALLED: "Stalling on memory (PSI)",
}


def explain(profile: Profile) -> str:
    """The explanation; empty for a CPU or memory profile without a stated risk."""
    if isinstance(profile, ConnectionProfile):
        text = _connection(profile)
    else:
        text = _need(profile) if profile.risk else ""
    return text if len(text) <= MAX_CHARACTERS else f"{text[: MAX_CHARACTERS - 1]}…"


def _need(profile: ResourceProfile) -> str:
    count = len(profile.containers)
    samples = f"{profile.basis.samples:,} five-minute samples of {count} container{'' if count == 1 else 's'}"
    containers = " ".join(_container(profile.resource, container) for container in profile.containers)
    sentences = [f"From {samples} {_over(profile.basis)}: {containers}", *map(_signal, profile.signals)]
    if profile.roles:
        sentences.append(_roles(profile))
    if profile.left_out:
        sentences.append(_left_out(profile.left_out))
    if profile.newest:
        sentences.append(
            f"The latest choice is {need(profile.resource, profile.newest)};"
            " the value stays, since a change would save too little."
        )
    if profile.risk:
        sentences.append(_risk(profile.resource, profile.risk))
    return " ".join(sentences)


def _roles(profile: ResourceProfile) -> str:
    """The sentence on Pods that differ; it names the largest roles."""
    roles = [
        f"{' and '.join(role.containers)} {need(profile.resource, role.value)}" for role in profile.roles
    ]
    sets = f"Pods have {len(roles)} different sets of containers, of which the largest counts"
    return f"{sets}: {_listed(roles, '; ')}."


def _left_out(containers: Sequence[LeftOutContainer]) -> str:
    names = _listed([container.name for container in containers], ", ")
    return f"Not counted, since ephemeral, or not in the Pod template and in under half of the Pods: {names}."


def _listed(items: Sequence[str], separator: str) -> str:
    more = len(items) - _MAX_NAMED
    return separator.join(items[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _rule(resource: Resource, rule: ChosenRule) -> str:
    if rule.siblings:
        siblings = f"{rule.siblings} workload{'' if rule.siblings == 1 else 's'}"
        return f"median of {siblings} of this name in other namespaces, since its own history is short"
    base = _margin(rule) if resource is Resource.MEMORY else _covered(rule)
    added = [f"plus {_percent(rule.short_past)} for a short past"] if round(rule.short_past, 3) else []
    return ", ".join([base, *added])


def _covered(rule: ChosenRule) -> str:
    if rule.days == 1:
        return f"covers {_percent(rule.measure)} of the time of 1 day"
    return f"covers {_percent(rule.measure)} of the time of {rule.days} days, recent ones counting most"


def _margin(rule: ChosenRule) -> str:
    maximum = "maximum of 1 day" if rule.days == 1 else f"largest daily maximum of {rule.days} days"
    if not round(rule.measure, 3):
        return maximum
    return f"{_percent(abs(rule.measure))} {'above' if rule.measure > 0 else 'below'} the {maximum}"


def _risk(resource: Resource, risk: StatedRisk) -> str:
    level, expected = f"At {risk.level.value} risk", _risk_percent(risk.expected)
    if resource is Resource.MEMORY:
        return f"{level}, there is a {expected} chance that the daily peak exceeds the value."
    at_most = (
        "" if risk.at_most is None else f", and for at most {_risk_percent(risk.at_most)} on 9 of 10 days"
    )
    return f"{level}, usage is expected to exceed the value for {expected} of the next day{at_most}."


def _over(basis: Basis) -> str:
    window = _duration(basis.window_end - basis.window_start)
    return f"over {window} (coverage {format_share(basis.coverage)})"


def _duration(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return _hours(hours) if hours < 48 else _days(hours / 24)


def _hours(hours: float) -> str:
    return _quantity(hours, "hour")


def _days(days: float) -> str:
    return _quantity(days, "day")


def _quantity(amount: float, unit: str) -> str:
    rounded = round(amount, 1)
    return f"{rounded:g} {unit}{'' if rounded == 1 else 's'}"


def _risk_percent(share: float) -> str:
    """The risk as the status has it, which is rounded up."""
    return _percent(float(format_risk(share)))


def _percent(share: float) -> str:
    return f"{round(share * 100, 1):g} %"


def _container(resource: Resource, container: ContainerNeed) -> str:
    rule = f" ({_rule(resource, container.rule)})" if container.rule else ""
    return f"{container.name} {need(resource, container.value)}{rule}."


def _signal(signal: PressureSignal) -> str:
    limit = "" if signal.killed_at_bytes is None else f" at a limit of {signal.killed_at_bytes:,} bytes"
    last = (
        " The raises end here: look for a leak, or set a higher limit in the Pod template."
        if signal.is_last_raise
        else ""
    )
    return (
        f"{PRESSURE_NAMES[signal.reason]} of {signal.container}{limit}, last seen"
        f" {format_time(signal.last_seen)}, raises its value by {round(signal.raised_by * 100)} %.{last}"
    )


def _connection(profile: ConnectionProfile) -> str:
    scraped = _hours(profile.basis.samples * _STEP / timedelta(hours=1))
    window = f"the part of the last 24 hours in which {profile.connection.source} was scraped ({scraped})"
    sentences = [f"Mean over {window}; minutes without traffic count as 0: {_rates(profile)}."]
    if steps := _steps(profile):
        sentences.append(f"95 % of the 5-minute steps have at most {steps}.")
    if replica := profile.per_replica:
        per_replica = _traffic(
            replica.messages_per_minute, replica.request_bytes_per_second, replica.response_bytes_per_second
        )
        plural = "" if replica.replicas == 1 else "s"
        sentences.append(f"Each of {replica.replicas} ready replica{plural} of the source: {per_replica}.")
    if profile.counting.providers:
        sentences.append(f"Counted by {profile.counting}.")
    return " ".join(sentences)


def _rates(profile: ConnectionProfile) -> str:
    bytes_per_second = _bytes_per_second(profile.request_bytes_per_second, profile.response_bytes_per_second)
    if profile.protocol is Protocol.TCP:
        return f"{bytes_per_second} of plain TCP, without requests that are counted"
    protocol = {Protocol.GRPC: "gRPC", Protocol.HTTP: "HTTP"}[profile.protocol]
    messages = (
        f"{profile.requests_per_minute} requests + {profile.responses_per_minute} responses"
        f" of {protocol} per minute"
    )
    return f"{messages}, {bytes_per_second}" if bytes_per_second else messages


def _steps(profile: ConnectionProfile) -> str:
    messages, request_bytes, response_bytes = (
        steps.p95 if steps else None
        for steps in (profile.messages, profile.request_bytes, profile.response_bytes)
    )
    return _traffic(messages, request_bytes, response_bytes)


def _traffic(messages: str | None, request_bytes: str | None, response_bytes: str | None) -> str:
    parts = [f"{messages} messages per minute"] if messages else []
    bytes_per_second = _bytes_per_second(request_bytes, response_bytes)
    return ", ".join([*parts, bytes_per_second] if bytes_per_second else parts)


def _bytes_per_second(request_bytes: str | None, response_bytes: str | None) -> str:
    ways = ((request_bytes, "sent"), (response_bytes, "received"))
    known = [f"{float(amount):,.0f} bytes {way}" for amount, way in ways if amount is not None]
    return f"{' and '.join(known)} per second" if known else ""
