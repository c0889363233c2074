from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.activities import EngagementRecorded
from services.engagement.domain.decide import (
    CHANGES_MAX,
    Triggers,
    change_caused_by,
    count_on_lead,
    engagement_activity,
)
from shared.config import ConfigError, load_config
from shared.domain.activity_documents import activity
from shared.domain.consent.statements import ADDRESSES_MAX, holding
from shared.domain.lead_changes import with_changes
from tests.builders import NOW, lead

SHIPPED = load_config(Path("deploy/config/triggers.yaml"), Triggers)


@pytest.mark.parametrize(
    ("action", "trigger"),
    [
        ("clicked_pricing", "high_intent_detected"),
        ("downloaded_whitepaper", "content_engagement"),
        ("visited_multiple_pages", "website_engagement"),
        ("Clicked_Pricing", "high_intent_detected"),
        ("opened_email", None),
    ],
)
def test_behaviour_sets_off_the_contract_s_triggers(action: str, trigger: str | None) -> None:
    assert SHIPPED.of(action) == trigger


def test_a_triggers_file_that_is_none_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "triggers.yaml"
    path.write_text("triggers: [clicked_pricing]")
    with pytest.raises(ConfigError, match="triggers: Input should be a valid dictionary"):
        load_config(path, Triggers)


def engagement(action: str, key: str = "e1", address: str | None = None, days: int = 0) -> Any:
    at = NOW + timedelta(days=days)
    return engagement_activity(key, "lead-1", action, at, source="/mailer", address=address, trigger=SHIPPED.of(action))


def call(key: str = "a1", **fields: Any) -> Any:
    return activity(key, "lead-1", "call", NOW, created_by="sam", **{"completed_at": NOW, **fields})


def taken(one: Any, *activities: Any) -> Any:
    """The lead after these."""
    given: Any = {**one, "consent": one.get("consent") or {}}
    return with_changes(given, count_on_lead(one, activities, NOW, "US").sets)


def test_an_engagement_is_a_completed_email_activity() -> None:
    row = engagement("clicked_pricing")
    assert (row["type"], row["description"]) == ("email", "Email engagement: clicked_pricing")
    assert row["completedAt"] == row["at"] == NOW
    assert (row["outcome"], row["createdBy"]) == ("clicked_pricing", "system")
    assert row["trigger"] == "high_intent_detected"


@pytest.mark.parametrize(
    ("status", "row", "expected"),
    [
        ("new", call(), "contacted"),
        ("new", call(completed_at=None), "new"),
        ("new", call(completed_at=NOW + timedelta(days=1)), "new"),
        ("new", engagement("opened_email"), "new"),
        ("contacted", call(), "contacted"),
        ("qualified", call(), "qualified"),
        ("unqualified", call(), "unqualified"),
        ("lost", call(), "lost"),
        ("converted", call(), "converted"),
    ],
)
def test_only_the_first_completed_outbound_activity_makes_a_new_lead_contacted(
    status: str, row: Any, expected: str
) -> None:
    after = taken(lead(status=status), row)
    assert after["status"] == expected
    told = change_caused_by(after, row["_id"])
    assert (told is None) == (status == expected)
    if told:
        assert told == {
            "changed": {"status": {"from": "new", "to": "contacted"}},
            "by": "sam",
            "reason": "first_contact",
        }


@pytest.mark.parametrize("action", ["unsubscribed", "Unsubscribed", "complained", "bounced"])
def test_who_wants_no_mail_gets_none_and_it_is_kept_for_which_address_and_by_whom(action: str) -> None:
    after = taken(lead(consent={"email": True, "phone": True}), engagement(action, days=1))
    assert after["consent"] == {"email": False, "phone": True, "capturedAt": NOW + timedelta(days=1)}
    held = holding(after, "email", "US")
    assert (held.given, held.reason, held.source, held.at) == (
        False,
        action.casefold(),
        "/mailer",
        NOW + timedelta(days=1),
    )
    assert "ana@example.com" in {one["address"] for one in after["standing"] if one["cause"] == "e1"}
    told = change_caused_by(after, "e1")
    assert told == {
        "changed": {"consent.email": {"from": True, "to": False}},
        "by": "/mailer",
        "reason": action.casefold(),
    }


