"""Routes of predictions and of the model behind them."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway.auth.domain.principals import HttpProblem, Scope
from services.gateway.leads import prediction_queries
from services.gateway.leads.prediction_responses import ModelCard, Prediction
from services.gateway.web import responses
from services.gateway.web.context import RequestContext
from services.gateway.web.etags import etag_response
from shared.mongo.storage import Storage


def routes(gateway: RequestContext, storage: Storage) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/v1/leads/{lead_id}/prediction", **responses.describe_model("Leads", Prediction))
    async def get_prediction(request: Request, lead_id: str) -> Response:
        """How likely an open lead converts within the horizon, and why. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        found = await prediction_queries.find_prediction(storage, lead_id)
        if found is None:
            raise HttpProblem(404, "There is no open lead with a prediction under this id.")
        return etag_response(request, found)

    @router.get("/v1/model", **responses.describe_model("Analytics", ModelCard))
    async def get_model(request: Request) -> Response:
        """The model behind the predictions, its judgement and its drift. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return etag_response(request, await prediction_queries.model_card(storage))

    return router
