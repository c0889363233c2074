"""Web forms: the capture route for browsers and programs, the form's page and script."""

import secrets
from collections.abc import Mapping
from datetime import timedelta

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from schemas.topics import CAPTURED
from services.gateway.auth.domain import key_fields, principals
from services.gateway.auth.domain.principals import ApiKey, HttpProblem, KeyKind, Scope, WrongOrigin
from services.gateway.forms import pages
from services.gateway.forms.domain import submissions
from services.gateway.forms.pages import FormView
from services.gateway.web import origins
from services.gateway.web.context import JSON, RequestContext, address_of, media_type
from services.gateway.web.middleware import answer_to
from services.gateway.web.openapi import ACCEPTED, FORM, describe_write
from services.ingest.domain import capture_events
from services.ingest.domain.capture_events import Invalid

_FOR_PEOPLE = {
    429: "Too many forms were sent from your network. Please wait a minute, and send it again.",
    503: "We could not save your request right now. Please send it again in a moment.",
}
_NOT_HERE = "This form is not active. Please let the owner of the site know."
_REFUSED = 400
# The route allows no credentials, and its answers quote nothing of the request.
_ANYWHERE = "*"
_log = structlog.get_logger()


def routes(gateway: RequestContext) -> APIRouter:
    """Return the routes."""
    router = APIRouter()
    taken = describe_write(ACCEPTED, CAPTURED, media={JSON: "object", FORM: "lines"})

    @router.post("/v1/leads", **taken)
    async def capture(request: Request) -> Response:
        """Capture a lead. Scope `captures:write`.

        The body is JSON or an HTML form post. A form post is answered with a redirect to one of the key's thank-you
        pages.
        """
        if media_type(request, JSON, FORM) == FORM:
            return await _plain(gateway, request)
        try:
            answer = await _programmatic(gateway, request)
        except (Invalid, HttpProblem) as error:
            answer = answer_to(error)
        origin = request.headers.get("origin")
        # Every origin can read a refusal, so that a developer sees why a site may not use the key.
        if origin and await gateway.authenticator.keys.lists_site(origin):
            answer.headers.update(_allowed(origin))
        elif origin and answer.status_code >= _REFUSED:
            answer.headers.update(_allowed(_ANYWHERE))
        return answer

    @router.options("/v1/leads", include_in_schema=False)
    async def preflight(request: Request) -> Response:
        """Answer a browser's preflight. Only the request itself names the key and so the sites."""
        origin = request.headers.get("origin", "")
        known = await gateway.authenticator.keys.lists_site(origin)
        return Response(status_code=204, headers=_allowed(origin if known else _ANYWHERE))

    @router.get("/v1/forms/{key}.js", include_in_schema=False)
    async def script(request: Request, key: str) -> Response:
        """The script that inserts the form into a customer's page."""
        form = await _form(gateway, request, key)
        origins.watch_embedding(form, request.headers, gateway.base(request))
        headers = {"Cross-Origin-Resource-Policy": "cross-origin"}
        return Response(pages.form_script(_view(gateway, request, form, key)), 200, headers, "text/javascript")

    @router.get("/v1/forms/{key}", include_in_schema=False)
    async def page(request: Request, key: str) -> Response:
        """The form as a page of its own or in a frame. It works without a script."""
        form = await _form(gateway, request, key)
        origins.watch_embedding(form, request.headers, gateway.base(request))
        view = _view(gateway, request, form, key)
        # Browsers may store the page: otherwise it is empty when a visitor returns from a refusal.
        headers = {"Cache-Control": "private, no-cache", **_policy(view.nonce, form)}
        return HTMLResponse(pages.form_page(view), headers=headers)

    return router


