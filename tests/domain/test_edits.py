"""Edits of a lead: which value holds, what is required, which claims move, and what a past moment knew."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.commands import UpdateLead
from schemas.edits import LeadEdit
from services.prediction.domain.learning.condensing import condense_captures, condense_edits
from services.prediction.domain.learning.fact_rows import past_edits
from services.prediction.domain.learning.features import History, vector
from services.qualification.domain.decide import lost_reason_objection, requested_fields
from services.qualification.domain.field_edits import claim_change, edit_fields, edit_part
from shared.domain.identity.identity_rules import DEFAULT_IDENTITY_RULES, IdentityRules
from shared.domain.identity.normal_forms import NOT_GIVEN
from shared.domain.identity.placeholders import Placeholders
from shared.domain.lead_changes import with_changes
from shared.domain.rules.conditions import value_at
from tests.builders import NOW, lead

HOUR = timedelta(hours=1)
WHO: Any = {"leadId": "l", "requestedBy": "sam"}


def order(hours: int, id_: str = "e") -> tuple[str, ...]:
    return ((NOW + hours * HOUR).isoformat(timespec="microseconds"), id_, id_)


def edited(one: Any, values: dict[str, Any], hours: int = 1, id_: str = "e") -> Any:
    """The lead with this edit carried out."""
    after = edit_fields(one, values, order(hours, id_))
    claims = claim_change(one, after.lead, DEFAULT_IDENTITY_RULES, "US")
    done = with_changes(one, edit_part(after, claims, id_, NOW + hours * HOUR))
    return {**done, "revision": one["revision"] + 1}


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"contact.emial": "a@b.de"}, "set.contact.emial"),
        ({"contact.email": "nobody"}, "set.contact.email"),
        ({"contact.phone": "1"}, "set.contact.phone"),
        ({"company.size": "huge"}, "set.company.size"),
        ({"company.annualRevenue": -1}, "set.company.annualRevenue"),
        ({"requirements.painPoints": "waste"}, "set.requirements.painPoints"),
        ({"status": "lost"}, "set.status"),
        ({"contact": {"email": "a@b.de"}}, "set.contact"),
        ({"_id": "x"}, "set.…"),
        ({"$where": "1"}, "set.…"),
        ({"ana@secret.example": "1"}, "set.…"),
        ({"x" * 200_000: "1"}, "set.…"),
    ],
)
def test_an_edit_of_an_unknown_path_or_with_a_wrong_value_names_its_path(wrong: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as raised:
        UpdateLead.model_validate({**WHO, "set": {"company.name": "Blue Fork", **wrong}})
    assert [".".join(map(str, one["loc"])) for one in raised.value.errors()] == [where]


def test_an_edit_without_a_path_and_a_reason_of_loss_without_a_loss_are_invalid() -> None:
    wrongs: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        ({"set": {}}, ("set",)),
        ({"lostReason": "price"}, ("lostReason",)),
        ({"status": "new", "lostReason": "price"}, ("lostReason",)),
        ({"note": " "}, ()),
    ]
    for wrong, where in wrongs:
        with pytest.raises(ValidationError) as raised:
            UpdateLead.model_validate({**WHO, **wrong})
        assert raised.value.errors()[0]["loc"] == where
    assert UpdateLead.model_validate({**WHO, "note": " Call back. "}).note == "Call back."


def test_an_edit_keeps_what_it_empties_on_the_wire() -> None:
    values = {"company.size": "small", "contact.title": None, "requirements.painPoints": ["waste"]}
    command = UpdateLead.model_validate({**WHO, "set": values})
    assert command.set is not None
    assert command.set.values() == command.wire()["set"] == values
    assert UpdateLead.model_validate_json(command.wire_json()) == command


@pytest.mark.parametrize("empty", ["", " ", None, []])
def test_a_blank_or_empty_value_empties_a_list(empty: object) -> None:
    assert LeadEdit.model_validate({"requirements.painPoints": empty}).values() == {"requirements.painPoints": None}


def test_each_field_of_the_edit_is_a_field_of_a_lead() -> None:
    one: Any = lead(company={}, contact={"email": "a@b.de"}, requirements={})
    sample: dict[str, Any] = {"company.size": "small", "contact.email": "b@b.de", "contact.phone": "+1 212 555 0100"}
    sample["contact.timeZone"] = "Europe/Vienna"
    for path in (*(one.alias for one in LeadEdit.model_fields.values() if one.alias), "attributes.covers"):
        is_list = path in ("requirements.decisionMakers", "requirements.painPoints")
        is_number = path in ("company.annualRevenue", "requirements.budget")
        value = sample.get(path, ["x"] if is_list else 5 if is_number else "x")
        values = LeadEdit.model_validate({path: value}).values()
        after: Any = edit_fields(one, values, order(1)).lead
        assert value_at(after, path) == value


def test_of_two_edits_of_one_path_the_newest_by_time_then_id_holds_in_any_order() -> None:
    edits: list[tuple[dict[str, Any], int, str]] = [
        ({"contact.title": "Chef", "company.size": "small"}, 1, "a"),
        ({"contact.title": "Owner"}, 2, "b"),
        ({"contact.title": None, "company.industry": "hotel"}, 2, "c"),
    ]
    found = []
    for some in permutations(edits):
        one = lead()
        for values, hours, id_ in some:
            one = edited(one, values, hours, id_)
        found.append({name: one[name] for name in ("contact", "company", "edited")})
    assert all(one == found[0] for one in found)
    assert "title" not in found[0]["contact"]
    assert (found[0]["company"]["size"], found[0]["company"]["industry"]) == ("small", "hotel")


def test_a_late_edit_that_a_newer_one_overrides_changes_nothing_and_says_so() -> None:
    one = edited(lead(), {"contact.title": "Owner"}, 2)
    late = edit_fields(one, {"contact.title": "Chef"}, order(1))
    assert (late.changes, late.lead["contact"], late.missing) == ((), one["contact"], None)


@pytest.mark.parametrize("path", ["company.name", "contact.firstName", "contact.lastName"])
@pytest.mark.parametrize("empty", [None, NOT_GIVEN])
def test_a_required_field_cannot_be_emptied(path: str, empty: str | None) -> None:
    assert edit_fields(lead(), {path: empty, "contact.title": "Chef"}, order(1)).missing == path


def test_one_of_email_and_phone_must_stay() -> None:
    both = lead(contact={"firstName": "Ana", "lastName": "R", "email": "a@b.de", "phone": "+12125550100"})
    assert edit_fields(both, {"contact.email": None}, order(1)).missing is None
    assert edit_fields(both, {"contact.email": None, "contact.phone": None}, order(1)).missing
    without = edited(both, {"contact.email": None})
    assert edit_fields(without, {"contact.phone": None}, order(2)).missing
    assert edit_fields(without, {"contact.phone": None, "contact.email": "c@b.de"}, order(2)).missing is None


def test_a_lead_that_was_imported_without_a_name_can_be_edited_elsewhere() -> None:
    one = lead(contact={"firstName": NOT_GIVEN, "lastName": "R", "email": "a@b.de"})
    assert edit_fields(one, {"contact.title": "Chef"}, order(1)).missing is None


def test_an_edited_email_takes_its_claim_and_leaves_the_former_one() -> None:
    one = lead(contact={"firstName": "Ana", "lastName": "R", "email": "a@b.de", "phone": "+12125550100"})
    after = edit_fields(one, {"contact.email": "New@b.de"}, order(1)).lead
    change = claim_change(one, after, DEFAULT_IDENTITY_RULES, "US")
    assert (change.email, change.person, change.leaves) == ("email:new@b.de", None, frozenset({"email:a@b.de"}))
    same = edit_fields(one, {"contact.email": "A@B.de"}, order(1)).lead
    assert claim_change(one, same, DEFAULT_IDENTITY_RULES, "US").leaves == frozenset()


@pytest.mark.parametrize("path", ["contact.phone", "company.name", "contact.firstName", "contact.lastName"])
def test_an_edited_phone_company_or_name_moves_the_claim_of_the_three(path: str) -> None:
    one = lead(contact={"firstName": "Ana", "lastName": "R", "email": "a@b.de", "phone": "+12125550100"})
    value = "+12125550199" if path == "contact.phone" else "Other"
    after = edit_fields(one, {path: value}, order(1)).lead
    change = claim_change(one, after, DEFAULT_IDENTITY_RULES, "US")
    assert change.email is None
    assert change.person
    assert change.person.startswith("pcn:")
    assert len(change.leaves) == 1


def test_a_placeholder_takes_no_claim() -> None:
    rules = IdentityRules(Placeholders(emails=("none@none.example",)))
    one = lead(contact={"firstName": "Ana", "lastName": "R", "email": "a@b.de"})
    after = edit_fields(one, {"contact.email": "none@none.example"}, order(1)).lead
    change = claim_change(one, after, rules, "US")
    assert (change.email, change.leaves) == (None, frozenset({"email:a@b.de"}))


def test_an_edit_back_takes_the_left_claim_again() -> None:
    one = lead(contact={"firstName": "Ana", "lastName": "R", "email": "a@b.de"})
    there = edited(one, {"contact.email": "b@b.de"}, 1)
    assert there["leaving"] == ["email:a@b.de"]
    back = edited(there, {"contact.email": "a@b.de"}, 2)
    assert back["leaving"] == ["email:b@b.de"]


def test_a_reason_lasts_as_long_as_its_lead_is_lost() -> None:
    lost = UpdateLead.model_validate({**WHO, "status": "lost", "lostReason": "price"})
    assert requested_fields(lead(), lost) == {"status": "lost", "lostReason": "price"}
    opened = UpdateLead.model_validate({**WHO, "status": "new"})
    assert requested_fields(lead(lostReason="price"), opened) == {"status": "new", "lostReason": None}
    assert requested_fields(lead(), opened) == {"status": "new"}
    assert lost_reason_objection(lost, ("price",)) is None
    assert lost_reason_objection(lost, ("timing",))


_PATHS = ("contact.title", "company.industry", "company.size", "company.annualRevenue", "contact.phone")
_VALUES: dict[str, list[Any]] = {
    "contact.title": ["Chef", "Owner", None],
    "company.industry": ["hotel", "bakery", None],
    "company.size": ["small", "large", None],
    "company.annualRevenue": [1e6, 1e7, None],
    "contact.phone": ["+12125550100", None],
}


@st.composite
def _lives(draw: st.DrawFn) -> list[tuple[int, str, str, Any]]:
    """Edits and captures of a lead, one an hour: number of the hour, kind, path, value."""
    steps = []
    for hour in range(1, draw(st.integers(1, 14))):
        path = draw(st.sampled_from(_PATHS))
        kind = draw(st.sampled_from(("edit", "capture")))
        values = [one for one in _VALUES[path] if kind == "edit" or one is not None]
        steps.append((hour, kind, path, draw(st.sampled_from(values))))
    return steps


@given(_lives(), st.integers(0, 14))
def test_a_vector_of_a_moment_is_the_same_before_and_after_any_later_event(
    steps: list[tuple[int, str, str, Any]], hour: int
) -> None:
    as_of = NOW + hour * HOUR + timedelta(minutes=30)
    before, after = _history([one for one in steps if one[0] <= hour]), _history(steps)
    assert vector(after, as_of) == vector(before, as_of)
    moments = {"lead-1": as_of}
    condensed = History(
        after.lead, condense_captures(after.captures, moments), (), condense_edits(after.edits, moments)
    )
    assert vector(condensed, as_of) == vector(before, as_of)


def _history(steps: list[tuple[int, str, str, Any]]) -> History:
    one: Any = lead(
        _id="lead-1",
        createdAt=NOW,
        company={"name": "Blue Fork"},
        contact={"firstName": "Ana", "lastName": "R", "email": "a@b.de"},
    )
    captures: list[Any] = [{"leadId": "lead-1", "capturedAt": NOW, "knownAt": NOW, "channel": "website"}]
    edits: list[Any] = []
    for hour, kind, path, value in steps:
        at, (section, name) = NOW + hour * HOUR, path.split(".")
        if kind == "edit":
            one = edited(one, {path: value}, hour, f"e{hour}")
            if one.get("lastEdit", {}).get("cause") == f"e{hour}":
                edits += past_edits("lead-1", one["lastEdit"])
            continue
        filled = [] if one[section].get(name) is not None else [path]
        one = with_changes(one, {path: value}) if filled else one
        captures.append({"leadId": "lead-1", "capturedAt": at, "knownAt": at, "channel": "website", "filled": filled})
    return History(one, captures, (), edits)
