"""The direct way to a route and the framework's way give the same answers, events, log lines and metrics."""

import asyncio
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import pytest
from aiokafka.errors import KafkaConnectionError
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from pydantic import SecretStr
from starlette.types import Message
from structlog.testing import capture_logs

from services.gateway import app as gateway_app
from services.gateway.auth.domain import key_lifecycle, principals
from services.gateway.auth.domain.principals import ApiKey, KeyKind, Scope
from services.gateway.web.direct_routes import DirectRoutes
from shared.consuming.worker import Runtime
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.kafka.client import Publisher
from shared.kafka.events import Outgoing
from shared.mongo.names import KEYS, RATES
from shared.mongo.storage import Storage
from shared.observability.metrics import Metrics
from shared.settings import Settings
from tests.builders import NOW, data

BODY_MAX = 2_000
WRONG: tuple[Any, ...] = (None, 5, "", [], {"email": 1})
DIRECT = ["/v1/leads", "/v1/activities", "/v1/engagements", "/v1/scans", "/signin", "/signout"]
SITE = "https://blue.example"
OWN = "http://gateway.example"
ALL = tuple(Scope)
MAKE = key_lifecycle.new_key
STORED = [
    MAKE("shop", KeyKind.SERVER, "word", NOW, scopes=ALL),
    MAKE("hall", KeyKind.SERVER, "word", NOW, scopes=(Scope.CAPTURE,), sources=("trade_show",)),
    MAKE("spring", KeyKind.FORM, "word", NOW, origins=(SITE,), redirects=(f"{SITE}/thanks",), per_address=1_000),
    MAKE("busy", KeyKind.SERVER, "word", NOW, scopes=ALL, per_minute=1),
    key_lifecycle.revoke_key(MAKE("gone", KeyKind.SERVER, "word", NOW, scopes=ALL), NOW),
]
CAPTURE = data()
ACTIVITY = {"leadId": "lead-1", "activity": {"type": "call", "description": "rang", "createdBy": "sam"}}
ENGAGEMENT = {"email": "Ana@Example.com", "action": "clicked_pricing"}
FORM_POST = (
    b"contact.firstName=Ana&contact.lastName=Reyes&contact.email=ana%40example.com&company.name=Blue+Fork"
    b"&consent.email=maybe&consent.wording=You+may&_key=kpf_spring_word"
)
TABLE = b"First Name,Surname,E-mail,Organisation\r\nAna,Reyes,ana@example.com,Blue Fork\r\n,,,\r\n"


