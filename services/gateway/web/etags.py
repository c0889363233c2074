"""JSON answers that a browser may keep and must revalidate by ETag."""

import hashlib

from fastapi import Request
from fastapi.responses import Response
from pydantic_core import to_json

_HEADERS = {"Cache-Control": "no-cache, private"}


def etag_response(request: Request, content: object) -> Response:
    """Return the content, or 304 if the reader has the same version."""
    # Another program may have stored a type that JSON lacks: it becomes text instead of a failure.
    body = to_json(content, serialize_unknown=True, inf_nan_mode="null")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
