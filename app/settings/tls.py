"""Certificates of the webhook, and the API servers' client certificates."""

from pydantic import BaseModel, Field

from app.settings.types import CertificateProvider, CommaSeparated


class TlsSettings(BaseModel):
    """The webhook's certificate and certificate authority, and the accepted client certificates."""

    certificate_provider: CertificateProvider = Field(
        CertificateProvider.SELF, description="Issuer of the webhook's certificate: self or cert-manager"
    )
    certificate_names: CommaSeparated = Field(
        (), description="DNS names and IP addresses of the webhook's certificate, separated by commas"
    )
    serving_certificate_lifetime: float = Field(
        7 * 86400, ge=10, description="Seconds that a serving certificate is valid; renewed after two thirds"
    )
    authority_lifetime: float = Field(
        365 * 86400,
        ge=30,
        description="Seconds that the certificate authority is valid; renewed after two thirds",
    )
    certificate_check_period: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="Seconds between checks whether a certificate is due for renewal",
    )
    trust_lag: float = Field(
        10, ge=0, le=600, description="Seconds that API servers may take to trust a new certificate authority"
    )
    client_ca_file: str = Field(
        "",
        description="CA file for client certificates of API servers; empty means that none is required",
    )
    client_names: CommaSeparated = Field(
        (),
        description="Accepted common names of client certificates, separated by commas; empty means any",
    )
    tls_secret: str = Field("job-profiler-tls", description="Secret with the webhook's certificate and key")
    ca_secret: str = Field(
        "job-profiler-ca", description="Secret with the certificate and key of the certificate authority"
    )
    webhook_configuration: str = Field(
        "job-profiler",
        description="MutatingWebhookConfiguration in which the profiler publishes the CA bundle",
    )
