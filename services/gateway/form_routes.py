"""Web forms: the capture route for browsers and programs, the form pages and the script that we serve."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from schemas.topics import CAPTURED
from services.gateway import access, domain, fields, forms, pages
from services.gateway.access import Key, Kind, Refused, Scope
from services.gateway.documents import ACCEPTED, FORM, described
from services.gateway.domain import Invalid
from services.gateway.gateway import JSON, Gateway, address_of, media_type
from services.gateway.http import answer_to
from services.gateway.pages import FormView

_FOR_PEOPLE = {
    429: "Too many forms were sent from where you are: please wait a minute and send it again.",
    503: "We could not take it just now: please send it again in a moment.",
}
_NOT_HERE = "This form is not in use: please tell the owner of the site."


def routes(gateway: Gateway) -> APIRouter:
    """The routes, on these parts."""
    router = APIRouter()
    taken = described(ACCEPTED, CAPTURED, media={JSON: "object", FORM: "lines"})

    @router.post("/v1/leads", **taken)
    async def capture(request: Request) -> Response:
        """Capture a lead. Scope `captures:write`.

        JSON, or a plain HTML form post, which is answered with a redirect to one of the key's thank-you pages.
        """
        if media_type(request, JSON, FORM) == FORM:
            return await _plain(gateway, request)
        try:
            answer = await _programmatic(gateway, request)
        except (Invalid, Refused) as error:
            answer = answer_to(error)
        origin = request.headers.get("origin")
        if origin and await gateway.gate.ring.is_a_site(origin):
            answer.headers.update(_allowed(origin))
        return answer

    @router.options("/v1/leads", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        """Tell a browser whether forms on that site may send here."""
        origin = request.headers.get("origin", "")
        if not await gateway.gate.ring.is_a_site(origin):
            raise Refused(403, "No form is on this site.")
        return Response(status_code=204, headers=_allowed(origin))

    @router.get("/v1/forms/{key}.js", include_in_schema=False)
    async def script(request: Request, key: str) -> Response:
        """The script that puts the form into a page of the customer's."""
        form = await _form(gateway, request, key)
        headers = {"Cross-Origin-Resource-Policy": "cross-origin"}
        return Response(pages.form_script(_view(gateway, request, form, key)), 200, headers, "text/javascript")

    @router.get("/v1/forms/{key}", include_in_schema=False)
    async def page(request: Request, key: str) -> Response:
        """The form as a page of its own, or to be framed; it works without any script."""
        form = await _form(gateway, request, key)
        view = _view(gateway, request, form, key)
        # A page that is not stored would be empty again when a person comes back from a refusal.
        headers = {"Cache-Control": "private, no-cache", **_policy(view.nonce, form)}
        return HTMLResponse(pages.form_page(view), headers=headers)

    return router


async def _programmatic(gateway: Gateway, request: Request) -> Response:
    sender = await gateway.admit(request, Scope.CAPTURE)
    sent = domain.parse_object(await request.body())
    form = sent.pop("form", None)
    traps = form if isinstance(form, dict) else {}
    id_ = None
    # Whoever has signed in is no bot.
    if isinstance(sender, Key):
        id_ = _check(gateway, sender, traps.get("token"), traps.get("website"), sent)
    data = access.with_source(sender, domain.with_consent(sent, gateway.clock()))
    return await gateway.accept(request, CAPTURED, sender, data, id_)


def _check(gateway: Gateway, key: Key, token: Any, trap: Any, data: Mapping[str, Any]) -> str | None:
    """The event's id, if it was a form of ours that a person sent. Raises `Invalid` for a bot."""
    given = str(token or "")
    rendered = gateway.signer.rendered_at(key.name, given) if given else None
    age: timedelta | None = gateway.clock() - rendered if rendered else None
    forms.check_person(key, given, age, str(trap or ""))
    return forms.event_id(key, given, data) if given else None


async def _plain(gateway: Gateway, request: Request) -> Response:
    nonce = secrets.token_urlsafe(12)
    try:
        sent = forms.fields_of(await request.body())
        key = await gateway.admit_key(request, Scope.CAPTURE, sent.get(forms.KEY))
        back = forms.way_back(key, sent.get(forms.REDIRECT))
        cells = {name: text for name, text in sent.items() if not name.startswith("_")}
        data = fields.capture_of(cells, fields.guess(list(cells)), None).data
        id_ = _check(gateway, key, sent.get(forms.TOKEN), sent.get(forms.TRAP), data)
        data = access.with_source(key, domain.with_consent(forms.with_boxes(data), gateway.clock()))
        await gateway.accept(request, CAPTURED, key, data, id_)
    except Invalid as error:
        return _page(pages.refused_page([(one.path, one.message) for one in error.faults], nonce), 422, nonce)
    except Refused as error:
        told = _FOR_PEOPLE.get(error.status, _NOT_HERE)
        return _page(pages.refused_page([("", told)], nonce), error.status, nonce, error.headers)
    return RedirectResponse(back, 303) if back else _page(pages.thanks_page(nonce), 202, nonce)


def _page(html: str, status: int, nonce: str, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(html, status, {**(headers or {}), **_policy(nonce)})


def _policy(nonce: str, form: Key | None = None) -> dict[str, str]:
    rules = ["default-src 'none'", f"style-src 'nonce-{nonce}'", "base-uri 'none'"]
    if form:
        # Browsers hold a form's redirect against `form-action` too.
        rules += [f"form-action 'self' {forms.places(form)}", f"frame-ancestors 'self' {' '.join(form.origins)}"]
    else:
        rules += ["form-action 'none'"]
    return {"Content-Security-Policy": "; ".join(rules)}


async def _form(gateway: Gateway, request: Request, token: str) -> Key:
    key = await gateway.gate.know(token, address_of(request))
    if key.kind is not Kind.FORM:
        raise Refused(404, "There is no such form.")
    await gateway.gate.count(key, address_of(request))
    return key


def _view(gateway: Gateway, request: Request, key: Key, token: str) -> FormView:
    return FormView(
        action=f"{gateway.base(request)}/v1/leads",
        key=token,
        token=gateway.signer.form_token(key.name, gateway.clock()),
        wording=key.wording,
        title=key.title,
        consent=bool(key.wording),
        redirect=next(iter(key.redirects), None),
        nonce=secrets.token_urlsafe(12),
    )


def _allowed(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "authorization, content-type, idempotency-key, x-request-id, traceparent",
        "Access-Control-Expose-Headers": "retry-after, x-request-id",
        "Access-Control-Max-Age": "600",
        "Vary": "Origin",
    }
