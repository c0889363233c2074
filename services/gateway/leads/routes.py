"""Read routes of leads (schemas/README.md#http): the list, a lead, and its parts."""

from collections.abc import Awaitable
from datetime import tzinfo
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from schemas.lead import Source, Status
from services.gateway.auth.domain.principals import HttpProblem, Scope
from services.gateway.leads import queries
from services.gateway.leads.domain.attribute_filters import choices_in
from services.gateway.leads.domain.date_ranges import key_bounds
from services.gateway.leads.domain.page_cursors import cursor_text, key_before
from services.gateway.leads.list_export import csv_lines, note_unreadable
from services.gateway.leads.page_queries import find_page
from services.gateway.web import responses
from services.gateway.web.context import RequestContext
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import describe_file
from shared.domain.consent.contact_permission import ConsentPolicy
from shared.domain.listing import Question, search_words
from shared.mongo.storage import Storage
from shared.observability.metrics import Metrics

Text = Annotated[str | None, Query(min_length=1, max_length=200)]
_Owner = Annotated[str | None, Query(alias="assignedTo", min_length=1, max_length=200)]
_Score = Annotated[int | None, Query(alias="minScore", ge=0, le=100)]
_Attributes = Annotated[list[str], Query(alias="attribute", max_length=5)]
_From = Annotated[str | None, Query(alias="from", max_length=40)]
_To = Annotated[str | None, Query(alias="to", max_length=40)]
_Cursor = Annotated[str | None, Query(max_length=300)]


def routes(
    gateway: RequestContext, storage: Storage, policy: ConsentPolicy, metrics: Metrics, zone: tzinfo
) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    async def of_lead(request: Request, answer: Awaitable[object]) -> Response:
        found = await answer
        if found is None:
            raise HttpProblem(404, "Lead not found.")
        return etag_response(request, found)

    @router.get("/v1/leads", **responses.describe_model("Leads", responses.LeadPage))
    async def list_leads(  # noqa: PLR0913 - one filter each
        request: Request,
        status: Status | None = None,
        source: Source | None = None,
        assigned_to: _Owner = None,
        min_score: _Score = None,
        q: Text = None,
        attribute: _Attributes = [],  # noqa: B006 - FastAPI copies it
        first: _From = None,
        last: _To = None,
        cursor: _Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Leads, newest first. `q`: beginnings of words in names, company, e-mail, phone.

        All words of `q` must match. `assignedTo=(none)` finds leads without an owner. `from` and `to`: when they were
        created, each a day, or a moment with a zone. `attribute=cuisine:italian`, which can be repeated: an attribute
        that is a choice. Scope `leads:read`.
        """
        await gateway.admit(request, Scope.READ)
        named = choices_in(attribute, gateway.attributes.current)
        question = Question(status, source, assigned_to, min_score, search_words(q or ""), named)
        lower, upper = key_bounds(first, last, zone)
        found = await find_page(storage, question, min(upper, key_before(cursor)), limit, lower)
        left_out = {"unreadable": len(found.unreadable)} if found.unreadable else {}
        note_unreadable(found, metrics)
        following = cursor_text(found.last) if found.last else None
        return etag_response(request, {"leads": found.leads, "nextCursor": following, **left_out})

    @router.get("/v1/leads.csv", **describe_file("A line for each lead, newest first, after a header.", "Leads"))
    async def export_list(  # noqa: PLR0913 - one filter each
        request: Request,
        status: Status | None = None,
        source: Source | None = None,
        assigned_to: _Owner = None,
        min_score: _Score = None,
        q: Text = None,
        attribute: _Attributes = [],  # noqa: B006 - FastAPI copies it
        first: _From = None,
        last: _To = None,
    ) -> Response:
        """The leads of the same selection as a file for spreadsheets. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        named = choices_in(attribute, gateway.attributes.current)
        question = Question(status, source, assigned_to, min_score, search_words(q or ""), named)
        lines = csv_lines(storage, question, key_bounds(first, last, zone), metrics)
        saved = {"content-disposition": 'attachment; filename="leads.csv"'}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=saved)

    @router.get("/v1/leads/{lead_id}", **responses.describe_model("Leads", responses.LeadWithActivities))
    async def get_lead(request: Request, lead_id: str) -> Response:
        """A lead, its latest 100 activities and notes, its contact permissions. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, queries.find_lead(storage, lead_id, policy))

    @router.get("/v1/leads/{lead_id}/score", **responses.describe_model("Leads", responses.LeadScore))
    async def get_score(request: Request, lead_id: str) -> Response:
        """The reasons of a lead's score, rule by rule, and its changes. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, queries.explain_score(storage, lead_id))

    @router.get("/v1/leads/{lead_id}/timeline", **responses.describe_model("Leads", responses.Timeline))
    async def get_timeline(
        request: Request,
        lead_id: str,
        cursor: _Cursor = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        """The events that touched a lead, newest first, with causes. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, queries.find_timeline(storage, lead_id, key_before(cursor or None), limit))

    @router.get("/v1/leads/{lead_id}/nurture", **responses.describe_model("Leads", responses.NurtureSteps))
    async def get_steps(request: Request, lead_id: str) -> Response:
        """A lead's nurture steps and their outcomes. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, queries.nurture_steps(storage, lead_id, policy))

    return router
