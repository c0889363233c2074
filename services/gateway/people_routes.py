"""People sign in and out, and learn who they are here."""

import secrets
from collections.abc import Mapping

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from services.gateway import forms, pages, people
from services.gateway.access import Refused
from services.gateway.answers import fresh
from services.gateway.documents import FORM, ME, described_page, described_read
from services.gateway.domain import Invalid
from services.gateway.gateway import Gateway, address_of, media_type, note
from services.gateway.people import Person

_FOR_PEOPLE = {
    403: "This was not sent by our own page: please sign in here.",
    429: "Too many attempts: please wait a minute.",
    503: "This is not possible just now: please try again in a moment.",
}
_UNREADABLE = "That could not be read: please try again."
_MAX_AGE_S = int(people.SESSION_LIFE.total_seconds())


def routes(gateway: Gateway) -> APIRouter:
    """The routes, on these parts."""
    router = APIRouter()

    @router.get("/signin", **described_page("A page to sign in on.", query=("token",)))
    async def ask(request: Request) -> Response:
        """Ask for name and password; or, with a link's `token`, for the press of a button, which uses the link."""
        token = request.query_params.get("token")
        try:
            if token is not None:
                return _page(token=token, name=await gateway.sign_in.whose(token))
            return RedirectResponse("/", 303) if await gateway.person(request) else _page()
        except Refused as error:
            return _refused(error)

    @router.post("/signin", **described_page("On to the dashboard.", fields=("name", "password", "token")))
    async def sign_in(request: Request) -> Response:
        """Sign in by name and password, or by a link's `token`. Only our own page may ask for it."""
        try:
            person, token = await _signed_in(gateway, request)
        except Invalid:
            return _page(_UNREADABLE, status=422)
        except Refused as error:
            return _refused(error)
        note(request, person=person.name)
        answer = RedirectResponse("/", 303)
        secure = gateway.base(request).startswith("https:")
        answer.set_cookie(people.COOKIE, token, _MAX_AGE_S, secure=secure, httponly=True, samesite="strict")
        return answer

    @router.post("/signout", **described_page("On to the page to sign in on."))
    async def sign_out(request: Request) -> Response:
        """End the session, on all gateway processes within five seconds. Only our own pages may ask for it."""
        gateway.check_origin(request)
        if token := request.cookies.get(people.COOKIE):
            await gateway.gate.sessions.end(token)
        answer = RedirectResponse("/signin", 303)
        answer.delete_cookie(people.COOKIE, httponly=True, samesite="strict")
        return answer

    @router.get("/v1/me", **described_read(ME, "People", security=("session",)))
    async def me(request: Request) -> Response:
        """Tell who is signed in, and what that person may do."""
        person = await gateway.gate.know_person(request.cookies.get(people.COOKIE), address_of(request))
        note(request, person=person.name)
        return fresh(request, {"name": person.name, "role": person.role, "scopes": person.scopes})

    return router


async def _signed_in(gateway: Gateway, request: Request) -> tuple[Person, str]:
    gateway.check_origin(request)
    media_type(request, FORM)
    sent, address = forms.fields_of(await request.body()), address_of(request)
    if "token" in sent:
        return await gateway.sign_in.by_link(sent["token"], address)
    return await gateway.sign_in.by_password(sent.get("name", ""), sent.get("password", ""), address)


def _refused(error: Refused) -> Response:
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
