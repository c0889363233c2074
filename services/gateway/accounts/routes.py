"""Routes to sign in, sign out, and show the signed-in user."""

import secrets
from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.gateway.auth.domain import users
from services.gateway.auth.domain.principals import HttpProblem
from services.gateway.auth.domain.users import User
from services.gateway.forms import pages
from services.gateway.forms.domain import submissions
from services.gateway.web.context import RequestContext, add_log_facts, address_of, media_type
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import FORM, ME, describe_page, describe_read
from services.ingest.domain.capture_events import Invalid

_FOR_PEOPLE = {
    403: "That did not come from this page. Please sign in here.",
    429: "Too many attempts. Please wait a minute, or sign in with a link.",
    503: "Signing in is not possible right now. Please try again in a moment.",
}
_UNREADABLE = "Something went wrong with the form. Please try again."
_MAX_AGE_S = int(users.SESSION_LIFE.total_seconds())
_DEVICE_AGE_S = int(users.DEVICE_LIFE.total_seconds())


def routes(gateway: RequestContext) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/signin", **describe_page("The sign-in page.", query=("token",)))
    async def ask(request: Request) -> Response:
        """Ask for name and password; with a link's `token`, for a button press that uses the link."""
        token = request.query_params.get("token")
        try:
            if token is not None:
                return _page(token=token, name=await gateway.sign_in.user_of_link(token))
            return RedirectResponse("/", 303) if await gateway.person(request) else _page()
        except HttpProblem as error:
            return _refused(error)

    @router.post("/signin", **describe_page("Redirects to the dashboard.", fields=("name", "password", "token")))
    async def sign_in(request: Request) -> Response:
        """Sign in by name and password, or by a link's `token`. Only our own page may send it."""
        try:
            person, token = await _signed_in(gateway, request)
        except Invalid:
            return _page(_UNREADABLE, status=422)
        except HttpProblem as error:
            return _refused(error)
        add_log_facts(request, person=person.name)
        answer = RedirectResponse("/", 303)
        secure = gateway.base(request).startswith("https:")
        answer.set_cookie(users.COOKIE, token, _MAX_AGE_S, secure=secure, httponly=True, samesite="strict")
        cookie, value = gateway.sign_in.device_cookie(person)
        answer.set_cookie(cookie, value, _DEVICE_AGE_S, path="/signin", secure=secure, httponly=True, samesite="strict")
        return answer

    @router.post("/signout", **describe_page("Redirects to the sign-in page."))
    async def sign_out(request: Request) -> Response:
        """End the session in all gateway processes within five seconds.

        Only our own pages may send it.
        """
        gateway.check_origin(request)
        if token := request.cookies.get(users.COOKIE):
            await gateway.authenticator.sessions.end(token)
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(users.COOKIE, httponly=True, samesite="strict")
        return answer

    @router.get("/v1/me", **describe_read(ME, "Users", security=("session",)))
    async def me(request: Request) -> Response:
        """Return the signed-in user, and what the user may do."""
        person = await gateway.authenticator.identify_user(request.cookies.get(users.COOKIE), address_of(request))
        add_log_facts(request, person=person.name)
        return etag_response(request, {"name": person.name, "role": person.role, "scopes": person.scopes})

    return router


async def _signed_in(gateway: RequestContext, request: Request) -> tuple[User, str]:
    gateway.check_origin(request)
    media_type(request, FORM)
    sent, address = submissions.fields_of(await request.body()), address_of(request)
    if "token" in sent:
        return await gateway.sign_in.by_link(sent["token"], address)
    name, password = sent.get("name", ""), sent.get("password", "")
    return await gateway.sign_in.by_password(name, password, address, request.cookies)


def _refused(error: HttpProblem) -> Response:
    headers = {name: value for name, value in error.headers.items() if name != "WWW-Authenticate"}
    return _page(_FOR_PEOPLE.get(error.status, error.detail), status=error.status, headers=headers)


def _page(
    fault: str | None = None,
    *,
    token: str = "",
    name: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    nonce = secrets.token_urlsafe(12)
    rules = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    html = pages.signin_page(nonce, fault=fault, token=token, name=name)
    return HTMLResponse(html, status, {**(headers or {}), "Content-Security-Policy": rules})
