"""Routes for the person that a lead is about: its consent, and all that is kept of it."""

import re

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from services.gateway.auth.domain.principals import HttpProblem, Scope
from services.gateway.leads.consent_queries import find_statements
from services.gateway.web import responses
from services.gateway.web.context import RequestContext
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import JsonObject, describe_read
from shared.leads.lead_export import export_lead
from shared.mongo.storage import Storage

_EXPORT: JsonObject = {
    "type": "object",
    "required": ["exportedAt", "lead"],
    "properties": {"exportedAt": {"type": "string"}, "lead": {"type": "object"}},
}
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]")


def routes(gateway: RequestContext, storage: Storage) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/v1/leads/{lead_id}/consent", **responses.describe_model("Leads", responses.ConsentHistory))
    async def get_consent(request: Request, lead_id: str) -> Response:
        """The consent statements of a lead's latest 200 captures and activities. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        found = await find_statements(storage, lead_id)
        if found is None:
            raise HttpProblem(404, "Lead not found.")
        return etag_response(request, found)

    @router.get("/v1/leads/{lead_id}/export", **describe_read(_EXPORT, "Leads"))
    async def export(request: Request, lead_id: str) -> Response:
        """All that is kept about a lead, for the person that it is about. Scope `leads:read`.

        A JSON object: `lead`, and a list for each collection with data of the lead.
        """
        await gateway.admit(request, Scope.READ)
        parts = await export_lead(storage, lead_id, gateway.clock())
        if parts is None:
            raise HttpProblem(404, "Lead not found.")
        saved = {"content-disposition": f'attachment; filename="lead-{_NOT_PLAIN.sub("_", lead_id)}.json"'}
        return StreamingResponse(parts, media_type="application/json", headers=saved)

    return router
