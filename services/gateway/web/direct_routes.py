"""Calls the write routes without the framework's layers, which cost more than a capture itself.

The framework keeps the routes too: for the OpenAPI page, and for every other method of their paths.
"""

import inspect
from collections.abc import Iterable

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

from services.gateway.web.middleware import ANSWERED, answer_to

_METHOD = "POST"


class DirectRoutes:
    """Answers `POST` to a fixed path by the route's own function, and everything else by the framework."""

    def __init__(self, app: FastAPI, routers: Iterable[APIRouter]) -> None:
        self._app = app
        self._routes = {
            route.path: route
            for router in routers
            for route in router.routes
            if isinstance(route, APIRoute) and is_direct(route)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Raises what the route raises, unless it is a refusal."""
        route = self._routes.get(scope["path"]) if scope["method"] == _METHOD else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route  # the access log and the metrics name it
        try:
            answer: Response = await route.endpoint(Request(scope, receive))
        except ANSWERED as error:
            answer = answer_to(error)
        await answer(scope, receive, send)


def is_direct(route: BaseRoute) -> bool:
    """Return whether the route's function takes the request alone and returns its whole answer.

    Then the framework has nothing to read for it and nothing to convert.
    """
    if not isinstance(route, APIRoute) or route.methods != {_METHOD} or route.dependencies:
        return False
    signature = inspect.signature(route.endpoint, eval_str=True)
    takes = [one.annotation for one in signature.parameters.values()]
    return takes == [Request] and signature.return_annotation is Response and "{" not in route.path
