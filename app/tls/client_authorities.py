"""The file of CAs for the API servers' client certificates; reloaded when it changes."""

import asyncio
from pathlib import Path
from typing import NoReturn

import structlog

from app.outage_log import OutageLog
from app.tls.serving import ServingContext, UnusableCertificateError

log = structlog.get_logger(__name__)
_PERIOD_SECONDS = 10.0


async def follow_client_authorities(
    client_ca_file: str, serving: ServingContext, period_seconds: float = _PERIOD_SECONDS
) -> NoReturn:
    """Reload the file when its content changes, until cancelled; unusable content is logged and ignored."""
    outage = OutageLog(log, "client_authorities_unusable", context={"file": client_ca_file})
    while True:
        await asyncio.sleep(period_seconds)
        try:
            content = await asyncio.to_thread(Path(client_ca_file).read_bytes)
            if content != serving.client_authorities:
                serving.replace_client_authorities(content)
                log.info("client_authorities_loaded", file=client_ca_file)
            outage.succeeded()
        except (OSError, UnusableCertificateError) as error:
            outage.failed(error)
