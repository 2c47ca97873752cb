"""Types of single settings: the accepted text, and the value that it becomes."""

import re
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from app.domain.connection_providers import AUTO, NONE, Provider
from app.domain.dns_names import is_dns_label
from app.domain.quantities import parse_quantity

_MATCHER = r"""[a-zA-Z_][a-zA-Z0-9_]*(=|!=|=~|!~)"(?:[^"\\\n]|\\.)*\""""
_MATCHERS = re.compile(rf"{_MATCHER}(\s*,\s*{_MATCHER})*")
_WRONG_NAMESPACE = "not a valid namespace name (lower-case letters, digits and '-', at most 63)"


class Role(StrEnum):
    """The work of a process: answer admission reviews, write profiles, or both."""

    WEBHOOK = "webhook"
    PROFILER = "profiler"
    COMBINED = "combined"


class OperatingMode(StrEnum):
    """Annotate Pods only, or also set the requests of Pods that opt in by label."""

    PROFILING = "PROFILING"
    PROFILING_SCHEDULING = "PROFILING_SCHEDULING"


class CertificateProvider(StrEnum):
    """The issuer of the webhook's certificate."""

    SELF = "self"
    CERT_MANAGER = "cert-manager"


class LogLevel(StrEnum):
    """The lowest level of the log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """One JSON object per line, or lines for a terminal."""

    JSON = "json"
    CONSOLE = "console"


def _split(value: object) -> object:
    """`"a, b"` as `("a", "b")`."""
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _check_no_service_link(value: object) -> object:
    """Beside a Service named `prometheus`, Kubernetes sets PROMETHEUS_PORT to `tcp://10.0.0.1:9090`."""
    if isinstance(value, str) and "://" in value:
        raise ValueError("use a port number; Kubernetes sets such values unless enableServiceLinks is false")
    return value


def _check_namespace(name: str) -> str:
    if not is_dns_label(name):
        raise ValueError(_WRONG_NAMESPACE)
    return name


def _check_namespace_or_empty(name: str) -> str:
    return _check_namespace(name) if name else name


def _check_namespaces(names: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [name for name in names if not is_dns_label(name)]:
        raise ValueError(f"{_WRONG_NAMESPACE}: {', '.join(wrong)}")
    return names


def _check_quantity(text: str) -> str:
    if parse_quantity(text) <= 0:
        raise ValueError("must be more than 0")
    return text


def _check_matchers(text: str) -> str:
    text = text.strip()
    if text and not _MATCHERS.fullmatch(text):
        raise ValueError('must be label matchers, such as job="kubelet",metrics_path="/metrics/cadvisor"')
    return text


def _check_json_object(text: str) -> str:
    if text:
        try:
            msgspec.json.decode(text, type=dict[str, Any])
        except msgspec.DecodeError as error:
            raise ValueError(f"must be a JSON object: {error}") from error
    return text


def _check_providers(names: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.lower() for name in names))
    known = [name for flag in Provider for name in flag.names]
    if not names or any(name not in {AUTO, NONE, *known} for name in names):
        raise ValueError(f"use {AUTO}, {NONE}, or some of {', '.join(known)}, separated by commas")
    if len(names) > 1 and {AUTO, NONE} & {*names}:
        raise ValueError(f"{AUTO} and {NONE} stand alone")
    return names


CommaSeparated = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
NetworkProviders = Annotated[CommaSeparated, AfterValidator(_check_providers)]
NamespaceName = Annotated[str, AfterValidator(_check_namespace)]
OptionalNamespaceName = Annotated[str, AfterValidator(_check_namespace_or_empty)]
NamespaceNames = Annotated[CommaSeparated, AfterValidator(_check_namespaces)]
Quantity = Annotated[str, AfterValidator(_check_quantity)]
LabelMatchers = Annotated[str, AfterValidator(_check_matchers)]
JsonObject = Annotated[str, AfterValidator(_check_json_object)]
LimitRatio = Annotated[float, Field(ge=0, le=100)]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(_check_no_service_link)]
