"""An unfinished capture: its values, the values set aside, and the warnings. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.ingest.domain.capture_events import DEPTH_MAX, Fault, json_flaw_of, with_batch_consent
from services.ingest.domain.fitting import fit_context, put_entry

KEPT = "kept as text in the context"
DOUBTED = "doubted"
"""The path of a warning about a yes that may come from a neighbouring column."""


@dataclass(frozen=True, slots=True)
class Notice(Fault):
    """A warning about a value that was changed; `unread` means the cell is not understood."""

    unread: bool = False


@dataclass(frozen=True, slots=True)
class CellOrigins:
    """Where a capture's values come from: `place` maps paths to columns, `raw` to cells.

    `spare` holds further values of a path: (column, path, text).
    """

    place: Callable[[str], str]
    raw: Callable[[str], object]
    spare: Sequence[tuple[str, str, str]] = ()


@dataclass(slots=True)
class Draft:
    """An unfinished capture. It drops unusable values and remembers where they came from."""

    data: dict[str, object]
    context: dict[str, object]
    origin: CellOrigins
    spare: list[tuple[str, str, str]]
    warnings: list[Notice] = field(default_factory=list)
    derived: bool = False
    defaulted: bool = False

    @classmethod
    def of(cls, values: Mapping[str, object], origin: CellOrigins) -> "Draft":
        """Start a draft with the given values."""
        data = {name: dict(part) if isinstance(part, Mapping) else part for name, part in values.items()}
        context = data.pop("context", None)
        draft = cls(data, context if isinstance(context, dict) else {}, origin, list(origin.spare))
        if context is not None and not isinstance(context, dict):
            draft.put_aside("context", context, "is not an object")
        return draft

    def get(self, path: str) -> object:
        """Return the value at a path; None if there is none."""
        section, _, name = path.partition(".")
        part = self.data.get(section)
        return part.get(name) if name and isinstance(part, dict) else None if name else part

    def set(self, path: str, value: object) -> None:
        """Set the value at a path."""
        section, _, name = path.partition(".")
        if not name:
            self.data[section] = value
        elif isinstance(part := self.data.get(section), dict):
            part[name] = value
        else:
            self.data[section] = {name: value}

    def drop(self, path: str) -> None:
        """Remove the value at a path."""
        section, _, name = path.partition(".")
        if not name:
            self.data.pop(section, None)
        elif isinstance(part := self.data.get(section), dict):
            part.pop(name, None)

    def warn(self, path: str, message: str, *, unread: bool = False) -> None:
        """Add a warning about the value at a path."""
        self.warnings.append(Notice(self.origin.place(path), message, unread))

    def put_aside(self, path: str, value: object, why: str) -> None:
        """Keep a value in the context instead of at its path, and warn."""
        self.drop(path)
        if json_flaw_of(value, DEPTH_MAX - 1):
            self.warn(path, f"{why}; left out", unread=True)
            return
        put_entry(self.context, entry_of(self.origin.place(path)), value)
        self.warn(path, f"{why}; {KEPT}", unread=True)

    def give_up(self, path: str, why: str) -> None:
        """Move the unusable value of a path to the context."""
        raw = self.origin.raw(path)
        self.put_aside(path, self.get(path) if raw is None else raw, why)

    def cut(self, path: str, text: str, most: int) -> None:
        """Cut a text that is too long, and keep the whole text in the context."""
        put_entry(self.context, entry_of(self.origin.place(path)), text)
        self.set(path, text[: most - 1] + "…")
        self.warn(path, f"is longer than {most} characters, and was cut; the full text is {KEPT}")

    def wire(self) -> tuple[dict[str, object], tuple[str, ...]]:
        """Return the capture in wire form, and the names of context entries that were cut."""
        context = dict(self.context)
        for column, _, text in self.spare:
            put_entry(context, entry_of(column), text)
        filled = {name: part for name, part in self.data.items() if part not in ({}, None)}
        wire = with_batch_consent({**filled, "context": context})
        worded = wire["context"]
        fit, cut = fit_context(worded if isinstance(worded, dict) else context)
        return {**wire, "context": fit or None}, cut


def entry_of(place: str) -> str:
    """Return the name of the context entry for this column or path."""
    return place.replace(".", " ")
