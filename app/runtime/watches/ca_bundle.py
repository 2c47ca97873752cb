"""Watch of the published CA bundle, for the self-dial: API servers must accept a ready replica."""

import structlog

from app.errors import ClusterError, ForbiddenError, NotFoundError
from app.kubernetes import paths
from app.kubernetes.client import ClusterClient
from app.kubernetes.reflector import Reflector
from app.kubernetes.webhook_configuration import CaBundleSink, ca_bundle_of, configuration_selection
from app.tls.self_dial import SelfDial

log = structlog.get_logger(__name__)


class CaBundleWatch:
    """Passes the watched caBundle of the webhook *configuration* to the self-dial.

    If the account has no right to read it (that of an older chart, after a rollback), the self-dial goes on
    without a bundle, so that the webhook stays available.
    """

    def __init__(self, client: ClusterClient, configuration: str, self_dial: SelfDial) -> None:
        self._client, self._self_dial = client, self_dial
        self._path = paths.mutating_webhook_configuration(configuration)
        self._bundle: bytes | None = None
        self._is_readable = True
        self.watch = Reflector(
            client,
            configuration_selection(configuration),
            CaBundleSink(self._update),
            transform=ca_bundle_of,
            on_error=self._handle_error,
        )
        self_dial.read_current_bundle = self._read_current_bundle

    @property
    def matches(self) -> bool | None:
        """True if API servers would accept the served certificate; None if the bundle can't be read."""
        return self._self_dial.reason is None if self._is_readable else None

    def _update(self, bundle: bytes | None) -> None:
        self._bundle, self._is_readable = bundle, True
        self._self_dial.trust(bundle)

    def _handle_error(self, error: ClusterError) -> None:
        if isinstance(error, ForbiddenError) and self._is_readable:
            self._is_readable = False
            log.warning("ca_bundle_not_compared", path=self._path, reason="the right to watch it is missing")
            self._self_dial.trust_own_certificate()

    async def _read_current_bundle(self) -> bytes | None:
        """The published bundle; the last known one if it can't be read now."""
        try:
            return ca_bundle_of(await self._client.get(self._path))
        except NotFoundError:
            return None
        except ClusterError:
            return self._bundle
