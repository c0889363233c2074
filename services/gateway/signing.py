"""What the gateway's own secret (`PANTRY_GATEWAY_SECRET`) vouches for: form tokens, webhooks, sign-in links, hashes.

Each purpose has a key of its own derived from it, and none of them is stored. All is pure.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.gateway.people import Link, Person

_TOKEN_AGE = timedelta(days=1)
_MOMENT_BYTES = 8
_MAC_BYTES = 16
_EPOCH_BYTES = 4
_NAME_AT = _MOMENT_BYTES + _EPOCH_BYTES


@dataclass(frozen=True, slots=True)
class Signer:
    """Derives and checks by one secret, which every gateway process of an installation has."""

    secret: str

    def _mac(self, *parts: str) -> bytes:
        message = "\0".join(parts).encode()
        return hmac.digest(self.secret.encode(), message, "sha256")

    def webhook_secret(self, name: str, number: str) -> str:
        """A webhook key's secret of this number, as Standard Webhooks writes it."""
        return "whsec_" + base64.b64encode(self._mac("webhook", name, number)).decode()

    def address(self, network: str) -> str:
        """A name for an address by which nobody learns the address."""
        return self._mac("address", network).hex()[:32]

    def typed(self, text: str) -> str:
        """A name for what somebody typed, by which nobody learns what it was."""
        return self._mac("typed", text).hex()[:32]

    def form_token(self, name: str, now: datetime) -> str:
        """Says when the form of this key was rendered."""
        moment = _moment(now)
        return _text(moment + self._mac("form", name, moment.hex())[:_MAC_BYTES])

    def rendered_at(self, name: str, token: str) -> datetime | None:
        """When the form with this token was rendered; None for a token that isn't ours."""
        raw = _raw(token)
        moment, mac = raw[:_MOMENT_BYTES], raw[_MOMENT_BYTES:]
        if not hmac.compare_digest(mac, self._mac("form", name, moment.hex())[:_MAC_BYTES]):
            return None
        return _at(moment)

    def link_token(self, person: Person, now: datetime) -> str:
        """Signs this person in, once and not for long."""
        said = _moment(now) + person.epoch.to_bytes(_EPOCH_BYTES, "big") + person.name.encode()
        return _text(self._mac("link", said.hex())[:_MAC_BYTES] + said)

    def linked(self, token: str) -> Link | None:
        """What the link with this token says; None for a token that isn't ours."""
        raw = _raw(token)
        mac, said = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac("link", said.hex())[:_MAC_BYTES]):
            return None
        moment, epoch, name = said[:_MOMENT_BYTES], said[_MOMENT_BYTES:_NAME_AT], said[_NAME_AT:]
        return Link(name=name.decode(), epoch=int.from_bytes(epoch, "big"), made_at=_at(moment))


def _moment(now: datetime) -> bytes:
    return int(now.timestamp() * 1_000).to_bytes(_MOMENT_BYTES, "big")


def _at(moment: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(moment, "big") / 1_000, UTC)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(token: str) -> bytes:
    """The bytes of a token; none of what is no token at all."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def why_no_person(age: timedelta | None, fill_s: float) -> str | None:
    """Why a form rendered that long ago wasn't filled in by a person; None when it may have been.

    The words are for the person it was after all: sending again helps.
    """
    if age is None or age < timedelta(0):
        return "This form was not ours: please load the page again."
    if age < timedelta(seconds=fill_s):
        return "That was faster than a person can type: please send it again."
    if age > _TOKEN_AGE:
        return "This form was opened too long ago: please load the page again."
    return None
