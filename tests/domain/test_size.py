# mypy: disable-error-code="arg-type,dict-item,misc"
# Documents of other releases, and of any shape, come in on purpose.
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.base import ENVELOPE_LIMIT, CloudEvent
from schemas.captures import LeadCaptured
from schemas.commands import OPPORTUNITY_BYTES, OpportunityRequest
from schemas.lead import Lead
from schemas.outputs import LeadConverted
from schemas.topics import CAPTURED, CONVERTED
from services.capture.domain.decide import decide
from services.capture.domain.plan import Outcome
from services.capture.domain.view import View
from services.capture.worker import _events
from services.conversion.domain.decide import build_opportunity
from shared.domain.size import CAPTURED_BYTES_MAX, LEAD_BYTES_MAX, convertible, encoded_size, lead_size, slim
from shared.kafka.events import Cause, Received, Record, emit
from tests.builders import NOW, capture, data, event, reading_claims, written
from tests.builders import lead as stored_lead

_FILLERS = {"letters": "x", "control characters": "\x01", "emoji": "🍽", "accents": "é"}


def _largest(filler: str, email: str | None = "ana@example.com", **more: Any) -> dict[str, Any]:
    """As much as one legal capture can say."""
    word, text = f"{filler * 198}.", f"{filler * 3_998}."
    payload = data(
        email=email,
        phone="(212) 555-0142",
        company={"name": word, "industry": word, "size": "large", "website": text, "annualRevenue": 1e15},
        first=word,
        last=word,
        contact={"title": word},
        requirements={
            "budget": 1e15,
            "timeline": text,
            "decisionMakers": [f"{filler * 190}{n}" for n in range(50)],
            "currentSolution": text,
            "painPoints": [f"{filler * 190}{n}" for n in range(50)],
        },
        consent={"email": True, "phone": False},
        context={"note": "y" * 8_000},
    )
    return LeadCaptured.model_validate(payload | more).model_dump(by_alias=True, exclude_none=True)


@pytest.mark.parametrize("filler", _FILLERS.values(), ids=_FILLERS)
def test_the_largest_lead_that_can_be_captured_fits_into_the_event_of_its_conversion(filler: str) -> None:
    view = View({}, {}, {})
    decided = [capture("c0", _largest(filler))]
    decided += [capture(f"c{n}", _largest(filler, context={f"note{n}": "z" * 8_000})) for n in range(1, 60)]
    for one in decided:
        view = reading_claims(view, *one.identity.claims)
        view = written(view, decide([one], view, NOW, "US"))
    lead: Any
    (lead,) = view.leads.values()
    assert lead_size(lead) <= CAPTURED_BYTES_MAX
    assert lead["contact"] == decided[0].data["contact"]
    assert (lead["consent"]["email"], lead["consent"]["phone"]) == (True, False)
    assert len(_converted(lead | {"assignedTo": "\x01" * 200}).value or b"") <= ENVELOPE_LIMIT


def _converted(lead: Any) -> Any:
    free = {f"field{n}": "\x01" * 100 for n in range(104)}
    request = OpportunityRequest.model_validate({"name": "\x01" * 198, "currency": "USD", **free})
    assert OPPORTUNITY_BYTES - 2_000 < len(request.model_dump_json()) <= OPPORTUNITY_BYTES
    of = LeadConverted(
        lead=Lead.of({**lead, "status": "converted", "convertedAt": NOW, "convertedToOpportunityId": "o" * 36}),
        opportunity_id="o" * 36,
        opportunity=build_opportunity(lead, request.wire()),
        converted_at=NOW,
    )
    cause = Cause("k" * 36, "\x01" * 200, "\x01" * 200, "\x01" * 200)
    return emit(CONVERTED, of, cause=cause, key=lead["_id"], source="/services/conversion", at=NOW)


def test_a_lead_at_the_limit_of_commands_fits_too() -> None:
    lead: dict[str, Any] = {"_id": "l" * 36, "source": "website", "status": "qualified", "createdAt": NOW}
    lead |= {"updatedAt": NOW, "company": {"name": "Blue Fork"}, "contact": {"firstName": "Ana"}, "requirements": {}}
    lead["requirements"] = {"decisionMakers": ["\x01" * 200] * 50, "painPoints": [], "timeline": ""}
    while lead_size(lead) < LEAD_BYTES_MAX - 1_500:
        lead["requirements"]["painPoints"].append("\x01" * 200)
    lead["requirements"]["timeline"] = "x" * (LEAD_BYTES_MAX - lead_size(lead))
    assert LEAD_BYTES_MAX - 20 < lead_size(lead) <= LEAD_BYTES_MAX
    assert len(_converted(lead).value) <= ENVELOPE_LIMIT


