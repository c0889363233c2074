"""Everything that can be set from outside, read once in the composition root."""

import os
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import DirectoryPath, Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

_CONFIG = Path(__file__).resolve().parent.parent / "deploy" / "config"


class Settings(BaseSettings):
    """Settings from the environment, each named `PANTRY_` + the field's name in capitals.

    One that the environment doesn't name may stand in a file: in `PANTRY_SECRETS_DIR`, called `pantry_` + the field's
    name, as containers mount secrets.
    """

    model_config = SettingsConfigDict(env_prefix="PANTRY_", extra="ignore", frozen=True)

    kafka_bootstrap: str | None = Field(None, description="host:port,… of Kafka; unset: a broker is started here")
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="how the broker is spoken to: encrypted (ssl), by user and password (sasl), or both"
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = Field(
        "SCRAM-SHA-512", description="how user and password are shown to the broker"
    )
    kafka_username: str | None = Field(None, min_length=1, description="user at the broker")
    kafka_password: SecretStr | None = Field(None, min_length=1, description="that user's password")
    kafka_ca_file: FilePath | None = Field(
        None, description="PEM of the authority that signed the broker's certificate; unset: the system's authorities"
    )
    kafka_certificate_file: FilePath | None = Field(
        None, description="PEM of a certificate of our own, where the broker asks for one"
    )
    kafka_key_file: FilePath | None = Field(None, description="PEM of that certificate's key")
    mongo_url: str | None = Field(
        None, repr=False, description="MongoDB's URL; unset: a database is started here; may have tls=true&tlsCAFile=…"
    )
    mongo_username: str | None = Field(None, min_length=1, description="user at MongoDB")
    mongo_password: SecretStr | None = Field(None, min_length=1, description="that user's password")
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
    gateway_secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="signs form tokens, webhooks, sign-in links; the same for every gateway process",
    )
    http_body_max: int = Field(1024 * 1024, ge=1024, description="bytes that a request's body may have")
    http_batch_max: int = Field(1_000, ge=1, description="lines that a batch of scans may have")
    ack_timeout_s: float = Field(10.0, gt=0, description="seconds that a request waits for Kafka's acknowledgement")
    timezone: str = Field(
        "UTC", description="zone of the days leads are counted by and of dates in rules: Europe/Vienna"
    )
    region: str = Field("US", pattern=r"^[A-Z]{2}$", description="region of phone numbers without a country code")
    consent_policy: Literal["opt_out", "opt_in"] = Field(
        "opt_out", description="where nothing was stated: opt_out lets mail and calls go, opt_in does not"
    )
    batch_max: int = Field(500, ge=1, le=10_000, description="most records that one batch takes")
    session_timeout_ms: int = Field(10_000, ge=1_000, description="silence after which a consumer's partitions move")
    breaker_share: float = Field(
        0.2,
        gt=0,
        le=1,
        description="share of its newest 250 records on which a failing handler stops a worker; 1: no limit",
    )
    breaker_in_a_row: int = Field(
        50, ge=0, description="failures of a handler in a row that stop a worker; 0: no limit"
    )
    retry_max_s: float = Field(5.0, gt=0, description="longest pause between two tries while a server is away")
    rules_file: Path = Field(_CONFIG / "rules.yaml", description="scoring rules")
    sequences_file: Path = Field(_CONFIG / "sequences.yaml", description="nurture sequences")
    triggers_file: Path = Field(_CONFIG / "triggers.yaml", description="behaviour that triggers sequences")
    assignment_file: Path = Field(_CONFIG / "assignment.yaml", description="assignment rules")
    orphan_ttl: float = Field(900.0, gt=0, description="seconds that an event waits for a lead nobody knows yet")
    command_patience: float = Field(
        3.0, ge=0, description="seconds that a command waits for a status of its lead that allows it; 0: judged at once"
    )
    pending_max: int = Field(10_000, ge=0, description="events of one source that may wait for leads nobody knows yet")
    erasure_pepper: SecretStr = Field(SecretStr(""), description="secret that the ids of tombstones are derived with")
    prediction_horizon_days: int = Field(
        90, ge=1, le=730, description="days from its scoring within which a lead is predicted to convert, or not"
    )
    lease_s: float = Field(60.0, gt=0, description="how long a scheduler may hold a due step before another takes it")
    secrets_dir: DirectoryPath | None = Field(None, description="folder of files with settings that are secrets")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else JSON")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @property
    def zone(self) -> ZoneInfo:
        """The zone that `timezone` names."""
        return ZoneInfo(self.timezone)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (LookupError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None

    @model_validator(mode="after")
    def _lets_us_in(self) -> Self:
        faults = [fault for wrong, fault in (*self._kafka_faults(), *self._mongo_faults()) if wrong]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _kafka_faults(self) -> tuple[tuple[bool, str], ...]:
        """What can't be meant: a secret that is never shown, a wire that is less safe than somebody thinks."""
        sasl, encrypted = self.kafka_security.startswith("sasl"), self.kafka_security.endswith("ssl")
        login, own = (self.kafka_username, self.kafka_password), (self.kafka_certificate_file, self.kafka_key_file)
        kind = f"PANTRY_KAFKA_SECURITY={self.kafka_security}"
        return (
            ((sasl or encrypted) and not self.kafka_bootstrap, f"{kind} needs PANTRY_KAFKA_BOOTSTRAP"),
            (sasl and None in login, f"{kind} needs PANTRY_KAFKA_USERNAME and PANTRY_KAFKA_PASSWORD"),
            (not sasl and any(login), f"PANTRY_KAFKA_USERNAME and _PASSWORD are of no use with {kind}"),
            (not encrypted and any((self.kafka_ca_file, *own)), f"PANTRY_KAFKA_…_FILE are of no use with {kind}"),
            (own.count(None) == 1, "PANTRY_KAFKA_CERTIFICATE_FILE and PANTRY_KAFKA_KEY_FILE need each other"),
        )

    def _mongo_faults(self) -> tuple[tuple[bool, str], ...]:
        login, url = (self.mongo_username, self.mongo_password), self.mongo_url or ""
        return (
            (login.count(None) == 1, "PANTRY_MONGO_USERNAME and PANTRY_MONGO_PASSWORD need each other"),
            (any(login) and not url, "PANTRY_MONGO_USERNAME needs PANTRY_MONGO_URL"),
            (any(login) and "@" in urlsplit(url).netloc, "PANTRY_MONGO_URL and PANTRY_MONGO_USERNAME both name a user"),
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - there is no .env file; pydantic-settings names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - its folder would be fixed at import
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then files."""
        folder = Path(os.environ.get("PANTRY_SECRETS_DIR", os.devnull))
        # One that isn't there is told as a fault of the setting.
        files = SecretsSettingsSource(settings_cls, folder if folder.is_dir() else None)
        return init_settings, env_settings, files
