"""Everything that can be set from outside, read once in the composition root."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_CONFIG = Path(__file__).resolve().parent.parent / "deploy" / "config"


class Settings(BaseSettings):
    """Settings from the environment, each named `PANTRY_` + the field's name in capitals."""

    model_config = SettingsConfigDict(env_prefix="PANTRY_", extra="ignore", frozen=True)

    kafka_bootstrap: str | None = Field(None, description="host:port,… of Kafka; unset: a broker is started here")
    mongo_url: str | None = Field(None, description="MongoDB's URL; unset: a database is started here")
    mongo_database: str = Field("pantry", description="database that holds the collections")
    backend: Literal["embedded", "apache", "docker"] = Field(
        "embedded", description="what is started here for servers that are not named"
    )
    kafka_idempotence: bool | None = Field(
        None, description="idempotent producer; unset: on, except with the embedded broker, which refuses it"
    )
    topic_replication: int = Field(1, ge=1, description="replicas of each topic that `topics apply` creates")
    data_dir: Path = Field(Path(".pantry"), description="where `up` keeps the embedded database and the servers' logs")
    http_host: str = Field("127.0.0.1", description="address that gateway, health and metrics listen on")
    http_port: int = Field(8080, ge=0, le=65535, description="port of gateway, health and metrics; 0 picks a free one")
    public_url: str | None = Field(None, description="where browsers reach the gateway; unset: as they asked for it")
    trusted_proxies: str = Field(
        "127.0.0.1", description="addresses, separated by commas, whose X-Forwarded-For and -Proto are believed"
    )
    gateway_secret: str | None = Field(
        None,
        min_length=16,
        description="signs form tokens, webhooks, sign-in links; the same for every gateway process",
    )
    http_body_max: int = Field(1024 * 1024, ge=1024, description="bytes that a request's body may have")
    http_batch_max: int = Field(1_000, ge=1, description="lines that a batch of scans may have")
    ack_timeout_s: float = Field(10.0, gt=0, description="seconds that a request waits for Kafka's acknowledgement")
    timezone: str = Field("UTC", description="zone of the days and weeks that leads are counted by, as Europe/Vienna")
    region: str = Field("US", pattern=r"^[A-Z]{2}$", description="region of phone numbers without a country code")
    batch_max: int = Field(500, ge=1, le=10_000, description="most records that one batch takes")
    session_timeout_ms: int = Field(10_000, ge=1_000, description="silence after which a consumer's partitions move")
    breaker_share: float = Field(
        0.2, gt=0, le=1, description="share of its newest 250 records whose dead letters stop a worker; 1: no limit"
    )
    breaker_in_a_row: int = Field(
        50, ge=0, description="records in a row whose dead letters stop a worker; 0: no limit"
    )
    retry_max_s: float = Field(5.0, gt=0, description="longest pause between two tries while a server is away")
    rules_file: Path = Field(_CONFIG / "rules.yaml", description="scoring rules")
    sequences_file: Path = Field(_CONFIG / "sequences.yaml", description="nurture sequences")
    triggers_file: Path = Field(_CONFIG / "triggers.yaml", description="behaviour that triggers sequences")
    assignment_file: Path = Field(_CONFIG / "assignment.yaml", description="assignment rules")
    orphan_ttl: float = Field(900.0, gt=0, description="seconds that an event waits for a lead nobody knows yet")
    erasure_pepper: str = Field("", description="secret that the ids of tombstones are derived with")
    prediction_horizon_days: int = Field(
        90, ge=1, le=730, description="days from its scoring within which a lead is predicted to convert, or not"
    )
    lease_s: float = Field(60.0, gt=0, description="how long a scheduler may hold a due step before another takes it")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else JSON")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (LookupError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None
