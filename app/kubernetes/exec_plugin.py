"""Credential plug-ins of a kubeconfig: programs that print a token or a client certificate.

The protocol is that of client-go: the plug-in gets KUBERNETES_EXEC_INFO, and its output is valid until its
expiration, or until the API server refuses it.
"""

import asyncio
import base64
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from app.domain.quantities import parse_time
from app.kubernetes.error_text import CredentialsError, shorten
from app.kubernetes.kubeconfig import Cluster, ExecPlugin
from app.small_files import read_small_file

API_GROUP = "client.authentication.k8s.io"
_VERSIONS = frozenset(f"{API_GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
_CONFIG_EXTENSION = f"{API_GROUP}/exec"
_MODES = ("Never", "IfAvailable", "Always")
_MAX_OUTPUT_BYTES = 1024 * 1024


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: str | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    status: _Status | None = None


class PluginOutput(msgspec.Struct, frozen=True):
    """The credentials that a plug-in printed; `expires` is in seconds since the epoch, None means never."""

    token: str
    certificate: bytes
    key: bytes
    expires: float | None


async def run_plugin(plugin: ExecPlugin, cluster: Cluster) -> PluginOutput:
    """Runs the plug-in, with the terminal if it may use one.

    Raises:
        CredentialsError: it can't be run, or printed no credentials.
    """
    if plugin.api_version not in _VERSIONS:
        raise CredentialsError(
            f"exec: apiVersion {plugin.api_version!r} is none of {', '.join(sorted(_VERSIONS))}"
        )
    is_interactive = _is_interactive(plugin.interactive_mode)
    variables = {variable.name: variable.value for variable in plugin.env}
    info = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": is_interactive}
        | ({"cluster": cluster_info(cluster)} if plugin.provide_cluster_info else {}),
    }
    environment = os.environ | variables | {"KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()}
    output = await _output(plugin, environment, is_interactive=is_interactive)
    return _read(output, plugin)


def cluster_info(cluster: Cluster) -> Mapping[str, Any]:
    """The cluster as a plug-in with provideClusterInfo gets it; CA certificates as PEM in base64."""
    authority = cluster.certificate_authority_data
    if not authority and cluster.certificate_authority:
        authority = base64.b64encode(read_small_file(cluster.certificate_authority)).decode()
    config = next((item.extension for item in cluster.extensions if item.name == _CONFIG_EXTENSION), None)
    fields = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": authority,
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": config,
    }
    return {name: value for name, value in fields.items() if value or name == "config"}


def _is_interactive(mode: str) -> bool:
    """True if the plug-in gets the terminal."""
    if mode not in _MODES:
        raise CredentialsError(f"exec: interactiveMode {mode!r} is none of {', '.join(_MODES)}")
    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    if mode == "Always" and not has_terminal:
        raise CredentialsError("exec: interactiveMode is Always, and standard input is not a terminal")
    return mode != "Never" and has_terminal


async def _output(plugin: ExecPlugin, environment: Mapping[str, str], *, is_interactive: bool) -> bytes:
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.args,
            env=environment,
            stdin=None if is_interactive else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if is_interactive else asyncio.subprocess.PIPE,
        )
    except (OSError, ValueError) as error:  # ValueError: a text has a null byte
        hint = f": {shorten(plugin.install_hint)}" if plugin.install_hint else ""
        reason = error.strerror if isinstance(error, OSError) else error
        raise CredentialsError(f"exec: {plugin.command} can't be run ({reason}){hint}") from error
    try:
        output, errors = await asyncio.gather(
            _printed(plugin, process.stdout), _printed(plugin, process.stderr)
        )
        await process.wait()
    except (asyncio.CancelledError, CredentialsError):
        with suppress(ProcessLookupError):
            process.kill()
        # Ends what the plug-in itself has started; asyncio has no public way to close its pipes.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - as above
        await process.wait()  # the event loop may end next, and would leave a zombie
        raise
    if process.returncode:
        details = shorten(errors.decode(errors="replace"))
        hint = f": {details}" if details else ""
        raise CredentialsError(f"exec: {plugin.command} failed with exit code {process.returncode}{hint}")
    return output


async def _printed(plugin: ExecPlugin, stream: asyncio.StreamReader | None) -> bytes:
    """All that the plug-in prints to *stream*; nothing if that is the terminal."""
    printed = bytearray()
    while stream and (part := await stream.read(65_536)):
        printed += part
        if len(printed) > _MAX_OUTPUT_BYTES:
            raise CredentialsError(f"exec: {plugin.command} printed more than {_MAX_OUTPUT_BYTES} bytes")
    return bytes(printed)


def _read(output: bytes, plugin: ExecPlugin) -> PluginOutput:
    try:
        credential = msgspec.json.decode(output, type=_ExecCredential)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CredentialsError(f"exec: {plugin.command} printed no ExecCredential: {error}") from error
    if credential.kind != "ExecCredential" or credential.api_version != plugin.api_version:
        found = f"{credential.api_version} {credential.kind}"
        raise CredentialsError(
            f"exec: {plugin.command} printed {found!r}, not an ExecCredential of {plugin.api_version}"
        )
    status = credential.status or _Status()
    token = (status.token or "").strip()
    certificate, key = status.client_certificate_data or "", status.client_key_data or ""
    if not (token or certificate) or bool(certificate) != bool(key):
        raise CredentialsError(
            f"exec: {plugin.command} printed neither a token nor a certificate with its key"
        )
    expiration = status.expiration_timestamp
    expires = parse_time(expiration) if expiration else None
    if expiration and not expires:
        raise CredentialsError(f"exec: {plugin.command} printed the expirationTimestamp {expiration!r}")
    return PluginOutput(token, certificate.encode(), key.encode(), expires.timestamp() if expires else None)
