"""Log the use of a form key on another site, so that its developer finds the mistake."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import structlog

from services.gateway.auth.domain.principals import ApiKey

_SITE = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]{1,200}")
_EMBEDDED = {"iframe": "framed", "frame": "framed", "script": "script"}
_log = structlog.get_logger()


def log_refused(key: str, reason: str, origin: str) -> None:
    """Log the use of a key on a site that it doesn't list.

    `reason`: the site `posted`, `framed` the form's page, or loaded its `script`.
    """
    host = urlsplit(origin).netloc if _SITE.fullmatch(origin) else "none"
    _log.warning("origin.refused", key=key, reason=reason, host=host)


def watch_embedding(key: ApiKey, headers: Mapping[str, str], base: str) -> None:
    """Log a page that embeds the form and is on none of the key's sites.

    Our policy makes the browser refuse the frame, which only its console shows. The gateway sees the page's address
    only if the page sends it.
    """
    reason = _EMBEDDED.get(headers.get("sec-fetch-dest", ""))
    page = urlsplit(headers.get("referer", ""))
    origin = f"{page.scheme}://{page.netloc}"
    if reason and page.netloc and origin not in (base, *key.origins):
        log_refused(key.name, reason, origin)
