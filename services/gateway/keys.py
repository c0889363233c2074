"""A key's life: made, rotated, revoked. Pure; the secret, which chance makes, is a parameter."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from schemas.lead import Source
from services.gateway.access import Key, Kind, Scope, Secret, hashed

_SCOPES = {
    Kind.SERVER: (Scope.CAPTURE,),
    Kind.FORM: (Scope.CAPTURE,),
    Kind.WEBHOOK: (Scope.ENGAGE,),
}
_PER_ADDRESS = 60


def made(  # noqa: PLR0913 - what a key is made of
    name: str,
    kind: Kind,
    secret: str,
    now: datetime,
    *,
    scopes: Sequence[str] = (),
    sources: Sequence[str] = (),
    **more: Any,
) -> Key:
    """A new key. Raises `ValueError` for what a key of this kind can't have.

    Unless told, it may capture as `website` only, and a form's visitors send at most 60 times a minute each.
    """
    if kind is not Kind.SERVER and tuple(scopes) not in ((), _SCOPES[kind]):
        raise ValueError(f"a {kind} key has the scope {_SCOPES[kind][0]} and no other")
    if kind is Kind.FORM:
        more.setdefault("per_address", _PER_ADDRESS)
    parts: Mapping[str, Any] = {
        "name": name,
        "kind": kind,
        "scopes": scopes or _SCOPES[kind],
        "sources": sources or (() if kind is Kind.WEBHOOK else (Source.WEBSITE,)),
        "secrets": (_secret(kind, secret),),
        "created_at": now,
        **more,
    }
    return Key.model_validate(parts)


def _secret(kind: Kind, secret: str) -> Secret:
    # A webhook's secret is derived from its number whenever it is needed; the others are known by their hash alone.
    return Secret(hash=secret if kind is Kind.WEBHOOK else hashed(secret))


def rotated(key: Key, secret: str, now: datetime, overlap: timedelta) -> Key:
    """The key with a new secret; those it has hold for the overlap yet, unless they end sooner."""
    kept = tuple(
        one.model_copy(update={"until": min(one.until or now + overlap, now + overlap)}) for one in key.live(now)
    )
    return key.model_copy(update={"secrets": (*kept, _secret(key.kind, secret))})


def revoked(key: Key, now: datetime) -> Key:
    """The key, of which nothing holds any more."""
    return key.model_copy(update={"revoked_at": key.revoked_at or now})
