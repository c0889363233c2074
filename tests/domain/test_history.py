"""The timeline's sentences."""

import pytest

from schemas import topics
from services.gateway.leads.domain.sentences import EventDetails, sentence_for
from services.insights.domain.timeline import DETAILS

SENTENCES: list[tuple[topics.Topic, EventDetails, str]] = [
    (topics.CAPTURED, {"source": "trade_show"}, "Captured via trade show"),
    (
        topics.SCORED,
        {"score": 45, "previousScore": 20, "reason": "activity_recorded"},
        "Scored 45 (was 20): activity recorded",
    ),
    (topics.SCORED, {"score": 0, "reason": "created"}, "Scored 0: created"),
    (topics.MERGED, {"matchScore": 100, "matchedOn": ["email"], "filled": []}, "Captured again, matched by email"),
    (topics.UPDATE, {"requestedBy": "sam", "status": "lost"}, "sam asked for status lost"),
    (
        topics.UPDATE,
        {"requestedBy": "sam", "consent": {"channel": "phone", "given": False}},
        "sam recorded consent to calls as refused",
    ),
    (
        topics.UPDATE,
        {"requestedBy": "sam", "assignedTo": "kim", "consent": {"channel": "email", "given": True}},
        "sam asked for owner kim and recorded consent to e-mail as given",
    ),
    (
        topics.UPDATED,
        {"changed": [{"path": "consent.email", "from": True, "to": False}], "by": "mailer", "reason": "unsubscribed"},
        "Consent to e-mail given → refused: unsubscribed",
    ),
    (topics.QUALIFIED, {"method": "bant", "bantScore": 75}, "Qualified by BANT, score 75"),
    (topics.ENROLLED, {"sequenceId": "default", "steps": 1}, "Entered nurture sequence default (1 step)"),
    (
        topics.REJECTED,
        {"command": "leads.convert", "reason": "lead_lost", "detail": "it is lost"},
        "Convert rejected: it is lost",
    ),
    (topics.TASKS, {"requestedBy": "sam", "action": "create", "type": "call"}, "sam planned a call"),
    (
        topics.TASKS,
        {"requestedBy": "sam", "action": "reassign", "taskId": "t", "assignedTo": "kim", "description": "Call Ana"},
        "sam gave a task to kim: Call Ana",
    ),
    (
        topics.TASKS,
        {"requestedBy": "sam", "action": "snooze", "taskId": "t", "description": "Call Ana"},
        "sam put a task off: Call Ana",
    ),
    (
        topics.TASK_CREATED,
        {"taskId": "t", "type": "todo", "state": "open", "by": "/services/nurture", "description": "Read the menu"},
        "To-do planned by nurture, for nobody yet: Read the menu",
    ),
    (
        topics.TASK_UPDATED,
        {"taskId": "t", "type": "call", "state": "open", "by": "sam", "assignedTo": "kim"},
        "Call changed by sam, for kim",
    ),
    (
        topics.TASK_UPDATED,
        {
            "taskId": "t",
            "type": "call",
            "state": "done",
            "by": "sam",
            "description": "Call Ana",
            "outcome": "sent offer",
        },
        "Call done by sam: Call Ana (sent offer)",
    ),
    (
        topics.SUSPECTED,
        {"otherId": "b", "likelihood": 0.9, "reasons": ["email_similar", "phone_same"]},
        "Looks like another lead: similar e-mail, same phone",
    ),
]


@pytest.mark.parametrize(("topic", "details", "sentence"), SENTENCES)
def test_an_event_is_told_in_a_sentence(topic: topics.Topic, details: EventDetails, sentence: str) -> None:
    assert sentence_for(topic.name, details) == sentence


def test_every_event_that_a_timeline_keeps_has_a_sentence_of_its_own() -> None:
    assert sentence_for(topics.CREATED.name, {}) == "Lead created"
    for topic in DETAILS.keys() - {topics.CREATED.name}:
        # A sentence asks for the event's details; a topic without one is told by its name.
        with pytest.raises(KeyError):
            sentence_for(topic, {})
