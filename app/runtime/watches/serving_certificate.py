"""The watch of the Secret with the webhook's serving certificate."""

from collections.abc import Iterable

import structlog

from app.errors import ClusterError
from app.kubernetes.list_options import Object
from app.kubernetes.secrets import secret_data
from app.tls.key_pairs import key_pair_of
from app.tls.serving import ServingContext, UnusableCertificateError

log = structlog.get_logger(__name__)


class ServingCertificateSink:
    """Takes the serving certificate's Secret from a watch and serves what it holds from then on."""

    def __init__(self, serving: ServingContext) -> None:
        self._serving = serving

    def replace(self, objects: Iterable[Object], /) -> None:
        """Take the Secret as it was listed."""
        for manifest in objects:
            self.upsert(manifest)

    def upsert(self, manifest: Object, /) -> None:
        """Take the Secret as it was changed; what can't be served leaves the certificate before it."""
        try:
            pair = key_pair_of(secret_data(manifest))
            if pair is not None and pair != self._serving.loaded:
                self._serving.load(pair)
                log.info("serving_certificate_loaded")
        except (ClusterError, UnusableCertificateError) as error:
            log.warning("serving_certificate_unusable", error=str(error))

    def delete(self, _manifest: Object, /) -> None:
        """Go on with the certificate that was served last."""
        log.warning("serving_certificate_deleted")
