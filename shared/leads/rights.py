"""MongoDB actions that several workers need, by collection."""

from collections.abc import Mapping

from shared.mongo import names as c

PENDING: Mapping[str, str] = {
    c.PENDING_EVENTS: "find insert update remove",
    c.IDENTITIES: "find",
    c.ERASURE_MARKERS: "find",
}
"""Rights of each worker with pending events."""

COMMANDED: Mapping[str, str] = {
    c.COMMANDS: "find insert update",
    c.LEADS: "find update",
    c.ACTIVITIES: "insert",
    **PENDING,
}
"""Rights of each worker that carries out commands on one lead."""

CONFIGURED: Mapping[str, str] = {c.CONFIGURATION: "insert update remove"}
"""Rights of each worker with a configuration file: it reports there which files it refused."""
