"""Routes about configuration files that workers refused."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway.auth.domain.principals import Scope
from services.gateway.configuration.domain.refusals import ConfigurationState, state
from services.gateway.web.context import RequestContext
from services.gateway.web.etags import etag_response
from services.gateway.web.responses import describe_model
from shared.mongo.names import CONFIGURATION
from shared.mongo.storage import Storage

_ROWS_MAX = 500


def routes(gateway: RequestContext, storage: Storage) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/v1/configuration", **describe_model("Configuration", ConfigurationState))
    async def get_configuration(request: Request) -> Response:
        """Configuration files that running workers refused, with the place of each fault.

        Empty if all files are in use. Scope `deadletters:manage`, which only the role admin has.
        """
        await gateway.admit(request, Scope.DEAD_LETTERS)
        rows = await storage.find(CONFIGURATION, {"expiresAt": {"$gt": gateway.clock()}}, limit=_ROWS_MAX)
        return etag_response(request, state(rows))

    return router
