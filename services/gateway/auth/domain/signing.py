"""Sign form tokens, webhooks, sign-in links and hashes by `PANTRY_GATEWAY_SECRET`. Pure.

Each purpose has a key derived from that secret. No derived key is stored.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.gateway.auth.domain.users import DEVICE_COOKIE, Device, Link, User

_TOKEN_AGE = timedelta(days=1)
_MOMENT_BYTES = 8
_MAC_BYTES = 16
_EPOCH_BYTES = 4
_NAME_AT = _MOMENT_BYTES + _EPOCH_BYTES


@dataclass(frozen=True, slots=True)
class Signer:
    """Derives and checks tokens by one secret, the same in all gateway processes."""

    secret: str

    def _mac(self, *parts: str) -> bytes:
        message = "\0".join(parts).encode()
        return hmac.digest(self.secret.encode(), message, "sha256")

    def webhook_secret(self, name: str, number: str) -> str:
        """Return a webhook key's secret of this number, in the form of Standard Webhooks."""
        return "whsec_" + base64.b64encode(self._mac("webhook", name, number)).decode()

    def hash_address(self, network: str) -> str:
        """Return a name for a network address that doesn't reveal the address."""
        return self._mac("address", network).hex()[:32]

    def hash_text(self, text: str) -> str:
        """Return a name for typed text that doesn't reveal the text."""
        return self._mac("typed", text).hex()[:32]

    def form_token(self, name: str, now: datetime) -> str:
        """Return a token with the time at which the form of this key was rendered."""
        moment = _moment(now)
        return _text(moment + self._mac("form", name, moment.hex())[:_MAC_BYTES])

    def rendered_at(self, name: str, token: str) -> datetime | None:
        """Return when the form with this token was rendered; None for a token that isn't ours."""
        raw = _raw(token)
        moment, mac = raw[:_MOMENT_BYTES], raw[_MOMENT_BYTES:]
        if not hmac.compare_digest(mac, self._mac("form", name, moment.hex())[:_MAC_BYTES]):
            return None
        return _at(moment)

    def link_token(self, person: User, now: datetime) -> str:
        """Return the token of a sign-in link, valid once and for 15 minutes."""
        return self._sign_token("link", person, now)

    def parse_link(self, token: str) -> Link | None:
        """Return the content of a sign-in link's token; None for a token that isn't ours."""
        said = self._read_token("link", token)
        return Link.model_validate(said) if said else None

    def device_token(self, person: User, now: datetime) -> str:
        """Return the token of a browser in which this user has signed in."""
        return self._sign_token("device", person, now)

    def parse_device(self, token: str) -> Device | None:
        """Return the content of a device cookie; None for one that isn't ours."""
        said = self._read_token("device", token)
        return Device.model_validate(said) if said else None

    def device_cookie(self, name: str) -> str:
        """Return the name of the device cookie for this user name, without revealing the name."""
        return f"{DEVICE_COOKIE}_{self.hash_text(name)[:16]}"

    def _sign_token(self, purpose: str, person: User, now: datetime) -> str:
        said = _moment(now) + person.epoch.to_bytes(_EPOCH_BYTES, "big") + person.name.encode()
        return _text(self._mac(purpose, said.hex())[:_MAC_BYTES] + said)

    def _read_token(self, purpose: str, token: str) -> dict[str, object] | None:
        raw = _raw(token)
        mac, said = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(purpose, said.hex())[:_MAC_BYTES]):
            return None
        moment, epoch, name = said[:_MOMENT_BYTES], said[_MOMENT_BYTES:_NAME_AT], said[_NAME_AT:]
        return {"name": name.decode(), "epoch": int.from_bytes(epoch, "big"), "made_at": _at(moment)}


def _moment(now: datetime) -> bytes:
    return int(now.timestamp() * 1_000).to_bytes(_MOMENT_BYTES, "big")


def _at(moment: bytes) -> datetime:
    return datetime.fromtimestamp(int.from_bytes(moment, "big") / 1_000, UTC)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(token: str) -> bytes:
    """Return the bytes of a token; empty for text that is no token."""
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def why_no_person(age: timedelta | None, fill_s: float) -> str | None:
    """Return why a form of this age wasn't filled in by a person; None if it may have been.

    The message suits a person too: sending the form again helps.
    """
    if age is None or age < timedelta(0):
        return "This form is not valid. Please load the page again."
    if age < timedelta(seconds=fill_s):
        return "That was very fast. Please send the form again."
    if age > _TOKEN_AGE:
        return "This form was open for too long. Please load the page again."
    return None
