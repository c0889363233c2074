"""Nurture sequences as configuration: checked when loaded, each with a version that follows its content."""

import hashlib
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.nurture.templates import check
from shared.domain.conditions import Condition

_NAME = r"^[a-z][a-z0-9_]*$"
DEFAULT_SEQUENCE = "default"


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Template(_Config):
    """A message: source of subject and plain-text body, in the part of Jinja2 that `templates` knows."""

    subject: str = Field(max_length=500)
    body: str = Field(max_length=32_000)

    @property
    def faults(self) -> Iterator[str]:
        """Why subject or body can't be used."""
        for part, source in (("subject", self.subject), ("body", self.body)):
            if fault := check(source):
                yield f"{part}, {fault}"


class Step(_Config):
    """One step: `delay` in days after the enrolment; conditions are judged when it is due."""

    id: str = Field(pattern=_NAME, max_length=100)
    delay: float = Field(ge=0, le=3_650)
    action: Literal["email", "task", "call", "content"]
    template: str
    conditions: tuple[Condition, ...] = ()
    personalization: dict[str, str] = Field(default_factory=dict)


class Sequence(_Config):
    """Steps that a lead goes through; `triggers` are the names that enrol in it besides the first score.

    `catch_up` says what becomes of a step that came due while nothing ran. `send`: it goes out, late. `skip`: it
    doesn't if it is more than `late_after` hours late. `shift`: it goes out, and what follows keeps its distance to it.
    Two late steps never go out together: the second follows after what lay between them, at most a day (with `shift`,
    all of it).
    """

    id: str = Field(pattern=_NAME, max_length=100)
    name: str
    triggers: tuple[str, ...] = ()
    catch_up: Literal["send", "skip", "shift"] = "send"
    late_after: float = Field(24, gt=0, le=87_600)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _unique_steps(self) -> Self:
        ids = [step.id for step in self.steps]
        if len(set(ids)) < len(ids):
            raise ValueError("steps: their ids must be unique")
        return self

    @property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with the content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


class Selection(_Config):
    """The first score enrols in `sequence` if all conditions hold."""

    sequence: str
    conditions: tuple[Condition, ...] = Field(min_length=1)


class Sequences(_Config):
    """The whole file. `select` is tried from the top; a lead that none takes goes through `default`."""

    sequences: tuple[Sequence, ...]
    select: tuple[Selection, ...]
    templates: dict[str, Template]

    @model_validator(mode="after")
    def _refers_to_what_is_there(self) -> Self:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        ids = [sequence.id for sequence in self.sequences]
        if len(set(ids)) < len(ids):
            yield "sequences: their ids must be unique"
        for wanted in (DEFAULT_SEQUENCE, *(selection.sequence for selection in self.select)):
            if wanted not in ids:
                yield f"select: there is no sequence '{wanted}'"
        for sequence in self.sequences:
            for step in sequence.steps:
                if step.template not in self.templates:
                    yield f"sequence '{sequence.id}', step '{step.id}': there is no template '{step.template}'"
        for name, template in self.templates.items():
            for fault in template.faults:
                yield f"template '{name}' ({self._users(name)}): {fault}"

    def _users(self, template: str) -> str:
        steps = [(one.id, step.id) for one in self.sequences for step in one.steps if step.template == template]
        return "; ".join(f"sequence '{one}', step '{step}'" for one, step in steps) or "no step has it"

    def find(self, sequence_id: str) -> Sequence | None:
        """The sequence with this id, if the file has it."""
        return next((sequence for sequence in self.sequences if sequence.id == sequence_id), None)

    def by_id(self, sequence_id: str) -> Sequence:
        """The sequence with this id, which must be one of the file's."""
        return next(sequence for sequence in self.sequences if sequence.id == sequence_id)
