"""The dashboard: one page for whoever is signed in, and the files that it is made of."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from services.gateway.access import Refused
from services.gateway.gateway import Gateway

FOLDER = Path(__file__).parent / "dashboard"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = "index.html"
_MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Served:
    """A file as it is sent: `packed` to those who take gzip; `tag` holds for both."""

    content: bytes
    packed: bytes
    media: str
    tag: str


@cache
def files() -> Mapping[str, Served]:
    """All that is served, by its path under the folder; nothing else can be asked for."""
    found = [path for path in sorted(FOLDER.rglob("*")) if path.suffix in _MEDIA]
    return {path.relative_to(FOLDER).as_posix(): _read(path) for path in found}


def _read(path: Path) -> Served:
    content = path.read_bytes()
    tag = f'W/"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Served(content, gzip.compress(content, 6, mtime=0), _MEDIA[path.suffix], tag)


def routes(gateway: Gateway) -> APIRouter:
    """The routes, on these parts."""
    router, served = APIRouter(), files()

    @router.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        """The dashboard's one page; whoever isn't signed in goes to sign in."""
        if await gateway.person(request) is None:
            return RedirectResponse("/signin", 303)
        return answer(request, served[_PAGE])

    @router.get("/dashboard/{path:path}", include_in_schema=False)
    async def file(request: Request, path: str) -> Response:
        """A file of the page. None of them holds a secret."""
        found = served.get(path)
        if found is None:
            raise Refused(404, "There is no such file.")
        return answer(request, found)

    return router


def answer(request: Request, file: Served) -> Response:
    """The file, or 304 where the browser has it already."""
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
