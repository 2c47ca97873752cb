"""The types of single settings: what a text may be, and what it then is."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from app.domain.quantities import parse_quantity


class Role(StrEnum):
    """What a process does: answer admission reviews, write profiles, or both."""

    WEBHOOK = "webhook"
    PROFILER = "profiler"
    COMBINED = "combined"


class NetworkMetricProvider(StrEnum):
    """Where connection profiles come from; `auto` takes what the Prometheus holds."""

    AUTO = "auto"
    LINKERD = "linkerd"
    ISTIO = "istio"
    NONE = "none"


class OperatingMode(StrEnum):
    """Annotate Pods alone, or also set their resource requests where namespace or Pod ask for it."""

    PROFILING = "PROFILING"
    PROFILING_SCHEDULING = "PROFILING_SCHEDULING"


class CertificateProvider(StrEnum):
    """Who issues the webhook's certificate."""

    SELF = "self"
    CERT_MANAGER = "cert-manager"


class LogFormat(StrEnum):
    """One JSON object per line, or lines for a person."""

    JSON = "json"
    CONSOLE = "console"


def _split(value: object) -> object:
    """`"a, b"` as `("a", "b")`."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _no_service_link(value: object) -> object:
    """Beside a Service named `prometheus`, Kubernetes sets PROMETHEUS_PORT to `tcp://10.0.0.1:9090`."""
    if isinstance(value, str) and "://" in value:
        raise ValueError(
            "give the number alone; Kubernetes sets such a value unless enableServiceLinks is false"
        )
    return value


def _is_a_quantity(text: str) -> str:
    if parse_quantity(text) <= 0:
        raise ValueError("must be more than nothing")
    return text


def _is_a_json_object(text: str) -> str:
    if text:
        try:
            msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ValueError(f"must be a JSON object: {error}") from error
    return text


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Quantity = Annotated[str, AfterValidator(_is_a_quantity)]
JsonObject = Annotated[str, AfterValidator(_is_a_json_object)]
LimitRatio = Annotated[float, Field(ge=0, le=100)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_no_service_link)]
