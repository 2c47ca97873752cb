"""The file of the authorities that sign the API servers' client certificates; read again when it changes."""

import asyncio
from pathlib import Path
from typing import NoReturn

import structlog

from app.errors import SettingsError
from app.outage_log import OutageLog
from app.tls.serving import ServingContext, UnusableCertificateError

log = structlog.get_logger(__name__)
_PERIOD_SECONDS = 10.0


def open_serving_context(client_ca_file: str, client_names: tuple[str, ...] = ()) -> ServingContext:
    """The context of the webhook's listener; with a file, clients have to show a certificate.

    Raises:
        SettingsError: the file can't be used, or names are given though no client is asked for one.
    """
    if not client_ca_file:
        if client_names:
            given = f"CLIENT_NAMES (--client-names) is {','.join(client_names)!r}"
            raise SettingsError([f"{given}: give CLIENT_CA_FILE too, or no client is asked for its name"])
        return ServingContext()
    try:
        return ServingContext(Path(client_ca_file).read_bytes())
    except (OSError, UnusableCertificateError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError([f"CLIENT_CA_FILE (--client-ca-file) is {client_ca_file!r}: {reason}"]) from error


async def follow_client_authorities(
    client_ca_file: str, serving: ServingContext, period_seconds: float = _PERIOD_SECONDS
) -> NoReturn:
    """Take each new content of the file until cancelled; one that can't be used leaves the one before."""
    outage = OutageLog(log, "client_authorities_unusable", context={"file": client_ca_file})
    while True:
        await asyncio.sleep(period_seconds)
        try:
            content = await asyncio.to_thread(Path(client_ca_file).read_bytes)
            if content != serving.client_authorities:
                serving.trust_clients(content)
                log.info("client_authorities_loaded", file=client_ca_file)
            outage.succeeded()
        except (OSError, UnusableCertificateError) as error:
            outage.failed(error)
