"""Ids derived from their cause, so that work done twice has the same names twice."""

import re
import uuid

_NAMESPACE = uuid.UUID("5b0d3c1e-8f4e-5c39-9c0c-6b1c6f1f7a11")


def derive(*parts: str) -> str:
    """The UUIDv5 of `parts`.

    Each part is prefixed by its length, so that no two lists of parts share a name. Producers of a record choose
    `source` and `id` freely; only the pair of both is an event's identity (contract 1).
    """
    return str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]+")


def shown(id_: str) -> str:
    """An id as a log may show it: producers choose theirs freely, and some take somebody's address for one."""
    return id_ if _PLAIN.fullmatch(id_) else "(not shown)"