def test_a_refusal_from_before_the_newest_yes_changes_nothing() -> None:
    agreed = lead(consent={"email": True, "capturedAt": NOW})
    after = taken(agreed, engagement("unsubscribed", days=-1))
    assert (after["consent"]["email"], change_caused_by(after, "e1")) == (True, None)


def test_a_refusal_in_a_row_of_an_earlier_release_names_its_source_still() -> None:
    row = engagement("unsubscribed") | {
        "createdBy": "/old/mailer",
        "refusal": {"reason": "unsubscribed", "address": None},
    }
    told = change_caused_by(taken(lead(), row), row["_id"])
    assert told
    assert told["by"] == "/old/mailer"


REFUSED = pytest.raises(ValidationError)


def said(metadata: Any) -> EngagementRecorded:
    return EngagementRecorded.model_validate({"leadId": "l", "action": "opened_email", "metadata": metadata})


def test_an_engagement_s_metadata_is_kept_with_its_activity() -> None:
    metadata = {"campaign": "spring", "links": [{"url.path": "/menu", "clicks": 2}]}
    row = engagement_activity(
        "e", "l", "opened_email", NOW, source="/m", address=None, trigger=None, metadata=said(metadata).metadata
    )
    assert row["metadata"] == metadata


@pytest.mark.parametrize(
    ("metadata", "outcome"),
    [
        ({str(number): number for number in range(20)}, nullcontext()),
        ({str(number): number for number in range(21)}, REFUSED),
        ({"a": "x" * (2_048 - len('{"a":""}'))}, nullcontext()),
        ({"a": "x" * (2_049 - len('{"a":""}'))}, REFUSED),
        ({"a": "é" * 1_020}, nullcontext()),
        ({"a": "é" * 1_021}, REFUSED),
        ({"a": {"b": 2**64}}, REFUSED),
        ({"a": {"b\0": 1}}, REFUSED),
    ],
)
def test_metadata_beyond_20_entries_or_2_kib_or_that_can_t_be_stored_is_refused(
    metadata: dict[str, Any], outcome: AbstractContextManager[Any]
) -> None:
    with outcome:
        said(metadata)


def test_a_bounce_of_another_address_is_kept_but_stops_nothing() -> None:
    after = taken(lead(), engagement("bounced", address="old@example.com"))
    assert after["consent"] == {}
    assert [one["address"] for one in after["standing"]] == ["old@example.com"]
    assert change_caused_by(after, "e1") is None


def test_who_unsubscribes_at_another_address_wants_no_mail_at_all() -> None:
    assert taken(lead(), engagement("unsubscribed", address="old@example.com"))["consent"]["email"] is False


def test_a_second_refusal_tells_no_second_change() -> None:
    first = taken(lead(), engagement("bounced"))
    second = taken(first, engagement("unsubscribed", "e2"))
    assert {one["reason"] for one in second["standing"]} == {"bounced", "unsubscribed"}
    assert change_caused_by(second, "e2") is None
    assert change_caused_by(second, "e1") is not None, "what is redelivered is told again"


def test_an_activity_that_was_taken_in_changes_nothing_again() -> None:
    once = taken(lead(), call())
    assert count_on_lead(once, [call()], NOW, "US").sets == {}


def test_a_lead_stays_bounded_however_many_addresses_bounce_and_however_often_its_consent_changes() -> None:
    one = taken(lead(), engagement("unsubscribed", "e-1", days=-1))
    for number in range(50):
        one = taken(one, engagement("bounced", f"e{number}", f"a{number}@example.com", days=number))
    assert len(one["standing"]) <= 2 * (ADDRESSES_MAX + 2)
    for number in range(CHANGES_MAX + 5):
        one["consent"]["email"] = True
        one = taken(one, engagement("unsubscribed", f"again{number}", days=number))
    assert len(one["consentChanges"]) == CHANGES_MAX


def test_the_change_of_a_lead_stored_by_an_earlier_version_is_told_again() -> None:
    change = {"from": True, "reason": "bounced", "source": "/mailer", "cause": "e1"}
    told = change_caused_by(lead(consent={"email": False}, consentChange=change), "e1")
    assert told == {"changed": {"consent.email": {"from": True, "to": False}}, "by": "/mailer", "reason": "bounced"}
