"""Certificates of the webhook, and the API servers' client certificates."""

from pydantic import BaseModel, Field

from app.settings.types import CertificateProvider, CommaSeparated


class TlsSettings(BaseModel):
    """The webhook's certificate and certificate authority, and the accepted client certificates."""

    certificate_provider: CertificateProvider = Field(
        CertificateProvider.SELF, description="Who issues the webhook's certificate: self or cert-manager"
    )
    certificate_names: CommaSeparated = Field(
        (), description="DNS names and IP addresses of the webhook's certificate, separated by commas"
    )
    serving_certificate_lifetime: float = Field(
        7 * 86400, ge=10, description="Seconds that a certificate of the webhook lives; renewed at two thirds"
    )
    authority_lifetime: float = Field(
        365 * 86400, ge=30, description="Seconds that the certificate authority lives; renewed at two thirds"
    )
    certificate_check_period: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="Seconds between two looks at what the wall clock says of certificates",
    )
    trust_lag: float = Field(
        10, ge=0, le=600, description="Seconds that API servers may take to learn of a new authority"
    )
    client_ca_file: str = Field(
        "", description="CA file that signs the API servers' client certificates; empty asks for none"
    )
    client_names: CommaSeparated = Field(
        (),
        description="Common names that a client certificate may bear, separated by commas; empty means any",
    )
    tls_secret: str = Field("job-profiler-tls", description="Secret with the webhook's certificate and key")
    ca_secret: str = Field("job-profiler-ca", description="Secret with the certificate authority and its key")
    webhook_configuration: str = Field(
        "job-profiler", description="MutatingWebhookConfiguration whose caBundle the profiler publishes"
    )