async def _programmatic(gateway: RequestContext, request: Request) -> Response:
    sender = await gateway.admit(request, Scope.CAPTURE)
    sent = capture_events.parse_json_object(await request.body())
    form = sent.pop("form", None)
    traps = form if isinstance(form, dict) else {}
    id_ = None
    # A signed-in user is no bot.
    if isinstance(sender, ApiKey):
        sent = key_fields.declared_in(sent, sender)
        id_ = _check(gateway, sender, traps.get("token"), traps.get("website"), sent)
    data = principals.with_source(sender, capture_events.with_consent(sent, gateway.clock()))
    return await gateway.accept(request, CAPTURED, sender, data, id_)


def _check(gateway: RequestContext, key: ApiKey, token: object, trap: object, data: Mapping[str, object]) -> str | None:
    """Return the event's id for a form of ours. Raises `Invalid` for a bot."""
    given = str(token or "")
    rendered = gateway.signer.rendered_at(key.name, given) if given else None
    age: timedelta | None = gateway.clock() - rendered if rendered else None
    submissions.check_person(key, given, age, str(trap or ""))
    return submissions.submission_event_id(key, given, data) if given else None


async def _plain(gateway: RequestContext, request: Request) -> Response:
    nonce = secrets.token_urlsafe(12)
    try:
        fields = submissions.boxes_of(await request.body())
        sent = {name: texts[-1] for name, texts in fields.items()}
        key = await gateway.admit_key(request, Scope.CAPTURE, sent.get(submissions.KEY))
        back = submissions.way_back(key, sent.get(submissions.REDIRECT))
        data = key_fields.declared_in(submissions.capture_in(fields, gateway.attributes.current), key)
        id_ = _check(gateway, key, sent.get(submissions.TOKEN), sent.get(submissions.TRAP), data)
        data = principals.with_source(key, capture_events.with_consent(submissions.with_boxes(data), gateway.clock()))
        await gateway.accept(request, CAPTURED, key, data, id_)
        if unclear := submissions.unclear_in(data):
            _log.warning("form.consent_unclear", key=key.name, reason="is neither yes nor no", paths=unclear)
    except Invalid as error:
        faults = [(one.path, one.message) for one in error.faults]
        asked = pages.sections_for((), gateway.attributes.current)
        return _page(pages.refused_page(faults, nonce, asked), 422, nonce)
    except HttpProblem as error:
        sentences = [_FOR_PEOPLE.get(error.status, _NOT_HERE)]
        if isinstance(error, WrongOrigin):
            sentences.append(f"For the owner of the site: {error.detail}")
        return _page(pages.refused_page([("", one) for one in sentences], nonce), error.status, nonce, error.headers)
    return RedirectResponse(back, 303) if back else _page(pages.thanks_page(nonce), 202, nonce)


def _page(html: str, status: int, nonce: str, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(html, status, {**(headers or {}), **_policy(nonce)})


def _policy(nonce: str, form: ApiKey | None = None) -> dict[str, str]:
    rules = ["default-src 'none'", f"style-src 'nonce-{nonce}'", "base-uri 'none'"]
    if form:
        # Browsers apply `form-action` to the redirect too.
        rules += [f"form-action 'self' {submissions.places(form)}", f"frame-ancestors 'self' {' '.join(form.origins)}"]
    else:
        rules += ["form-action 'none'"]
    return {"Content-Security-Policy": "; ".join(rules)}


async def _form(gateway: RequestContext, request: Request, token: str) -> ApiKey:
    key = await gateway.authenticator.identify_key(token, address_of(request))
    if key.kind is not KeyKind.FORM:
        raise HttpProblem(404, "There is no such form.")
    await gateway.authenticator.count(key, address_of(request))
    return key


def _view(gateway: RequestContext, request: Request, key: ApiKey, token: str) -> FormView:
    return FormView(
        action=f"{gateway.base(request)}/v1/leads",
        key=token,
        token=gateway.signer.form_token(key.name, gateway.clock()),
        wording=key.wording,
        title=key.title,
        consent=bool(key.wording),
        redirect=next(iter(key.redirects), None),
        nonce=secrets.token_urlsafe(12),
        name=key.name,
        sites=(*key.origins, gateway.base(request)),
        sections=pages.sections_for(key.fields, gateway.attributes.current),
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
