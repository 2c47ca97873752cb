"""Role, listeners, shutdown and logs of the process."""

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from app.settings.types import LogFormat, LogLevel, Port, Role


class ServingSettings(BaseModel):
    """The role of the process, its two listeners, its shutdown and its log lines."""

    role: Role = Field(
        Role.COMBINED, description="Role of this process: webhook, profiler or combined (both)"
    )
    bind_address: str = Field(
        "::",
        description="Address that both listeners bind; :: means all of IPv6 and IPv4 (of IPv4 alone without"
        " IPv6 in the kernel), 0.0.0.0 all of IPv4",
    )
    webhook_port: Port = Field(10250, description="Port of the webhook (HTTPS)")
    health_port: Port = Field(8080, description="Port of /livez, /readyz and /metrics (HTTP)")
    max_review_bytes: int = Field(
        20 * 1024 * 1024,
        ge=65536,
        le=48 * 1024 * 1024,
        description="Bytes of the largest accepted admission review; JSON turns 3 MiB of a Pod into up to 18",
    )
    max_client_connections: int = Field(
        512, ge=16, le=10000, description="Open connections of clients of the webhook, at most"
    )
    max_client_connections_per_address: int = Field(
        256,
        ge=16,
        le=10000,
        description="Open connections of clients with one source address, at most; with CLIENT_CA_FILE only"
        " those without an accepted certificate",
    )
    shutdown_delay: float = Field(
        10,
        ge=0,
        le=300,
        description="Seconds to keep serving after SIGTERM while /readyz fails, so that endpoints are updated"
        " first",
    )
    log_level: LogLevel = Field(LogLevel.INFO, description="Log level: debug, info, warning or error")
    log_format: LogFormat = Field(LogFormat.JSON, description="Log format: json or console")

    @field_validator("health_port")
    @classmethod
    def _check_distinct_ports(cls, port: int, info: ValidationInfo) -> int:
        if port == info.data.get("webhook_port"):
            raise ValueError("must not be WEBHOOK_PORT: one process listens on both")
        return port
