"""What sales, mailers and the privacy desk do with the leads, from the seed."""

import random
from collections.abc import Mapping
from datetime import timedelta

from schemas.reasons import DeadLetterReason
from schemas.topics import ACTIVITIES, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, UPDATE, Topic
from services.demo.domain import words
from services.demo.generator import FedRecord, Scenario, event, requirements, uuid4

_SCREEN, _MAILER = "/screens/sales", "/mailers/spring"


def early_engagements(scenario: Scenario) -> list[FedRecord]:
    """Return engagements that overtake their people's captures, and wait for their leads."""
    named = [person for person in scenario.people if person.by_email and not _is_erased(scenario, person.number)]
    return [
        _engagement(scenario, _of_person(scenario, person.number, "early"), person.number, None)
        for person in named[:: max(1, len(named) // 20)]
    ]


def follow_up_events(scenario: Scenario, number: int, lead_id: str) -> list[FedRecord]:
    """Return what follows a new lead: activities, engagements, qualification."""
    if _is_erased(scenario, number):
        return []
    rng = _of_person(scenario, number, "follow-up")
    fed = [_activity(scenario, rng, number, lead_id) for _ in range(rng.choice((0, 0, 1, 2, 4)))]
    fed += [_engagement(scenario, rng, number, lead_id) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    if is_qualified(scenario, number):
        fed.append(_qualify(scenario, rng, number, lead_id))
    elif rng.random() < 0.1:
        fed.append(_bant(scenario, rng, number, lead_id))
    elif rng.random() < 0.02:
        fed.append(_convert(scenario, rng, number, lead_id))  # too early: rejected
    return fed


def conversion_commands(scenario: Scenario, number: int, lead_id: str) -> list[FedRecord]:
    """Return what sales does with a qualified lead: half convert, some are requested twice."""
    rng = _of_person(scenario, number, "conversion")
    if rng.random() < 0.5:
        return []
    return [_convert(scenario, rng, number, lead_id) for _ in range(2 if rng.random() < 0.1 else 1)]


def closing_events(scenario: Scenario, number: int, lead_id: str) -> list[FedRecord]:
    """Return how a lead ends: lost, handed over, unsubscribed, bounced, or erased."""
    rng = _of_person(scenario, number, "closing")
    if _is_erased(scenario, number):
        data = {"leadId": lead_id, "requestedBy": "privacy.desk"}
        return [_of(scenario, ERASE, data, rng, number, lead_id)]
    dice = rng.random()
    if dice < 0.1:
        return [_update(scenario, rng, number, lead_id, {"status": "lost", "reason": "went with another supplier"})]
    if dice < 0.15:
        return [_update(scenario, rng, number, lead_id, {"assignedTo": rng.choice(words.SALES)})]
    if dice < 0.2:
        return [_engagement(scenario, rng, number, lead_id, rng.choice(("unsubscribed", "bounced")))]
    return []


def stray_events(scenario: Scenario) -> list[FedRecord]:
    """Return an activity and three commands for leads that never exist."""
    rng = _of_person(scenario, -1, "strays")
    unknown = [uuid4(rng) for _ in range(4)]
    activity = _activity(scenario, rng, None, unknown[0])
    lost = FedRecord(activity.topic, activity.key, activity.value, None, expect=DeadLetterReason.LEAD_NOT_FOUND.value)
    return [
        lost,
        _qualify(scenario, rng, None, unknown[1]),
        _convert(scenario, rng, None, unknown[2]),
        _update(scenario, rng, None, unknown[3], {"status": "contacted"}),
    ]


def is_qualified(scenario: Scenario, number: int) -> bool:
    """Return whether sales qualifies this person."""
    return _of_person(scenario, number, "qualified").random() < 0.3


def _is_erased(scenario: Scenario, number: int) -> bool:
    return _of_person(scenario, number, "erased").random() < 0.02


def _of_person(scenario: Scenario, number: int, what: str) -> random.Random:
    return random.Random(f"{scenario.seed}/{number}/{what}")  # noqa: S311 - reproducible on purpose


def _named(scenario: Scenario, rng: random.Random, number: int | None, lead_id: str | None) -> dict[str, object]:
    person = scenario.people[number] if number is not None else None
    by_email = person is not None and person.by_email and (lead_id is None or rng.random() < 0.4)
    return {"email": person.email.upper()} if by_email and person else {"leadId": lead_id}


def _activity(scenario: Scenario, rng: random.Random, number: int | None, lead_id: str) -> FedRecord:
    type_, description = rng.choice(list(words.ACTIVITIES.items()))
    at = scenario.now - timedelta(days=rng.uniform(0, 45))
    done = {
        "type": type_,
        "description": description,
        "outcome": rng.choice(words.OUTCOMES),
        "completedAt": at.isoformat() if rng.random() < 0.8 else None,
        "createdBy": rng.choice(words.SALES),
    }
    data = {**_named(scenario, rng, number, lead_id), "activity": done}
    return _of(scenario, ACTIVITIES, data, rng, number, lead_id)


def _engagement(
    scenario: Scenario, rng: random.Random, number: int, lead_id: str | None, action: str | None = None
) -> FedRecord:
    data = {**_named(scenario, rng, number, lead_id), "action": action or rng.choice(words.ENGAGEMENTS)}
    return _of(scenario, ENGAGEMENTS, data, rng, number, lead_id, source=_MAILER)


def _qualify(scenario: Scenario, rng: random.Random, number: int | None, lead_id: str) -> FedRecord:
    return _command(scenario, QUALIFY, rng, number, lead_id, {"requirements": requirements(rng)})


def _bant(scenario: Scenario, rng: random.Random, number: int, lead_id: str) -> FedRecord:
    bant = {
        "budget": {"confirmed": rng.random() < 0.5, "amount": rng.choice((5_000, 20_000))},
        "authority": {"isDecisionMaker": rng.random() < 0.6},
        "need": {"painPoints": rng.sample(words.PAIN_POINTS, 2)},
        "timeline": {"urgency": rng.choice(("immediate", "within_month", "within_quarter", "future"))},
    }
    return _command(scenario, QUALIFY, rng, number, lead_id, {"bant": bant})


def _update(
    scenario: Scenario, rng: random.Random, number: int | None, lead_id: str, what: Mapping[str, object]
) -> FedRecord:
    return _command(scenario, UPDATE, rng, number, lead_id, what)


def _convert(scenario: Scenario, rng: random.Random, number: int | None, lead_id: str) -> FedRecord:
    opportunity = {"amount": rng.choice((5_000, 12_000, 80_000)), "currency": "USD", "stage": "proposal"}
    closes = scenario.now + timedelta(days=rng.randint(10, 90))
    opportunity["closeDate"] = closes.date().isoformat()
    return _command(scenario, CONVERT, rng, number, lead_id, {"opportunity": opportunity})


def _command(  # noqa: PLR0913 - a command's parts
    scenario: Scenario, topic: Topic, rng: random.Random, number: int | None, lead_id: str, what: Mapping[str, object]
) -> FedRecord:
    data = {"leadId": lead_id, "requestedBy": rng.choice(words.SALES), **what}
    return _of(scenario, topic, data, rng, number, lead_id)


def _of(  # noqa: PLR0913 - an event's parts
    scenario: Scenario,
    topic: Topic,
    data: Mapping[str, object],
    rng: random.Random,
    number: int | None,
    key: str | None,
    *,
    source: str = _SCREEN,
) -> FedRecord:
    return event(topic, data, rng, scenario.now, source, key or str(data["email"]), person=number)
