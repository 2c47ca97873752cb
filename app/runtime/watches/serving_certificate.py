"""Sink of the watch of the Secret with the webhook's serving certificate."""

from collections.abc import Iterable

import structlog

from app.errors import ClusterError
from app.kubernetes.list_options import Object
from app.kubernetes.secrets import secret_data
from app.tls.key_pairs import key_pair_of
from app.tls.serving import ServingContext, UnusableCertificateError

log = structlog.get_logger(__name__)


class ServingCertificateSink:
    """Serves the certificate in the watched Secret."""

    def __init__(self, serving: ServingContext) -> None:
        self._serving = serving

    def replace(self, objects: Iterable[Object], /) -> None:
        """Load the certificate from a list."""
        for manifest in objects:
            self.upsert(manifest)

    def upsert(self, manifest: Object, /) -> None:
        """Load a changed certificate; an unusable one is logged, and the previous one is kept."""
        try:
            pair = key_pair_of(secret_data(manifest))
            if pair is not None and pair != self._serving.loaded:
                self._serving.load(pair)
                log.info("serving_certificate_loaded")
        except (ClusterError, UnusableCertificateError) as error:
            log.warning("serving_certificate_unusable", error=str(error))

    def delete(self, _manifest: Object, /) -> None:
        """Log the deletion; the last certificate is kept."""
        log.warning("serving_certificate_deleted")
