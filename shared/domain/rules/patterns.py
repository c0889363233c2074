"""Regular expressions of configuration files, matched in linear time by RE2."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import re2

from shared.errors import Permanent

PATTERN_MAX = 200
"""Most characters of a pattern."""

SUBJECT_MAX = 1_000
"""Most characters of a text that a pattern reads."""

PROGRAM_MAX = 5_000
"""Most instructions of a pattern: the cost of a search per character."""

_MEMORY_MAX = 1024 * 1024


class PatternError(Permanent, ValueError):
    """A text is no pattern of RE2. The message says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern; `size` counts its instructions."""

    source: str
    size: int
    _compiled: Any = field(compare=False, repr=False)  # re2 has no types

    def found_in(self, text: str) -> bool:
        """Return whether the pattern matches in the first 1,000 characters, without case."""
        # RE2 reads UTF-8. A lone surrogate has no such form, and becomes a question mark.
        return self._compiled.search(text[:SUBJECT_MAX].encode(errors="replace")) is not None


@lru_cache(maxsize=500)
def compile_pattern(source: str) -> Pattern:
    """Compile `source`.

    Raises `PatternError` if it is too large, or RE2 doesn't support it, such as backreferences and lookaround.
    """
    if len(source) > PATTERN_MAX:
        raise PatternError(f"a pattern may have {PATTERN_MAX} characters at most")
    try:
        compiled = re2.compile(source, _options())
    except re2.error as error:
        raise PatternError(f"not a pattern that RE2 supports: {_words(error)}") from None
    except UnicodeEncodeError:
        raise PatternError("a pattern may not contain half a character (a surrogate)") from None
    if compiled.programsize > PROGRAM_MAX:
        raise PatternError(f"the pattern is too large: it has more than {PROGRAM_MAX} instructions")
    return Pattern(source, compiled.programsize, compiled)


def _options() -> Any:  # re2 has no types
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY_MAX
    return options


def _words(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
