"""Documents and parts of documents whose fields only their author knows."""

from typing import Any

Document = dict[str, Any]  # a shape that only its author knows
"""A document of unknown shape: of any collection, of another release, or of a producer's free part.

A document of known shape has a type of its own in this package.
"""
