"""Answers to readers: JSON that a browser may keep, if it asks each time whether it still holds."""

import hashlib
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic_core import to_json

_HEADERS = {"Cache-Control": "no-cache, private"}


def fresh(request: Request, content: Any) -> Response:
    """The content, or 304 where the reader has it already."""
    # Another program may have stored what JSON has no word for: it is shown as text, and fails no answer.
    body = to_json(content, serialize_unknown=True, inf_nan_mode="null")
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}
    known = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
    if known & {tag, "*"}:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
