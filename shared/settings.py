"""The settings of a process. The composition root reads them once."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import DirectoryPath, Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

_CONFIG = Path(__file__).resolve().parent.parent / "deploy" / "config"


_PORTS = {"http": 80, "https": 443}


class Settings(BaseSettings):
    """Settings from the environment, each named `PANTRY_` + the field's name in capitals.

    A setting that the environment doesn't name may be a file in `PANTRY_SECRETS_DIR`, as containers mount secrets. The
    file's name is `pantry_` + the field's name.
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
    data_dir: Path = Field(
        Path(".pantry"), description="where `up` keeps the embedded database, the servers' logs and secrets"
    )
    http_host: str = Field("127.0.0.1", description="address that gateway, health and metrics listen on")
    http_port: int = Field(8080, ge=0, le=65535, description="port of gateway, health and metrics; 0 picks a free one")
    http_connections_max: int = Field(2_000, ge=16, description="connections that a process holds at once")
    ops_host: str | None = Field(
        None, description="address that the operations port listens on; unset: PANTRY_HTTP_HOST"
    )
    ops_port: int | None = Field(
        None, ge=0, le=65535, description="port of health and metrics, which no other port answers then; 0: a free one"
    )
    public_url: str | None = Field(
        None,
        description="where browsers reach the gateway, as https://leads.example; unset, on loopback only: as they ask",
    )
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
    placeholders_file: Path = Field(
        _CONFIG / "placeholders.yaml", description="addresses and phone numbers that count as missing"
    )
    shared_identifier_max: int = Field(
        50, ge=1, le=1_000, description="persons' names under which one e-mail may be captured and still identify"
    )
    orphan_ttl: float = Field(900.0, gt=0, description="seconds that an event waits for a lead nobody knows yet")
    command_patience: float = Field(
        3.0, ge=0, description="seconds that a command waits for a status of its lead that allows it; 0: judged at once"
    )
    pending_max: int = Field(10_000, ge=0, description="events of one source that may wait for leads nobody knows yet")
    erasure_pepper: SecretStr = Field(
        SecretStr(""), description="secret that an erased lead's names are hashed with; the same for every worker"
    )
    prediction_horizon_days: int = Field(
        90, ge=1, le=730, description="days from its scoring within which a lead is predicted to convert, or not"
    )
    lease_s: float = Field(60.0, gt=0, description="how long a scheduler may hold a due step before another takes it")
    secrets_dir: DirectoryPath | None = Field(None, description="folder of files with settings that are secrets")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else JSON")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that `timezone` names."""
        return ZoneInfo(self.timezone)

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (LookupError, ValueError, OSError):
            raise ValueError("there is no such time zone") from None

    @field_validator("public_url")
    @classmethod
    def _is_an_origin(cls, url: str | None) -> str | None:
        return None if url is None else origin_of(url)

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach this process over HTTP."""
        try:
            return not ip_address(self.http_host).is_loopback
        except ValueError:
            return self.http_host.lower() != "localhost"

    @model_validator(mode="after")
    def _lets_us_in(self) -> Self:
        faults = [fault for wrong, fault in (*self._kafka_faults(), *self._mongo_faults()) if wrong]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _kafka_faults(self) -> tuple[tuple[bool, str], ...]:
        """Return contradictions: an unused secret, or a connection less safe than it seems."""
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
        """Return the sources by precedence: arguments, environment, files."""
        folder = Path(os.environ.get("PANTRY_SECRETS_DIR", os.devnull))
        # Validation reports a folder that is missing.
        files = SecretsSettingsSource(settings_cls, folder if folder.is_dir() else None)
        return init_settings, env_settings, files


def origin_of(url: str) -> str:
    """Return a URL as browsers write an origin. Raises `ValueError` if it is no origin."""
    fault = "write scheme, host and port alone, as https://leads.example or http://localhost:8080"
    if not url.isascii() or any(one.isspace() for one in url):
        raise ValueError(f"{fault}; a host with other letters as xn--…")
    parts = urlsplit(url)
    scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    if scheme not in _PORTS or not host or parts.username is not None or parts.path not in {"", "/"}:
        raise ValueError(fault)
    if parts.query or parts.fragment:
        raise ValueError(fault)
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port in {None, _PORTS[scheme]} else f"{scheme}://{shown}:{port}"
