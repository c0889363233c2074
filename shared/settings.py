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

MongoDriver = Literal["motor", "pymongo"]
"""A client library for MongoDB."""


class Settings(BaseSettings):
    """Settings from the environment, each named `PANTRY_` + the field's name in capitals.

    A setting that the environment doesn't name may be a file in `PANTRY_SECRETS_DIR`, as containers mount secrets. The
    file's name is `pantry_` + the field's name.
    """

    model_config = SettingsConfigDict(env_prefix="PANTRY_", extra="ignore", frozen=True, use_attribute_docstrings=True)

    kafka_bootstrap: str | None = None
    """Addresses of Kafka, `host:port,…`. If unset, `up` and `demo` start a broker."""
    kafka_security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = "plaintext"
    """How processes connect to Kafka: encrypted (`ssl`), with user and password (`sasl`), or both."""
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = "SCRAM-SHA-512"
    """How a process proves its password to Kafka."""
    kafka_username: str | None = Field(None, min_length=1)
    """User at Kafka, for `sasl_…`."""
    kafka_password: SecretStr | None = Field(None, min_length=1)
    """Password of that user."""
    kafka_ca_file: FilePath | None = None
    """PEM file of the authority that signed Kafka's certificate. If unset, the system's authorities are trusted."""
    kafka_certificate_file: FilePath | None = None
    """PEM file of the process's own certificate, if Kafka asks for one."""
    kafka_key_file: FilePath | None = None
    """PEM file of that certificate's key."""
    mongo_url: str | None = Field(None, repr=False)
    """URL of MongoDB, with options such as `?tls=true&tlsCAFile=…&authSource=admin`. If unset, `up` and `demo` start a
    database."""
    mongo_username: str | None = Field(None, min_length=1)
    """User at MongoDB, if the URL names none."""
    mongo_password: SecretStr | None = Field(None, min_length=1)
    """Password of that user."""
    mongo_database: str = "pantry"
    """Database that holds the collections."""
    mongo_driver: MongoDriver = "motor"
    """Client library for MongoDB: Motor, or PyMongo's asynchronous API. Both do the same, at about
    the same cost."""
    backend: Literal["embedded", "apache", "docker"] = "embedded"
    """What `up` and `demo` start for servers that no setting names. `apache` runs Kafka's jars, by `mvn` and `java`."""
    kafka_idempotence: bool | None = None
    """Whether the producer is idempotent. If unset, it is, unless `up` or `demo` started the embedded broker, which
    refuses it. A worker whose broker refuses it ends with status 2."""
    topic_replication: int = Field(1, ge=1)
    """Replicas of each topic that `topics apply` creates. Use 3 in production: then it sets `min.insync.replicas=2`."""
    topic_partitions: int | None = Field(None, ge=1)
    """Partitions of each topic that `topics apply` creates: at most so many processes share a worker's records. If
    unset, 12, and 3 if `up` or `demo` started the embedded broker. The dead letter always has 3."""
    data_dir: Path = Path(".pantry")
    """Folder of the embedded database, the servers' logs, and the secrets that `up` and `demo` make. Only its owner can
    read it. One `up` at a time uses it."""
    http_host: str = "127.0.0.1"
    """Address that gateway, health and metrics listen on."""
    http_port: int = Field(8080, ge=0, le=65535)
    """Port of gateway, health and metrics. 0 picks a free one."""
    http_connections_max: int = Field(2_000, ge=16, json_schema_extra={"unit": "connections"})
    """Most connections that a process holds at once. A process needs 512 more open files than that (`ulimit -n`), and
    raises its own limit as far as it may."""
    ops_host: str | None = None
    """Address that the operations port listens on. If unset, it is `PANTRY_HTTP_HOST`."""
    ops_port: int | None = Field(None, ge=0, le=65535)
    """Operations port: only this port then answers health and metrics. 0 picks a free one."""
    public_url: str | None = None
    """Where browsers reach the gateway, such as `https://leads.example`. Needed unless `PANTRY_HTTP_HOST` is
    loopback."""
    trusted_proxies: str = "127.0.0.1"
    """Addresses and networks of the proxies in front, separated by commas. The gateway believes the headers
    `X-Forwarded-For` and `X-Forwarded-Proto` of these alone, and logs `proxy.untrusted` for others."""
    gateway_secret: SecretStr | None = Field(None, min_length=16)
    """Secret that signs form tokens, webhooks and sign-in links. It is the same for every gateway process. `up`
    makes its own, in the data folder."""
    http_body_max: int = Field(1024 * 1024, ge=1024, json_schema_extra={"unit": "bytes"})
    """Most bytes of a request's body."""
    http_batch_max: int = Field(1_000, ge=1, json_schema_extra={"unit": "lines"})
    """Most lines of a batch of scans."""
    ack_timeout_s: float = Field(10.0, gt=0, json_schema_extra={"unit": "seconds"})
    """How long a request waits until Kafka acknowledges its event. Then the gateway answers 503."""
    timezone: str = "UTC"
    """Time zone of the days and weeks by which leads are counted, such as `Europe/Vienna`. Dates without a zone in
    rules and sequences are in it too."""
    region: str = Field("US", pattern=r"^[A-Z]{2}$")
    """Region of phone numbers without a country code."""
    consent_policy: Literal["opt_out", "opt_in"] = "opt_out"
    """What holds for a lead without a statement of consent. `opt_out` allows mail and calls; `opt_in` does not."""
    batch_max: int = Field(500, ge=1, le=10_000, json_schema_extra={"unit": "records"})
    """Most records of a batch."""
    session_timeout_ms: int | None = Field(None, ge=1_000, json_schema_extra={"unit": "milliseconds"})
    """Kafka gives the partitions of a process to others after this much silence. If unset, 10,000, and 2,000 if `up` or
    `demo` started the embedded broker."""
    breaker_share: float = Field(0.2, gt=0, le=1)
    """A worker stops when its handler fails on more than this share of its newest 250 records. 1: no limit."""
    breaker_in_a_row: int = Field(50, ge=0, json_schema_extra={"unit": "records"})
    """A worker stops when its handler fails on this many records in a row. 0: no limit."""
    retry_max_s: float = Field(5.0, gt=0, json_schema_extra={"unit": "seconds"})
    """Longest pause between two tries while a server does not answer."""
    rules_file: Path = _CONFIG / "rules.yaml"
    """Scoring rules. Workers use a saved change at once, and refuse a wrong one. The same holds for the files below."""
    sequences_file: Path = _CONFIG / "sequences.yaml"
    """Nurture sequences."""
    triggers_file: Path = _CONFIG / "triggers.yaml"
    """Triggers: the behaviour that enrols a lead in a sequence."""
    assignment_file: Path = _CONFIG / "assignment.yaml"
    """Assignment rules and owners."""
    placeholders_file: Path = _CONFIG / "placeholders.yaml"
    """Placeholders: addresses and phone numbers that count as missing, such as `noemail@noemail.com`."""
    attributes_file: Path = _CONFIG / "attributes.yaml"
    """Attributes: fields of a lead that this installation declares, such as `cuisine`."""
    shared_identifier_max: int = Field(50, ge=1, le=1_000, json_schema_extra={"unit": "names"})
    """Most names of persons under which one e-mail may be captured. With one more it identifies no lead."""
    lost_reasons: str = Field(
        "price,timing,competitor,no_budget,no_response,not_a_fit,other", pattern=r"^\s*[^\s,][^,]*(,[^,]*[^\s,]\s*)*$"
    )
    """The words that `lostReason` may have, between commas."""
    orphan_ttl: float = Field(900.0, gt=0, json_schema_extra={"unit": "seconds"})
    """How long an event waits for its lead to exist. Then it ends as `lead_not_found`."""
    command_patience: float = Field(3.0, ge=0, json_schema_extra={"unit": "seconds"})
    """How long a command waits for a status of its lead that allows it. 0: the worker decides at once."""
    pending_max: int = Field(10_000, ge=0, json_schema_extra={"unit": "events"})
    """Most pending events of one `source` per worker. A further event ends as `lead_not_found` at once."""
    erasure_pepper: SecretStr = SecretStr("")
    """Pepper: the secret in the hashes of erasure markers. It is the same for every worker; never change it. The
    erasure worker needs one. `up` and `demo` make their own, in the data folder."""
    prediction_horizon_days: int = Field(90, ge=1, le=730, json_schema_extra={"unit": "days"})
    """A prediction says whether a lead converts within this time. Another value trains a new model."""
    lease_s: float = Field(60.0, gt=0, json_schema_extra={"unit": "seconds"})
    """How long a process may hold a lease, such as a scheduler on a due step, before another takes it."""
    secrets_dir: DirectoryPath | None = None
    """Folder of files with settings that the environment does not name, such as `pantry_kafka_password`."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """Form of log lines. `auto` is `console` on a terminal, else `json`. No line has personal data or an error's
    text."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged."""

    @property
    def reasons_lost(self) -> tuple[str, ...]:
        """The words of `lost_reasons`."""
        return tuple(dict.fromkeys(one.strip() for one in self.lost_reasons.split(",")))

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
