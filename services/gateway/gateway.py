"""What every route needs, and the three things they do: let in, accept, and answer."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from schemas.base import Model
from schemas.topics import Topic
from services.gateway import domain, people
from services.gateway.access import Key, Principal, Refused, Scope
from services.gateway.door import Door
from services.gateway.gate import Gate, given_key
from services.gateway.people import Person
from services.gateway.signin import SignIn
from services.gateway.signing import Signer
from shared.clock import Clock
from shared.domain.ids import shown
from shared.events import Outgoing

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts of a gateway process."""

    gate: Gate
    sign_in: SignIn
    door: Door
    signer: Signer
    clock: Clock
    region: str
    public_url: str | None
    batch_max: int

    def base(self, request: Request) -> str:
        """Where browsers reach us."""
        return (self.public_url or str(request.base_url)).rstrip("/")

    async def admit(self, request: Request, scope: Scope) -> Principal:
        """Whoever a request is from, by a key or else by a session, if they may do this. Raises `Refused`."""
        token = request.cookies.get(people.COOKIE)
        if token is None or "authorization" in request.headers:
            return await self.admit_key(request, scope)
        self.check_origin(request)
        person = await self.gate.admit_person(scope, token, address_of(request))
        note(request, person=person.name)
        return person

    async def admit_key(self, request: Request, scope: Scope, given: str | None = None) -> Key:
        """The key of a request, if it may do this. Raises `Refused`."""
        offered, origin = given or given_key(request.headers), request.headers.get("origin")
        # Our own form pages are on no site of the key's.
        elsewhere = None if origin and origin == self.base(request) else origin
        key = await self.gate.admit(scope, offered, elsewhere, address_of(request))
        note(request, key=key.name)
        return key

    async def person(self, request: Request) -> Person | None:
        """Whoever is signed in at the browser that a request is from."""
        token = request.cookies.get(people.COOKIE)
        return await self.gate.sessions.find(token) if token else None

    def check_origin(self, request: Request) -> None:
        """Raises `Refused` (403) for a change that a page of others asks for."""
        people.check_origin(request.method, request.headers, self.base(request))

    def event(  # noqa: PLR0913 - what it says, and of whom
        self, request: Request, topic: Topic, key: Principal, payload: Model, id_: str, at: datetime
    ) -> Outgoing:
        """The event that says this. Raises `Invalid`."""
        trace = request.headers.get("traceparent")
        return domain.event_of(
            topic, payload, id_=id_, source=key.event_source, at=at, region=self.region, traceparent=trace
        )

    async def accept(
        self, request: Request, topic: Topic, key: Principal, data: Mapping[str, Any], id_: str | None = None
    ) -> JSONResponse:
        """Put one event into its topic, and say so once it is there."""
        id_ = event_id(request) or id_ or str(uuid.uuid4())
        payload = domain.payload_of(topic, data, self.region)
        await self.door.publish([self.event(request, topic, key, payload, id_, self.clock())])
        note(request, event_id=shown(id_))
        return JSONResponse({"eventId": id_}, 202)

    async def accept_all(
        self, request: Request, records: Sequence[Outgoing], rejected: Sequence[Mapping[str, Any]]
    ) -> JSONResponse:
        """Put the usable part of a batch into its topic, and tell what was not."""
        await self.door.publish(records)
        note(request, accepted=len(records), rejected=len(rejected))
        return JSONResponse({"accepted": len(records), "rejected": list(rejected)}, 202)


def event_id(request: Request) -> str | None:
    """The id that the sender chose (contract 4). Raises `Invalid`."""
    given = request.headers.get("idempotency-key")
    return None if given is None else domain.checked_id(given)


def media_type(request: Request, *allowed: str) -> str:
    """The request's content type, without parameters. Raises `Refused` (415) for one that is not allowed."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        raise Refused(415, f"Send {' or '.join(allowed)}.")
    return given


def address_of(request: Request) -> str | None:
    """Where the request comes from, as trusted proxies say."""
    return request.client.host if request.client else None


def note(request: Request, **facts: Any) -> None:
    """Facts for the request's line in the log: ids and counts, never data."""
    request.state.facts = {**getattr(request.state, "facts", {}), **facts}
