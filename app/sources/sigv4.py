"""AWS Signature Version 4 for Amazon Managed Service for Prometheus, by botocore, an optional extra.

The credentials are those of the environment: the role of the service account, of the Pod, or of the node.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx

from app.errors import SourceError

_SERVICE = "aps"
# Signed together with the body. Other headers may change on the way to the server.
_SIGNED_HEADERS = ("host", "content-type")


class SigV4(httpx.Auth):
    """Signs each request; raises SourceError if botocore or the credentials are missing."""

    requires_request_body = True

    def __init__(self, region: str) -> None:
        try:
            from botocore import auth, awsrequest, exceptions, session  # noqa: PLC0415 - an optional extra
        except ImportError as error:
            message = "PROMETHEUS_SIGV4_REGION needs botocore: install the program with the extra `aws`"
            raise SourceError("ExtraMissing", message) from error
        self._region = region
        self._auth, self._request = auth.SigV4Auth, awsrequest.AWSRequest
        self._botocore_error = exceptions.BotoCoreError
        self._session = session.get_session()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Signs in a thread, since botocore may have to fetch credentials."""
        request.headers.update(await asyncio.to_thread(self._signed_headers, request))
        yield request

    def _signed_headers(self, request: httpx.Request) -> dict[str, str]:
        aws_request: Any = self._request(
            method=request.method,
            url=str(request.url),
            data=request.content,
            headers={name: request.headers[name] for name in _SIGNED_HEADERS if name in request.headers},
        )
        try:
            credentials = self._session.get_credentials()
            if credentials is None:
                raise SourceError("NoCredentials", "no AWS credentials were found in the environment")
            frozen = credentials.get_frozen_credentials()
            self._auth(frozen, _SERVICE, self._region).add_auth(aws_request)
        except self._botocore_error as error:
            raise SourceError("NoCredentials", f"AWS credentials can't be loaded: {error}") from error
        return dict(aws_request.headers.items())
