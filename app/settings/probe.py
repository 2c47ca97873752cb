"""The probe of the webhook through the API server."""

from pydantic import BaseModel, Field

from app.settings.types import JsonObject


class ProbeSettings(BaseModel):
    """The self-probe of the leader: its switch, its period and the expected configuration."""

    probe_enabled: bool = Field(
        True, description="Whether the leader probes the webhook through the API server"
    )
    probe_interval: float = Field(60, ge=1, le=3600, description="Seconds between two probes of the webhook")
    expected_webhook: JsonObject = Field(
        "",
        description="JSON of the rules and selectors expected in WEBHOOK_CONFIGURATION; empty means any",
    )
