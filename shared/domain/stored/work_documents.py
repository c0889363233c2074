"""The collections `owners` and `rescoring`: what assignment and scoring count beside the leads."""

from datetime import datetime
from typing import NotRequired, TypedDict


class CountedLoad(TypedDict):
    """A load change that an owner's number has; `key` is its cause."""

    key: str
    at: datetime


class OwnerDocument(TypedDict):
    """An owner's number of open leads, and the newest load changes. Assignment writes and reads it."""

    _id: str
    open: int
    revision: int
    seen: list[CountedLoad]


class RescoringDocument(TypedDict):
    """The rescoring job: its one row. Scoring writes it; the commands of operators read it."""

    _id: str
    version: str
    at: datetime
    wakeAt: datetime
    done: int
    total: NotRequired[int]
    claim: NotRequired[str]
    finishedAt: NotRequired[datetime]
