"""The webhook behind the product's TLS listener, and a client that trusts only its authority."""

import http.client
import json
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from app.tls.serving import ServingContext
from app.webhook.application import Webhook as Application
from tests.http_server.background_listener import BackgroundListener
from tests.tls.issued import issue_authority, issue_serving_certificate
from tests.webhook.webhooks import Webhook

_PATIENCE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """The response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The message of a refusal, which is JSON with that one field."""
        assert self.headers["content-type"] == "application/json"
        document = json.loads(self.body)
        assert list(document) in (["error"], ["detail"])
        return str(document["error" if "error" in document else "detail"])


class ServedWebhook:
    """A context manager around a running webhook."""

    def __init__(self, webhook: Webhook) -> None:
        self.webhook = webhook
        now = datetime.now(UTC)
        authority = issue_authority(now)
        serving = ServingContext()
        serving.load(issue_serving_certificate(authority, ("127.0.0.1",), now))
        self._trust = ssl.create_default_context(cadata=authority.certificate.decode())
        self._listener = BackgroundListener(Application(webhook.mutator), serving.context)

    def __enter__(self) -> Self:
        self._listener.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.__exit__(kind, error, trace)

    def connect(self, trust: ssl.SSLContext | None = None) -> http.client.HTTPSConnection:
        """A connection, which the caller closes; *trust* replaces the trust in the webhook's authority."""
        return http.client.HTTPSConnection(
            "127.0.0.1", self._listener.port, timeout=_PATIENCE_SECONDS, context=trust or self._trust
        )

    def ask(
        self, body: bytes | Iterable[bytes] | None, *, method: str = "POST", path: str = "/mutate"
    ) -> Answer:
        """One request on a new connection; an iterable body is sent in chunks."""
        connection = self.connect()
        try:
            return exchange(connection, body, method=method, path=path)
        finally:
            connection.close()


def exchange(
    connection: http.client.HTTPConnection,
    body: bytes | Iterable[bytes] | None,
    *,
    method: str = "POST",
    path: str = "/mutate",
) -> Answer:
    """One request on *connection*."""
    chunked = body is not None and not isinstance(body, bytes)
    headers = {"Content-Type": "application/json"} | ({"Transfer-Encoding": "chunked"} if chunked else {})
    request_body: Any = body
    connection.request(method, path, request_body, headers, encode_chunked=chunked)
    response = connection.getresponse()
    return Answer(
        response.status,
        {name.lower(): value for name, value in response.getheaders()},
        response.read(),
    )
