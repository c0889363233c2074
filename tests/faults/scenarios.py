"""Behaviour that the demo lacks: erasures amid the work, people who move; and the ledger."""

import base64
import json
import random

from schemas.topics import CAPTURED, ERASE
from services.demo.domain import words
from services.demo.generator import FedRecord, Scenario, event

_ERASED = _MOVED = 0.05
_FEW = 3
"""The number of first people who always move, so that a small load has some."""


def erasure(scenario: Scenario, number: int, lead_id: str) -> list[FedRecord]:
    """Return the erasure of some people amid their activities, by lead id or by address."""
    rng = random.Random(f"{scenario.seed}/{number}/erasure")
    if rng.random() >= _ERASED:
        return []
    them = scenario.people[number]
    named = {"email": them.email} if them.by_email and rng.random() < 0.5 else {"leadId": lead_id}
    data = {**named, "requestedBy": "privacy.desk"}
    return [event(ERASE, data, rng, scenario.now, "/screens/privacy", lead_id, person=number)]


def moved(scenario: Scenario) -> list[FedRecord]:
    """Return captures of people at a new company, recognisable by their address only."""
    fed = []
    for person in scenario.people:
        rng = random.Random(f"{scenario.seed}/{person.number}/moved")
        if person.by_email and (rng.random() < _MOVED or person.number < _FEW):
            contact = {"firstName": person.first_name[0], "lastName": person.last_name, "email": person.email.upper()}
            company = {"name": f"{rng.choice(words.COMPANY_FIRST)} Moving Kitchens"}
            data = {"source": "website", "company": company, "contact": contact}
            fed.append(event(CAPTURED, data, rng, scenario.now, "/forms/moved", person.email, person=person.number))
    return fed


def line(fed: FedRecord, seed: int) -> str:
    """Return a record's ledger line: `topic`, base64 `key` and `value`, `expected`, `person`."""
    person = f"{seed}/{fed.person}" if fed.topic == CAPTURED.name and fed.person is not None else None
    texts = {"key": fed.key, "value": fed.value}
    coded = {name: None if it is None else base64.b64encode(it).decode() for name, it in texts.items()}
    return json.dumps({"topic": fed.topic, **coded, "expected": fed.expect, "person": person}) + "\n"
