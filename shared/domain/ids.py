"""Ids derived from their cause: a redelivery derives the same ids."""

import re
import uuid
from hashlib import sha1

_NAMESPACE = uuid.UUID("5b0d3c1e-8f4e-5c39-9c0c-6b1c6f1f7a11").bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""RFC 9562's variant in the first digit of an id's fourth group."""


def derive(*parts: str) -> str:
    """Return the UUIDv5 of `parts`. Different lists of parts have different ids.

    Each part has its length as prefix, as producers choose `source` and `id` freely (schemas/README.md#ids).
    `uuid.uuid5` returns the same and takes twice the time: a capture derives about ten ids.
    """
    name = "".join([f"{len(part)}:{part}" for part in parts])
    digits = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"


_PLAIN = re.compile(r"[A-Za-z0-9_.:/-]+")


def loggable_id(id_: str) -> str:
    """Return an id for a log; hides one with unusual characters: it may be a person's address."""
    return id_ if _PLAIN.fullmatch(id_) else "(not shown)"
