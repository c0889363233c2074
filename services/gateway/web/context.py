"""What every route needs: admit a request, publish its events, answer."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic_core import to_json

from schemas.attributes import Attributes
from schemas.base import Model
from schemas.topics import Topic
from services.gateway.auth.authenticator import Authenticator, given_key
from services.gateway.auth.domain import users
from services.gateway.auth.domain.principals import (
    ApiKey,
    HttpProblem,
    Principal,
    Scope,
    WrongOrigin,
    check_history,
)
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import User
from services.gateway.auth.sign_in import SignIn
from services.gateway.web import origins
from services.gateway.web.middleware import problem
from services.gateway.web.publisher import BoundedPublisher
from services.ingest.domain import capture_events
from shared.clock import Clock
from shared.config import Reloading
from shared.domain.identity.placeholders import Placeholders
from shared.domain.ids import loggable_id
from shared.kafka.events import Outgoing

JSON = "application/json"


class FaultPart(TypedDict):
    """A fault of a record, as a batch's answer has it."""

    path: str
    message: str


class Rejection(TypedDict):
    """The part of a batch's answer about one record that can't be used."""

    line: int
    errors: list[FaultPart]


class WarningPart(TypedDict):
    """A value of a batch that was not stored as sent."""

    line: int
    column: str
    message: str


class BatchNotices(TypedDict, total=False):
    """What a batch's answer says besides its accepted and rejected records."""

    warnings: list[WarningPart]
    remarks: list[str]


_NOTHING: BatchNotices = {}


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A record of a batch to publish, and its event's id."""

    id: str
    record: Outgoing


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The parts of a gateway process that routes use."""

    authenticator: Authenticator
    sign_in: SignIn
    publisher: BoundedPublisher
    signer: Signer
    clock: Clock
    region: str
    public_url: str | None
    batch_max: int
    placeholders: Reloading[Placeholders]
    attributes: Reloading[Attributes]
    lost_reasons: tuple[str, ...]

    def base(self, request: Request) -> str:
        """Return the address at which browsers reach the gateway."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    async def admit(self, request: Request, scope: Scope) -> Principal:
        """Return the sender of a request, by key or session, if it has the scope.

        Raises `HttpProblem`.
        """
        token = None if "authorization" in request.headers else request.cookies.get(users.COOKIE)
        if token is None:
            return await self.admit_key(request, scope)
        self.check_origin(request)
        person = await self.authenticator.admit_user(scope, token, address_of(request))
        add_log_facts(request, person=person.name)
        return person

    async def admit_key(self, request: Request, scope: Scope, given: str | None = None) -> ApiKey:
        """Return the key of a request if it has the scope. Raises `HttpProblem`."""
        offered, origin = given or given_key(request.headers), request.headers.get("origin")
        # Our own form pages are on none of the key's sites.
        elsewhere = None if origin and origin == self.base(request) else origin
        try:
            key = await self.authenticator.admit(scope, offered, elsewhere, address_of(request))
        except WrongOrigin as error:
            origins.log_refused(error.key, "posted", elsewhere or "")
            add_log_facts(request, key=error.key)
            raise
        add_log_facts(request, key=key.name)
        return key

    async def person(self, request: Request) -> User | None:
        """Return the user who is signed in at the request's browser, or None."""
        token = request.cookies.get(users.COOKIE)
        return await self.authenticator.sessions.find(token) if token else None

    def check_origin(self, request: Request) -> None:
        """Raises `HttpProblem` (403) for a change that a page of another site sends."""
        users.check_origin(request.method, request.headers, self.base(request))

    def event(  # noqa: PLR0913 - the parts of an event
        self, request: Request, topic: Topic, key: Principal, payload: Model, id_: str, at: datetime
    ) -> Outgoing:
        """Return the event with this data. Raises `Invalid`, and `HttpProblem` for history without its scope."""
        if getattr(payload, "historical", None):
            check_history(key)
        trace = request.headers.get("traceparent")
        return capture_events.event_of(
            topic, payload, id_=id_, source=key.event_source, at=at, region=self.region, traceparent=trace
        )

    async def accept(
        self, request: Request, topic: Topic, key: Principal, data: Mapping[str, object], id_: str | None = None
    ) -> Response:
        """Publish one event, and answer once Kafka has acknowledged it."""
        id_ = chosen_event_id(request) or id_ or str(uuid.uuid4())
        payload = capture_events.payload_of(topic, data, self.region, self.attributes.current)
        at = capture_events.historical_time(data) or self.clock()
        await self.publisher.publish([self.event(request, topic, key, payload, id_, at)])
        add_log_facts(request, event_id=loggable_id(id_))
        answer = Response(to_json({"eventId": id_}), 202, media_type=JSON)
        # Headers that a response is made with cost as much as the whole response.
        answer.raw_headers.append((b"location", event_path(id_).encode()))
        return answer

    async def accept_all(
        self, request: Request, made: Sequence[BatchRecord | Rejection], more: BatchNotices = _NOTHING
    ) -> Response:
        """Publish a batch's valid records and report the others. Answers 422 if none is valid.

        `more` is added to the answer.
        """
        named = [one for one in made if isinstance(one, BatchRecord)]
        rejected = [one for one in made if not isinstance(one, BatchRecord)]
        add_log_facts(request, accepted=len(named), rejected=len(rejected))
        if not named:
            detail = "No record of this batch is valid." if rejected else "This batch has no records."
            return problem(422, detail, accepted=0, rejected=rejected, **more)
        await self.publisher.publish([one.record for one in named])
        ids = [one.id for one in named]
        return JSONResponse({"accepted": len(named), "eventIds": ids, "rejected": rejected, **more}, 202)


def chosen_event_id(request: Request) -> str | None:
    """Return the id that the sender chose (schemas/README.md#http). Raises `Invalid`."""
    given = request.headers.get("idempotency-key")
    return None if given is None else capture_events.check_event_id(given)


def event_path(id_: str) -> str:
    """Return the path at which the event's sender can ask what became of it."""
    segment = quote(id_, safe="")
    # Clients leave out a segment of dots alone.
    return f"/v1/events/{segment if segment.strip('.') else segment.replace('.', '%2E')}"


def media_type(request: Request, *allowed: str) -> str:
    """Return the request's content type without parameters.

    Raises `HttpProblem` (415) for a type that is not allowed.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise HttpProblem(415, f"Send {' or '.join(allowed)}.")
    return given


def address_of(request: Request) -> str | None:
    """Return the sender's address, as trusted proxies forward it."""
    return request.client.host if request.client else None


def add_log_facts(request: Request, **facts: object) -> None:
    """Add facts to the request's log line: ids and counts, never personal data."""
    request.scope.setdefault("state", {}).setdefault("facts", {}).update(facts)