class KeysOnly(Storage):
    """A database with these keys and no sessions. The limit of `busy` is used up."""

    def __init__(self) -> None:
        """Open nothing."""

    async def scan(self, collection: Any, *_: Any, **__: Any) -> AsyncIterator[list[Any]]:
        assert collection is KEYS
        yield [_document(key) for key in STORED]

    async def read(self, _: Any, ids: Iterable[str], fields: Sequence[str] | None = None) -> dict[str, Any]:
        assert fields is None
        used: dict[str, Any] = {"minute": int(NOW.timestamp() // 60), "used": 10**9}
        return {one: used for one in ids if one == "key:busy"}

    async def change(self, collection: str, changes: Sequence[Any]) -> bool:
        assert collection == RATES
        return "key:busy" not in {one.id for one in changes}


def _document(key: ApiKey) -> dict[str, Any]:
    return {"_id": key.name, **key.model_dump(by_alias=True, exclude={"name"})}


class Remembering(Publisher):
    """Keeps what is published. Some addresses make it fail."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def publish(self, worker: str, records: Sequence[Outgoing]) -> None:
        assert worker == "gateway"
        value = b"".join(record.value or b"" for record in records)
        if b"away@" in value:
            raise BrokerUnavailable(KafkaConnectionError())
        if b"large@" in value:
            raise RecordRefused("MessageSizeTooLargeError")
        if b"bug@" in value:
            raise RuntimeError("ana@example.com")
        self.records += records


@dataclass(frozen=True)
class Sent:
    """One request, as the server hands it over."""

    method: str
    path: str
    body: tuple[bytes, ...]
    headers: tuple[tuple[str, str], ...]
    query: bytes = b""

    @property
    def scope(self) -> dict[str, Any]:
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers]
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": ("127.0.0.1", 80),
            "client": ("192.0.2.7", 5_000),
            "scheme": "http",
            "root_path": "",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query,
            "headers": [(b"host", b"gateway.example"), *raw],
            "state": {},
        }


class Gateway:
    """A gateway on no servers, and all that it does for a request."""

    def __init__(self, *, direct: bool) -> None:
        self.publisher, self.metrics = Remembering(), Metrics()
        settings = Settings(gateway_secret=SecretStr("sixteen characters"), http_body_max=BODY_MAX, public_url=None)
        runtime = Runtime(settings, KeysOnly(), self.publisher, lambda: NOW, metrics=self.metrics)
        way = DirectRoutes if direct else _framework_alone
        with patch.object(gateway_app, "DirectRoutes", way):
            self.app = gateway_app.front(runtime, self.metrics, _no_probes).app

    def answer(self, sent: Sent) -> dict[str, Any]:
        """Return what the sender gets, and what else one can see of the request."""
        numbers = iter(range(1_000))
        answered: list[Message] = []
        with (
            patch.object(uuid, "uuid4", lambda: uuid.UUID(int=next(numbers))),
            patch.object(secrets, "token_urlsafe", lambda _: "nonce"),
            capture_logs() as logged,
        ):
            asyncio.run(self._call(sent, answered))
        start, *parts = answered or [{"type": "none"}]
        return {
            "status": start.get("status"),
            "headers": start.get("headers"),
            "body": b"".join(part["body"] for part in parts),
            "published": self.publisher.records,
            "log": [{name: value for name, value in line.items() if name != "ms"} for line in logged],
            "metrics": [line for line in generate_latest(self.metrics.registry).splitlines() if _is_count(line)],
        }

    async def _call(self, sent: Sent, answered: list[Message]) -> None:
        parts = iter(sent.body)
        left = [len(sent.body)]

        async def receive() -> Message:
            left[0] -= 1
            return {"type": "http.request", "body": next(parts), "more_body": left[0] > 0}

        async def send(message: Message) -> None:
            answered.append(message)

        await self.app(sent.scope, receive, send)


def _framework_alone(app: FastAPI, _: object) -> FastAPI:
    return app


async def _no_probes(*_: Any) -> None:
    raise AssertionError("no request here is a probe")


def _is_count(line: bytes) -> bool:
    return line.startswith((b"pantry_http_requests_total{", b"pantry_http_request_seconds_count{"))


def _without(payload: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in payload.items() if key != name}


def _payloads() -> Iterator[object]:
    for payload in (CAPTURE, ACTIVITY, ENGAGEMENT):
        yield payload
        yield from (_without(payload, name) for name in payload)
        yield from ({**payload, name: wrong} for name in payload for wrong in WRONG)
    yield from (data(email=f"{name}@example.com") for name in ("away", "large", "bug"))
    yield data(phone="+1 415 555 2671", email=None, consent={"email": True, "wording": "You may"}, context={"utm": "x"})
    yield data(context={"$no": 1})
    yield {**CAPTURE, "form": {"token": "none", "website": ""}}
    yield {**CAPTURE, "form": {"website": "http://spam.example"}}
    yield data(source="phone")
    yield [CAPTURE, 5, data(email="no"), {}]


PAYLOADS = list(_payloads())
BYTES = [
    b"",
    b"{",
    b"null",
    b'"\xff"',
    b"\xef\xbb\xbf{}",
    b'{"source": NaN}',
    b'{"a": "\\u0000"}',
    b'{"a": "\\ud800"}',
    b'{"a": 99999999999999999999}',
    b"[" * 30 + b"]" * 30,
    b"x" * (BODY_MAX + 1),
    FORM_POST,
    FORM_POST.replace(b"spring", b"none"),
    FORM_POST + b"&_website=http://spam.example",
    FORM_POST + b"&_redirect=https://evil.example/",
    b"\n".join(json.dumps(one).encode() for one in PAYLOADS[:4]),
    TABLE,
]
WORDS = [principals.format_key(key.kind, key.name, "word") for key in STORED]
BEARERS = [f"Bearer {word}" for word in (*WORDS, "kps_shop_other", "kps_none_word", "x", "")] + ["Basic eDp5", "bearer"]
MEDIA = ["application/json", "Application/JSON; charset=utf-8", "application/x-www-form-urlencoded"]
MEDIA += ["text/csv", "application/x-ndjson", "text/plain", "", "multipart/form-data; boundary=x"]
OTHER_HEADERS = [
    ("origin", SITE),
    ("origin", OWN),
    ("origin", "https://evil.example"),
    ("idempotency-key", "order-7"),
    ("idempotency-key", "no good"),
    ("idempotency-key", ""),
    ("x-request-id", "mine"),
    ("x-request-id", "not mine!"),
    ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
    ("traceparent", "none"),
    ("cookie", "pantry_session=unknown"),
    ("content-length", str(BODY_MAX + 1)),
    ("content-length", "one"),
    ("expect", "100-continue"),
]
# The usual value comes first and often: otherwise nearly every request would be refused for its key.
BODIES = st.sampled_from(PAYLOADS).map(lambda one: json.dumps(one).encode()) | st.sampled_from(BYTES)
USUAL_KEY = st.just(BEARERS[0]) | st.sampled_from(BEARERS)
USUAL_MEDIA = st.just(MEDIA[0]) | st.sampled_from(MEDIA)


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """Requests of which about a third are accepted."""
    path = draw(
        st.sampled_from(DIRECT[:4]) | st.sampled_from([*DIRECT, "/v1/leads/", "/v1/leads/lead-1/qualify", "/x"])
    )
    method = draw(st.just("POST") | st.sampled_from(["POST", "GET", "HEAD", "PUT", "OPTIONS", "DELETE", "BREW"]))
    given_key = draw(st.none() | USUAL_KEY | USUAL_KEY)
    headers = [] if given_key is None else [("authorization", given_key)]
    headers += [("content-type", draw(USUAL_MEDIA)), *draw(st.lists(st.sampled_from(OTHER_HEADERS), max_size=3))]
    body = draw(BODIES)
    cut = draw(st.integers(0, len(body)))
    query = draw(st.sampled_from([b"", b"dates=day-first", b"dates=never", b"unknown=1", b"encoding=x"]))
    return Sent(method, path, draw(st.sampled_from([(body,), (body[:cut], body[cut:])])), tuple(headers), query)


@given(st.lists(requests(), min_size=1, max_size=4))
def test_both_ways_give_the_same_answers_events_log_lines_and_metrics(sent: list[Sent]) -> None:
    direct, framework = Gateway(direct=True), Gateway(direct=False)
    for one in sent:
        assert direct.answer(one) == framework.answer(one)


def _post(path: str, payload: object, *headers: tuple[str, str], key: str = BEARERS[0], media: str = MEDIA[0]) -> Sent:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Sent("POST", path, (body,), (("authorization", key), ("content-type", media), *headers))


EXPECTED = [
    (_post("/v1/leads", CAPTURE), 202),
    (_post("/v1/leads", FORM_POST, media=MEDIA[2]), 303),
    (_post("/v1/activities", ACTIVITY), 202),
    (_post("/v1/engagements", ENGAGEMENT), 202),
    (_post("/v1/scans", TABLE, media="text/csv"), 202),
    (_post("/v1/leads", CAPTURE, ("origin", SITE), key="Bearer kpf_spring_word"), 202),
    (_post("/v1/leads", CAPTURE, ("origin", "https://evil.example"), key="Bearer kpf_spring_word"), 403),
    (_post("/v1/leads", CAPTURE, key="Bearer kps_gone_word"), 401),
    (_post("/v1/leads", CAPTURE, key="Bearer kps_busy_word"), 429),
    (_post("/v1/leads", CAPTURE, media="text/plain"), 415),
    (_post("/v1/leads", b"x" * (BODY_MAX + 1)), 413),
    (_post("/v1/leads", b'"\xff"'), 422),
    (_post("/v1/leads", data(email="away@example.com")), 503),
    (_post("/v1/leads", data(email="large@example.com")), 422),
    (_post("/v1/leads", data(email="bug@example.com")), 500),
    (_post("/signin", b"name=kim", media=MEDIA[2]), 403),
    (Sent("PUT", "/v1/leads", (b"",), ()), 405),
]


@pytest.mark.parametrize(("sent", "status"), EXPECTED, ids=[f"{one.path} {status}" for one, status in EXPECTED])
def test_each_kind_of_answer_is_the_same_both_ways(sent: Sent, status: int) -> None:
    direct, framework = Gateway(direct=True).answer(sent), Gateway(direct=False).answer(sent)
    assert direct == framework
    assert direct["status"] == status
    assert any(f'status="{status}"' in line.decode() for line in direct["metrics"])


def test_the_direct_way_serves_the_posts_to_fixed_paths_and_nothing_else() -> None:
    to_framework: list[str] = []

    class Framework(FastAPI):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            to_framework.append(f"{scope['method']} {scope['path']}")
            await super().__call__(scope, receive, send)

    with patch.object(gateway_app, "FastAPIOffline", Framework):
        gateway = Gateway(direct=True)
    others = [("GET", "/v1/leads"), ("OPTIONS", "/v1/leads"), ("POST", "/v1/leads/lead-1/qualify"), ("POST", "/x")]
    for method, path in [*(("POST", path) for path in DIRECT), *others]:
        gateway.answer(Sent(method, path, (b"",), ()))
    assert to_framework == [f"{method} {path}" for method, path in others]
