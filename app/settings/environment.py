"""All settings as one frozen object, read from the environment and flags, validated before anything starts.

Every field is an environment variable (its name in capitals) and a flag of the command line
(`prometheus_url` is `PROMETHEUS_URL` and `--prometheus-url`); a flag wins over the environment.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

from pydantic import ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsError
from app.settings.estimation import EstimationSettings
from app.settings.leader import LeaderSettings
from app.settings.prices import PriceSettings
from app.settings.probe import ProbeSettings
from app.settings.profiler import ProfilerSettings
from app.settings.prometheus import PrometheusSettings
from app.settings.scheduling import SchedulingSettings
from app.settings.scope import ScopeSettings
from app.settings.serving import ServingSettings
from app.settings.tls import TlsSettings
from app.settings.vpa import VpaSettings


# Fields are in the order of the bases from the last to the first; so are `--help` and a list of faults.
class Settings(
    VpaSettings,
    PriceSettings,
    LeaderSettings,
    ProbeSettings,
    TlsSettings,
    SchedulingSettings,
    ProfilerSettings,
    EstimationSettings,
    ScopeSettings,
    PrometheusSettings,
    ServingSettings,
    BaseSettings,
):
    """The settings of every concern, flat and frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _read_choice_in_any_case(cls, value: object, info: ValidationInfo) -> object:
        """`INFO` is the choice `info`; a value that is no choice stays as it is given."""
        choices = cls.model_fields[info.field_name].annotation if info.field_name else None
        if not (isinstance(value, str) and isinstance(choices, type) and issubclass(choices, StrEnum)):
            return value
        return next((choice for choice in choices if choice.lower() == value.strip().lower()), value)


def read_settings(flags: Mapping[str, Any], variables: Collection[str] = ()) -> Settings:
    """The settings from *flags* (field name to text; None means not given), else from the environment.

    Only the variables of the fields *variables* are read from the environment, all of them if it is empty: a
    variable with a common name, such as ROLE, may be set for another program.

    Raises:
        SettingsError: names every wrong setting, with the value that was given.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    fields = Settings.model_fields
    defaults = {name: fields[name].default for name in fields if variables and name not in variables}
    try:
        return Settings(**defaults | given)
    except ValidationError as error:
        raise SettingsError([_format_fault(fault) for fault in error.errors()]) from error


# The remedy for each type of pydantic's errors; braces take the limits of the field.
_REMEDIES = {
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "use true or false",
    "enum": "use {expected}",
    "greater_than": "must be more than {gt:.12g}",
    "greater_than_equal": "must be at least {ge:.12g}",
    "less_than": "must be less than {lt:.12g}",
    "less_than_equal": "must be at most {le:.12g}",
    "string_pattern_mismatch": "must match the regular expression {pattern}",
}


def _remedy(kind: str, limits: Mapping[str, Any], message: str) -> str:
    """The remedy for an error of the type *kind*; *message* without "Value error, " if there is none."""
    if remedy := _REMEDIES.get(kind):
        return remedy.format(**limits).replace("'", "")  # pydantic quotes each choice
    return message.removeprefix("Value error, ")


def _format_fault(fault: Any) -> str:  # pydantic's ErrorDetails
    message = _remedy(fault["type"], fault.get("ctx", {}), str(fault["msg"]))
    if not fault["loc"]:
        return message
    name = str(fault["loc"][0])
    return f"{name.upper()} (--{name.replace('_', '-')}) is {fault['input']!r}: {message}"
