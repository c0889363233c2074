"""Create, rotate and revoke API keys. Pure: the caller makes the random secret."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from schemas.lead import Source
from services.gateway.auth.domain.principals import ApiKey, KeyKind, Scope, Secret, hash_secret

_SCOPES = {
    KeyKind.SERVER: (Scope.CAPTURE,),
    KeyKind.FORM: (Scope.CAPTURE,),
    KeyKind.WEBHOOK: (Scope.ENGAGE,),
}
_PER_ADDRESS = 60


class KeyOptions(TypedDict, total=False):
    """What a key may have besides its kind, secret, scopes and sources."""

    fields: Sequence[str]
    origins: Sequence[str]
    redirects: Sequence[str]
    per_minute: int
    per_address: int
    fill_s: float
    needs_token: bool
    title: str
    wording: str


def new_key(  # noqa: PLR0913 - what a key is made of
    name: str,
    kind: KeyKind,
    secret: str,
    now: datetime,
    *,
    scopes: Sequence[str] = (),
    sources: Sequence[str] = (),
    **more: Unpack[KeyOptions],
) -> ApiKey:
    """Return a new key. Raises `ValueError` for settings that a key of this kind can't have.

    By default it captures as `website` only. A form accepts 60 requests per minute and visitor's address.
    """
    if kind is not KeyKind.SERVER and tuple(scopes) not in ((), _SCOPES[kind]):
        raise ValueError(f"a {kind} key has the scope {_SCOPES[kind][0]} and no other")
    if more.get("fields") and kind is not KeyKind.FORM:
        raise ValueError(f"--field: only a form key is limited to fields, and a {kind} key is not public")
    if kind is KeyKind.FORM:
        more.setdefault("per_address", _PER_ADDRESS)
    parts: Mapping[str, object] = {
        "name": name,
        "kind": kind,
        "scopes": scopes or _SCOPES[kind],
        "sources": sources or (() if kind is KeyKind.WEBHOOK else (Source.WEBSITE,)),
        "secrets": (_secret(kind, secret),),
        "created_at": now,
        **more,
    }
    return ApiKey.model_validate(parts)


def _secret(kind: KeyKind, secret: str) -> Secret:
    # The gateway derives a webhook's secret from its number. Other secrets are stored as hashes.
    return Secret(hash=secret if kind is KeyKind.WEBHOOK else hash_secret(secret))


def rotate_key(key: ApiKey, secret: str, now: datetime, overlap: timedelta) -> ApiKey:
    """Return the key with a new secret. Earlier secrets stay valid for `overlap` at most."""
    kept = tuple(
        one.model_copy(update={"until": min(one.until or now + overlap, now + overlap)}) for one in key.live(now)
    )
    return key.model_copy(update={"secrets": (*kept, _secret(key.kind, secret))})


def revoke_key(key: ApiKey, now: datetime) -> ApiKey:
    """Return the key without any valid secret."""
    return key.model_copy(update={"revoked_at": key.revoked_at or now})
