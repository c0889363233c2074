"""Nurture sequences as configuration, checked when loaded.

Each has a version that comes from its content.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.base import Word
from services.nurture.domain.templates import find_template_fault, parts_named
from shared.domain.rules.conditions import Condition, too_much

_NAME = r"^[a-z][a-z0-9_]*$"
DEFAULT_SEQUENCE = "default"

WORDS_BYTES_MAX = 32 * 1024
"""Most bytes of the steps' personalization in one sequence: `nurture.enrolled` has all of it."""

CONTENT_BYTES_MAX = 1024 * 1024
"""Most bytes of personalization and templates in one sequence: each enrolment has a copy."""

STARTED_MAX = 10
"""Most sequences that one trigger may start."""

_Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=100)]
_Text = Annotated[str, StringConstraints(max_length=4_000)]


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Template(_Config):
    """A message: source of subject and plain-text body, in a part of Jinja2.

    `templates` says which part.
    """

    subject: str = Field(max_length=500)
    body: str = Field(max_length=32_000)

    @property
    def bytes(self) -> int:
        """Bytes of its source, in UTF-8."""
        return len(self.subject.encode()) + len(self.body.encode())

    @property
    def faults(self) -> Iterator[str]:
        """The reasons why subject or body can't be used."""
        for part, source in (("subject", self.subject), ("body", self.body)):
            if fault := find_template_fault(source):
                yield f"{part}, {fault}"


def attributes_in(template: Template) -> frozenset[str]:
    """Return the names of the attributes that a template shows or asks for."""
    return parts_named("attributes", template.subject) | parts_named("attributes", template.body)


class Step(_Config):
    """One step: `delay` in days after the enrolment; its conditions count when it is due."""

    id: str = Field(pattern=_NAME, max_length=100)
    delay: float = Field(ge=0, le=3_650)
    action: Literal["email", "task", "call", "content"]
    template: Word
    conditions: tuple[Condition, ...] = Field((), max_length=50)
    personalization: dict[_Variable, _Text] = Field(default_factory=dict, max_length=50)

    @property
    def words_bytes(self) -> int:
        """Bytes of its personalization, in UTF-8."""
        return sum(len(part.encode()) for pair in self.personalization.items() for part in pair)


class Sequence(_Config):
    """Steps that a lead goes through; `triggers` enrol in it, as the first score may.

    `catch_up` decides on a step that came due while no worker ran. `send`: it goes out late. `skip`: it doesn't go out
    if it is more than `late_after` hours late. `shift`: it goes out, and the next steps keep their distance to it.
    Two late steps never go out together: the second follows after their distance, at most a day (with `shift`, the
    whole distance).
    """

    id: str = Field(pattern=_NAME, max_length=100)
    name: _Text
    triggers: tuple[Word, ...] = Field((), max_length=50)
    catch_up: Literal["send", "skip", "shift"] = "send"
    late_after: float = Field(24, gt=0, le=87_600)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=50)

    @model_validator(mode="after")
    def _unique_steps(self) -> Self:
        ids = [step.id for step in self.steps]
        if len(set(ids)) < len(ids):
            raise ValueError("steps: their ids must be unique")
        if sum(step.words_bytes for step in self.steps) > WORDS_BYTES_MAX:
            raise ValueError(f"steps: their words may have {WORDS_BYTES_MAX} bytes together")
        return self

    @cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits that change with the content."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


class Selection(_Config):
    """The first score enrols in `sequence` if all conditions hold."""

    sequence: str
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=50)


class Sequences(_Config):
    """The whole file. The first entry of `select` that holds applies, otherwise `default`."""

    sequences: tuple[Sequence, ...] = Field(max_length=100)
    select: tuple[Selection, ...] = Field(max_length=100)
    templates: dict[Word, Template] = Field(max_length=300)

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
        yield from self._excesses()

    def _excesses(self) -> Iterator[str]:
        groups = [selection.conditions for selection in self.select]
        groups += [step.conditions for sequence in self.sequences for step in sequence.steps]
        if fault := too_much(condition for conditions in groups for condition in conditions):
            yield fault
        for sequence in self.sequences:
            used = [self.templates[step.template] for step in sequence.steps if step.template in self.templates]
            size = sum(one.bytes for one in used) + sum(step.words_bytes for step in sequence.steps)
            if size > CONTENT_BYTES_MAX:
                yield f"sequence '{sequence.id}': all its steps together may have {CONTENT_BYTES_MAX} bytes"
        started = Counter(trigger for sequence in self.sequences for trigger in set(sequence.triggers))
        for trigger, count in started.items():
            if count > STARTED_MAX:
                yield f"trigger '{trigger}': it may start {STARTED_MAX} sequences at most, but starts {count}"

    def _users(self, template: str) -> str:
        steps = [(one.id, step.id) for one in self.sequences for step in one.steps if step.template == template]
        return "; ".join(f"sequence '{one}', step '{step}'" for one, step in steps) or "no step has it"

    def find(self, sequence_id: str) -> Sequence | None:
        """Return the sequence with this id; None if the file has none."""
        return next((sequence for sequence in self.sequences if sequence.id == sequence_id), None)

    def by_id(self, sequence_id: str) -> Sequence:
        """Return the sequence with this id, which the file must have."""
        return next(sequence for sequence in self.sequences if sequence.id == sequence_id)
