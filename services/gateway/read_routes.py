"""Leads for readers: the list, a lead, and what belongs to it (contract 4)."""

from collections.abc import Awaitable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from schemas.lead import Source, Status
from services.gateway import listing, views
from services.gateway.access import Refused, Scope
from services.gateway.answers import fresh
from services.gateway.gateway import Gateway
from services.gateway.listing import cursor_of
from shared.domain.ids import shown
from shared.domain.listing import Question, asked
from shared.domain.permission import Policy
from shared.metrics import Metrics
from shared.storage import Storage

Text = Annotated[str | None, Query(min_length=1, max_length=200)]
_log = structlog.get_logger()
_Cursor = Annotated[str | None, Query(max_length=300)]


def routes(gateway: Gateway, storage: Storage, policy: Policy, metrics: Metrics) -> APIRouter:
    """The routes, on these parts."""
    router = APIRouter()

    async def of_lead(request: Request, answer: Awaitable[Any]) -> Response:
        found = await answer
        if found is None:
            raise Refused(404, "There is no such lead.")
        return fresh(request, found)

    @router.get("/v1/leads", **views.read("Leads", views.LeadPage))
    async def list_leads(  # noqa: PLR0913 - the contract's filters
        request: Request,
        status: Status | None = None,
        source: Source | None = None,
        assigned_to: Annotated[str | None, Query(alias="assignedTo", min_length=1, max_length=200)] = None,
        min_score: Annotated[int | None, Query(alias="minScore", ge=0, le=100)] = None,
        q: Text = None,
        cursor: _Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Response:
        """Leads, newest first. `q`: words of names, company, e-mail or phone, by their beginnings; all must match.

        `assignedTo=(none)` finds leads without an owner. Scope `leads:read`.
        """
        await gateway.admit(request, Scope.READ)
        question = Question(status, source, assigned_to, min_score, asked(q or ""))
        found = await listing.page(storage, question, cursor_of(cursor), limit, gateway.clock())
        left_out = {"unreadable": len(found.unreadable)} if found.unreadable else {}
        for lead_id in found.unreadable:
            metrics.unreadable.inc()
            _log.error("lead.unreadable", lead_id=shown(lead_id), mend="pantry leads check")
        following = found.following.text if found.following else None
        return fresh(request, {"leads": found.leads, "nextCursor": following, **left_out})

    @router.get("/v1/leads/{lead_id}", **views.read("Leads", views.LeadWithActivities))
    async def get_lead(request: Request, lead_id: str) -> Response:
        """A lead, with its latest 100 activities, and which channels may be used for it. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, listing.lead(storage, lead_id, policy))

    @router.get("/v1/leads/{lead_id}/score", **views.read("Leads", views.LeadScore))
    async def get_score(request: Request, lead_id: str) -> Response:
        """Why a lead has its score: each rule with what it looked at, and the changes so far. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, listing.score(storage, lead_id))

    @router.get("/v1/leads/{lead_id}/timeline", **views.read("Leads", views.Timeline))
    async def get_timeline(
        request: Request,
        lead_id: str,
        cursor: _Cursor = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        """Every event that touched a lead, newest first, with its cause. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        before = cursor_of(cursor).key if cursor else None
        return await of_lead(request, listing.timeline(storage, lead_id, before, limit))

    @router.get("/v1/leads/{lead_id}/nurture", **views.read("Leads", views.NurtureSteps))
    async def get_steps(request: Request, lead_id: str) -> Response:
        """What nurture plans for a lead, and what became of it. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        return await of_lead(request, listing.steps(storage, lead_id, policy))

    return router
