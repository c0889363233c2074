"""What became of an event (schemas/README.md#http): its sender may ask."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from starlette.convertors import Convertor, register_url_convertor

from schemas.base import ID_MAX
from services.gateway.auth.domain.principals import HttpProblem, KeyKind, Scope
from services.gateway.outcomes.domain.event_states import EventOutcome, EventState, outcome
from services.gateway.outcomes.outcome_queries import find_outcome
from services.gateway.web import responses
from services.gateway.web.context import RequestContext, add_log_facts
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import RouteDocs
from shared.domain.ids import loggable_id
from shared.mongo.storage import Storage

_ANY_TEXT = "text"
_LEAD = "9c1f0b52-3d3e-5a41-8f0c-2f4a7f1c6d10"
EXAMPLES: Mapping[str, EventOutcome] = {
    "not handled yet, or unknown": outcome(EventState.PENDING),
    "a capture that made a lead": outcome(EventState.CREATED, _LEAD),
    "a capture of a known person": outcome(EventState.MERGED, _LEAD),
    "a command, an activity or an engagement": outcome(EventState.DONE, _LEAD),
    "its lead is not known yet": outcome(EventState.WAITING),
    "a command that its lead does not allow": outcome(EventState.REJECTED, _LEAD, "lead_not_qualified"),
    "a record that no handler can use": outcome(EventState.DEAD_LETTERED, reason="lead_not_found"),
    "its lead is erased": outcome(EventState.ERASED, _LEAD),
}


class _AnyText(Convertor[str]):
    """A part of a path that may have slashes and line ends, unlike Starlette's own."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        """Return the text."""
        return value

    def to_string(self, value: str) -> str:
        """Return the text."""
        return value


def routes(gateway: RequestContext, storage: Storage) -> APIRouter:
    """Return the route."""
    router = APIRouter()
    register_url_convertor(_ANY_TEXT, _AnyText())

    @router.get(f"/v1/events/{{event_id:{_ANY_TEXT}}}", **_describe())
    async def get_event(request: Request, event_id: Annotated[str, Path(min_length=1, max_length=ID_MAX)]) -> Response:
        """What became of an event that this key or user sent. Scope `leads:read`.

        The header `Location` of the event's 202 has this address. The event of another sender is unknown here. An
        unknown event is `pending`: one that was sent a moment ago may have left no trace yet.
        """
        sender = await gateway.admit(request, Scope.READ)
        if sender.kind == KeyKind.FORM:
            raise HttpProblem(403, "A form key captures leads and reads nothing.")
        add_log_facts(request, event_id=loggable_id(event_id))
        found = await find_outcome(storage, sender.event_source, event_id)
        return etag_response(request, found.wire())

    return router


def _describe() -> RouteDocs:
    docs = responses.describe_model("Events", EventOutcome)
    examples = {name: {"value": one.wire()} for name, one in EXAMPLES.items()}
    docs["responses"][200]["content"] = {"application/json": {"examples": examples}}
    return docs