def test_what_a_lead_has_no_room_for_stays_in_the_row_of_its_capture() -> None:
    view = View({}, {"email:ana@example.com": []}, {})
    first = _largest(
        "\x01", context={"booth": 7}, contact={"firstName": "Ana", "lastName": "R", "email": "ana@example.com"}
    )
    plan = decide([capture("c1", first)], view, NOW, "US")
    view = written(view, plan)
    lead: Any
    (lead,) = view.leads.values()
    left = {one["path"]: one["value"] for one in plan.rows[0]["differed"]}
    assert left
    for path in ("company.website", "requirements.budget", "requirements.painPoints", "context.booth"):
        section, name = path.split(".")
        assert (path in left) != (name in lead[section]), path
    more = _largest("x", context={"booth": 7, "note": "z" * 8_000}, contact=first["contact"])
    plan = decide([capture("c2", more)], view, NOW, "US")
    (lead,), row = written(view, plan).leads.values(), plan.rows[0]
    assert {"path": "requirements.painPoints", "value": more["requirements"]["painPoints"]} in row["differed"] or (
        "requirements.painPoints" in row["filled"]
    )
    assert lead_size(lead) <= CAPTURED_BYTES_MAX


def test_a_capture_of_a_lead_that_an_older_release_let_grow_too_large_is_published_all_the_same() -> None:
    payload = LeadCaptured.model_validate(data())
    value = event(data(), event_id="c2")
    received = Received(Record(CAPTURED.name, 0, 0, b"", value), CloudEvent.model_validate_json(value), payload, "c2")
    large = stored_lead(context={f"note{n}": "z" * 8_000 for n in range(40)})
    row = {"outcome": "merged", "matchScore": 100, "matchedOn": ["email"], "filled": [], "otherMatches": []}
    (told,) = _events(Outcome(capture("c2"), row | {"reopened": False}, large), received)
    published = json.loads(told.value or b"")["data"]["lead"]
    assert (published["id"], published["contact"]) == (large["_id"], large["contact"])
    assert "context" not in published


def test_what_identifies_a_person_always_fits() -> None:
    email = f"{'a' * 60}@example.com"
    view = View({}, {}, {})
    for key, payload in (("c1", _largest("é", email=None)), ("c2", _largest("é", email=email))):
        one = capture(key, payload)
        view = reading_claims(view, *one.identity.claims)
        plan = decide([one], view, NOW, "US")
        view, row = written(view, plan), plan.rows[0]
    (lead,) = view.leads.values()
    assert row["filled"] == ["contact.email"]
    assert lead["contact"]["email"] == email
    assert lead_size(lead) < LEAD_BYTES_MAX


def test_sizes_are_those_of_the_wire() -> None:
    document: dict[str, Any] = {
        "_id": "x",
        "source": "website",
        "status": "new",
        "company": {"name": "\x01é🍽"},
        "contact": {},
    }
    document |= {"createdAt": datetime(2026, 3, 2, tzinfo=UTC), "updatedAt": datetime(2026, 3, 2, tzinfo=UTC)}
    assert lead_size({**document, "decided": ["not on the wire"]}) == len(
        Lead.of(document).model_dump_json(by_alias=True, exclude_none=True).encode()
    )
    assert encoded_size("\x01") == len(json.dumps("\x01"))


def test_an_owner_and_the_conversion_itself_make_no_lead_too_large_to_be_converted() -> None:
    lead = stored_lead(requirements={"timeline": ""})
    lead["requirements"]["timeline"] = "x" * (LEAD_BYTES_MAX - lead_size(lead))
    assert convertible(lead)
    assert convertible(lead | {"assignedTo": "\x01" * 200, "convertedAt": NOW, "convertedToOpportunityId": "o" * 36})
    lead["requirements"]["timeline"] += "x"
    assert not convertible(lead)


def test_a_slim_lead_has_its_person_and_company_and_the_opportunity_its_terms() -> None:
    opportunity = {"name": "n", "amount": 1.0, "company": {"name": "c"}, "requirements": {"painPoints": ["p"]}}
    conversion = {"cause": "k", "opportunity": opportunity}
    bulky = stored_lead(context={"a": 1}, requirements={"painPoints": ["p"]}, conversion=conversion)
    thin = slim(bulky)
    assert bulky.keys() - thin.keys() == {"context", "requirements"}
    assert thin["conversion"]["opportunity"].keys() == opportunity.keys() - {"requirements"}
    assert slim(stored_lead()) == stored_lead()
