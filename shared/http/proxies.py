"""Reads the headers of trusted proxies, and warns of untrusted ones."""

import time
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

_HEADERS = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"})
_WARN_EVERY_S = 60.0
_BITS = {4: 24, 6: 64}
_FIX = (
    "If this is your proxy, add its address or network to PANTRY_TRUSTED_PROXIES. Until then all of its senders"
    " share one address and its limits. If it is not, the sender invented the header, and it is ignored."
)
_log = structlog.get_logger()


class Proxies:
    """Applies `X-Forwarded-For` and `-Proto` of trusted proxies to an application's requests."""

    def __init__(self, app: ASGIApp, trusted: str, now: Callable[[], float] = time.monotonic) -> None:
        self._app = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]  # ASGI's types, which uvicorn has itself
        self._now = now
        self._warned_at: float | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request to the application."""
        peer = scope["client"][0] if scope.get("client") else None
        if peer not in self._app.trusted_hosts:
            self._warn(peer, {name for name, _ in scope.get("headers", ())} & _HEADERS)
        await self._app(scope, receive, send)  # type: ignore[arg-type]  # ASGI's own types for the same things

    def _warn(self, peer: str | None, headers: set[bytes]) -> None:
        now = self._now()
        if headers and (self._warned_at is None or now - self._warned_at >= _WARN_EVERY_S):
            self._warned_at = now
            names = sorted(name.decode() for name in headers)
            _log.warning("proxy.untrusted", headers=names, peer=describe_peer(peer), then=_FIX)


def describe_peer(peer: str | None) -> str:
    """Return the peer's private network for a log; of a public address only "the internet"."""
    try:
        address = ip_address(peer or "")
    except ValueError:
        return "no address"
    if not address.is_private:
        return "the internet"
    return str(ip_network((address, _BITS[address.version]), strict=False))
