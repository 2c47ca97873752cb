"""What API servers trust, for the self-dial: a replica that they would refuse is not ready, and says why."""

import structlog

from app.errors import ClusterError, ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.reflector import Reflector
from app.kubernetes.webhook_configuration import CaBundleSink, ca_bundle_of, selection_of
from app.tls.self_dial import SelfDial

log = structlog.get_logger(__name__)


class CaBundleWatch:
    """The caBundle of the webhook *configuration*, from a watch.

    An account without the right to read it (an older chart's, after a rollback) must not take the webhook
    down: then the self-dial goes on without the bundle.
    """

    def __init__(self, client: ClusterClient, configuration: str, self_dial: SelfDial) -> None:
        self._client, self._self_dial = client, self_dial
        self._path = paths.mutating_webhook_configuration(configuration)
        self._bundle: bytes | None = None
        self._is_readable = True
        self.watch = Reflector(
            client,
            selection_of(configuration),
            CaBundleSink(self._take),
            keep=ca_bundle_of,
            when_failed=self._failed,
        )
        self_dial.read_newest = self._read_newest

    @property
    def matches(self) -> bool | None:
        """True while API servers would accept what is served; None where nobody may know."""
        return self._self_dial.reason is None if self._is_readable else None

    def _take(self, bundle: bytes | None) -> None:
        self._bundle, self._is_readable = bundle, True
        self._self_dial.trust(bundle)

    def _failed(self, error: ClusterError) -> None:
        if isinstance(error, ForbiddenError) and self._is_readable:
            self._is_readable = False
            log.warning("ca_bundle_not_compared", path=self._path, reason="the right to watch it is missing")
            self._self_dial.trust_itself()

    async def _read_newest(self) -> bytes | None:
        """The bundle of this moment; where it can't be read, the one that is known."""
        try:
            return ca_bundle_of(await self._client.get(self._path))
        except NotFoundError:
            return None
        except ClusterError:
            return self._bundle
