"""Predictions: how likely a lead converts (contract 4), and what that is said by."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from services.gateway import predictions, views
from services.gateway.access import Refused, Scope
from services.gateway.answers import fresh
from services.gateway.gateway import Gateway
from services.gateway.prediction_views import ModelCard, Prediction
from shared.storage import Storage


def routes(gateway: Gateway, storage: Storage) -> APIRouter:
    """The routes, on these parts."""
    router = APIRouter()

    @router.get("/v1/leads/{lead_id}/prediction", **views.read("Leads", Prediction))
    async def get_prediction(request: Request, lead_id: str) -> Response:
        """How likely an open lead is to convert within the horizon, and why. Scope `leads:read`."""
        await gateway.admit(request, Scope.READ)
        found = await predictions.of_lead(storage, lead_id)
        if found is None:
            raise Refused(404, "No open lead with a prediction has this id.")
        return fresh(request, found)

    @router.get("/v1/model", **views.read("Analytics", ModelCard))
    async def get_model(request: Request) -> Response:
        """What predictions are made by, how it was judged, and whether leads have changed. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return fresh(request, await predictions.card(storage))

    return router
