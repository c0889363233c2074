"""Ids derived from their cause: a redelivery derives the same ids."""

import re
import uuid

_NAMESPACE = uuid.UUID("5b0d3c1e-8f4e-5c39-9c0c-6b1c6f1f7a11")


def derive(*parts: str) -> str:
    """Return the UUIDv5 of `parts`. Different lists of parts have different ids.

    Each part has its length as prefix, as producers choose `source` and `id` freely (schemas/README.md#ids).
    """
    return str(uuid.uuid5(_NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]+")


def loggable_id(id_: str) -> str:
    """Return an id for a log; hides one with unusual characters: it may be a person's address."""
    return id_ if _PLAIN.fullmatch(id_) else "(not shown)"
