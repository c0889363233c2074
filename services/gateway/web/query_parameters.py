"""Refuse unknown query parameters of reads, so that no filter is ignored silently."""

import re
from collections.abc import Iterable

from fastapi import Request
from fastapi.routing import APIRoute

from services.ingest.domain.capture_events import Fault, Invalid

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
# A campaign's link to a form's page may carry any parameter.
_OPEN = "/v1/forms/"


async def check_parameters(request: Request) -> None:
    """Raises `Invalid` for an unknown query parameter of `GET /v1/…`."""
    route = request.scope.get("route")
    if request.method != "GET" or not isinstance(route, APIRoute):
        return
    if route.path.startswith("/v1/") and not route.path.startswith(_OPEN):
        check_names(request.query_params.keys(), _parameters(route))


def _parameters(route: APIRoute) -> set[str]:
    extra = (route.openapi_extra or {}).get("parameters", ())
    return {one.alias for one in route.dependant.query_params} | {one["name"] for one in extra if one["in"] == "query"}


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Raises `Invalid` unless every given name is known."""
    names = ", ".join(sorted(known))
    there = f"is unknown. The parameters are: {names}" if names else "is unknown: this call has no query parameters"
    unknown = sorted(set(given) - set(known))
    # Text that can't be a parameter's name may be personal data: never quote it.
    if faults := [Fault(name if _NAME.fullmatch(name) else "(query)", there) for name in unknown]:
        raise Invalid(*faults)
