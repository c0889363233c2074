import random
from collections import defaultdict

import pytest

from schemas.topics import TOPICS
from services.demo.generator import FedRecord, generate
from services.demo.sales import closing_events, conversion_commands, early_engagements, follow_up_events, stray_events
from shared.domain.identity.normal_forms import compare, identity_of
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Record
from tests.builders import ATTRIBUTES, NOW, capture, data
from tests.domain.test_capture import Store

SCENARIO = generate(120, 5, NOW, ATTRIBUTES)


def test_the_same_seed_makes_the_same_bytes_and_another_seed_other_people() -> None:
    assert generate(120, 5, NOW, ATTRIBUTES) == SCENARIO
    assert not {one.email for one in SCENARIO.people} & {one.email for one in generate(120, 6, NOW).people}


def test_people_have_attributes_as_they_are_declared_and_are_the_same_without() -> None:
    held = [person.attributes for person in SCENARIO.people]
    assert all(ATTRIBUTES.captured(one) == one for one in held)
    assert {name for one in held for name in one} == ATTRIBUTES.by_name.keys()
    assert [one.email for one in generate(120, 5, NOW).people] == [one.email for one in SCENARIO.people]


def test_each_bad_record_is_bad_for_the_reason_it_names_and_the_others_are_good() -> None:
    found = set()
    for fed in SCENARIO.captures:
        decoded = decode(Record(fed.topic, 0, 0, fed.key, fed.value), "US", ATTRIBUTES)
        reason = decoded.reason.value if isinstance(decoded, FailedRecord) else None
        assert reason == fed.expect
        found.add(reason)
    assert found == {None, "not_json", "not_cloudevent", "invalid_data", "unsupported_version", "too_large"}


def test_no_two_people_match() -> None:
    seen = [
        identity_of(data(person.email, person.phone, person.company, person.first_name, person.last_name), "US")
        for person in SCENARIO.people
    ]
    assert not any(compare(one, other).duplicate for n, one in enumerate(seen) for other in seen[:n])


@pytest.mark.parametrize("seed", range(5))
def test_all_captures_of_a_person_make_one_lead_in_any_order(seed: int) -> None:
    captures = defaultdict(list)
    for fed in SCENARIO.captures:
        decoded = decode(Record(fed.topic, 0, 0, fed.key, fed.value), "US")
        if not isinstance(decoded, FailedRecord):
            payload = decoded.payload.model_dump(by_alias=True, exclude_none=True)
            captures[fed.person].append(capture(decoded.key, payload))
    store = Store()
    for theirs in captures.values():
        random.Random(seed).shuffle(theirs)
        for one in theirs:
            store.take(one)
    assert len(store.leads) == len(SCENARIO.people)


def test_what_follows_a_lead_is_valid_and_repeats() -> None:
    def all_of_it() -> list[FedRecord]:
        return [
            one
            for number in range(100)
            for told in (follow_up_events, conversion_commands, closing_events)
            for one in told(SCENARIO, number, "lead")
        ]

    fed = all_of_it()
    assert fed == all_of_it()
    for one in [*fed, *early_engagements(SCENARIO), *stray_events(SCENARIO)]:
        assert not isinstance(decode(Record(one.topic, 0, 0, one.key, one.value), "US"), FailedRecord)
    inputs = {topic.name for topic in TOPICS.values() if topic.kind == "input"}
    assert {one.topic for one in fed} == inputs - {"leads.captured", "leads.tasks"}
