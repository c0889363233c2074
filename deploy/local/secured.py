"""Starts Apache Kafka and the embedded database with TLS and logins.

A new authority signs their certificates. The database starts with one user, the administrator, who creates the others.
Only the broker's tools can create Kafka's users, so Kafka starts with all of them.
"""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.child_process import Process, ServerFailed, free_port
from deploy.local.servers import _apache, _broker_answers, _ping, _secantus

ADMINISTRATOR = "admin"
"""The user that has all rights at both servers."""

_BROKER = "broker"
_LOGIN = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="{}" password="{}";'


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files: the authority's certificate, the server's certificate and its key."""

    ca: Path
    server: Path
    key: Path


def certificates(directory: Path) -> Certificates:
    """Create new certificates. Raises `ServerFailed` without OpenSSL."""
    openssl = shutil.which("openssl")
    if openssl is None:
        raise ServerFailed("certificates need openssl on the PATH")
    directory.mkdir(parents=True, exist_ok=True)
    files = Certificates(*(directory / name for name in ("ca.pem", "server.pem", "server.key")))
    ca_key = directory / "ca.key"
    common = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split()
    authority = ["-subj", "/CN=pantry", "-addext", "keyUsage=critical,keyCertSign"]
    server = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    server += ["-addext", "basicConstraints=critical,CA:FALSE", "-CA", str(files.ca), "-CAkey", str(ca_key)]
    for words, key, out in ((authority, ca_key, files.ca), (server, files.key, files.server)):
        command = [openssl, *common, *words, "-keyout", str(key), "-out", str(out)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - a fixed command
    return files


@contextmanager
def secured_kafka(directory: Path, files: Certificates, passwords: Mapping[str, str]) -> Iterator[str]:
    """Yield Kafka's address. Its users have these `passwords`. Raises `ServerFailed`."""
    port = free_port()
    bootstrap = f"127.0.0.1:{port}"
    directory.mkdir(parents=True, exist_ok=True)
    keystore = directory / "keystore.pem"
    keystore.write_text(files.key.read_text() + files.server.read_text())
    all_passwords = {**passwords, _BROKER: passwords[ADMINISTRATOR]}
    users = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in all_passwords.items()]
    command = _apache(directory, port, properties=_properties(keystore, files.ca, all_passwords[_BROKER]), scram=users)
    login = {"sasl_plain_username": ADMINISTRATOR, "sasl_plain_password": passwords[ADMINISTRATOR]}
    security = {"security_protocol": "SASL_SSL", "sasl_mechanism": "SCRAM-SHA-512", **login}
    context = ssl.create_default_context(cafile=files.ca)
    with ExitStack() as stack:
        _run(stack, directory, command, lambda: _broker_answers(bootstrap, ssl_context=context, **security))
        yield bootstrap


def _properties(keystore: Path, ca: Path, password: str) -> dict[str, str]:
    """Return the broker's properties: clients log in, and need an ACL for every right."""
    return {
        "listeners": "SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": "SASL_SSL://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
        "listener.name.controller.ssl.client.auth": "required",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _LOGIN.format(_BROKER, password),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:CN=localhost;User:{_BROKER};User:{ADMINISTRATOR}",
        "allow.everyone.if.no.acl.found": "false",
    }


@contextmanager
def secured_database(directory: Path, files: Certificates, password: str) -> Iterator[str]:
    """Yield the database's URL; its one user is `ADMINISTRATOR`. Raises `ServerFailed`."""
    port, data = free_port(), directory / "data"
    plain = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    # Only a database without logins lets this create the first user: so it starts twice.
    with ExitStack() as first:
        _run(first, directory, _secantus(data, port), lambda: _ping(plain))
        _create_administrator(plain, password)
    tls = ["--auth", "--tls-cert-file", str(files.server), "--tls-key-file", str(files.key)]
    url = f"{plain}&tls=true&tlsCAFile={files.ca}&w=1&journal=true"
    with ExitStack() as stack:
        _run(stack, directory, _secantus(data, port, *tls), lambda: _ping(url))
        yield url


def _create_administrator(url: str, password: str) -> None:
    from pymongo import MongoClient  # noqa: PLC0415 - only needed to create the first user

    with MongoClient[dict[str, object]](url) as client:
        client.admin.command("createUser", ADMINISTRATOR, pwd=password, roles=[{"role": "root", "db": "admin"}])


def _run(stack: ExitStack, directory: Path, command: list[str], ready: Callable[[], bool]) -> None:
    process = Process(directory.name, command, directory / "server.log", ready)
    process.start()
    stack.callback(process.stop)
