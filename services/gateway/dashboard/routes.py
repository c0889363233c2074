"""The dashboard: one page for signed-in users, and its files."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from jinja2.utils import htmlsafe_json_dumps

from schemas.attributes import Attributes
from services.gateway.auth.domain.principals import HttpProblem
from services.gateway.dashboard.domain.page_vocabulary import vocabulary
from services.gateway.web.context import RequestContext

FOLDER = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = "index.html"
_VOCABULARY = b"VOCABULARY"
"""What the page has in place of the words and rules."""
_MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file to serve: `packed` for browsers that accept gzip. Both have the same `tag`."""

    content: bytes
    packed: bytes
    media: str
    tag: str


@lru_cache(maxsize=2)  # the attributes' file may change while the gateway runs
def files(lost_reasons: tuple[str, ...], attributes: Attributes) -> Mapping[str, StaticFile]:
    """Return all files of the dashboard by path. No other file is served. The page has the configured words."""
    found = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in _MEDIA]
    words = htmlsafe_json_dumps(vocabulary(lost_reasons, attributes).wire()).encode()
    return {path.relative_to(FOLDER).as_posix(): _read(path, words) for path in found}


def _read(path: Path, words: bytes) -> StaticFile:
    content = path.read_bytes()
    if path.name == _PAGE:
        content = content.replace(_VOCABULARY, words)
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return StaticFile(content, gzip.compress(content, 6, mtime=0), _MEDIA[path.suffix], tag)


def routes(gateway: RequestContext) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    @router.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        """The dashboard's page. Without a session the browser is sent to the sign-in page."""
        if await gateway.person(request) is None:
            return RedirectResponse("/signin", 303)
        return answer(request, files(gateway.lost_reasons, gateway.attributes.current)[_PAGE])

    @router.get("/dashboard/{path:path}", include_in_schema=False)
    async def file(request: Request, path: str) -> Response:
        """A file of the page. None of them is secret."""
        found = files(gateway.lost_reasons, gateway.attributes.current).get(path)
        if found is None:
            raise HttpProblem(404, "There is no such file.")
        return answer(request, found)

    return router


def answer(request: Request, file: StaticFile) -> Response:
    """Return the file, or 304 if the browser has this version."""
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": POLICY,
        "ETag": file.tag,
        "Vary": "Accept-Encoding",
    }
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=file.media)
    return Response(file.content, headers=headers, media_type=file.media)
