"""A yes or a no that sales states for a lead."""

from datetime import datetime, timedelta

import pytest
from pydantic import ValidationError

from schemas.commands import ConsentStatement, UpdateLead
from services.qualification.domain.decide import consent_activity, consent_statement, restate_consent
from shared.domain.activity_documents import tally
from shared.domain.consent.statements import Restated
from shared.domain.stored.lead_document import LeadDocument
from tests.builders import NOW, lead

HOUR = timedelta(hours=1)
YES, NO = ConsentStatement(channel="email", given=True), ConsentStatement(channel="email", given=False, wording="No.")


def stated(one: LeadDocument, said: ConsentStatement, at: datetime) -> Restated:
    return restate_consent(one, said, [consent_statement(said, at, "/sales", f"u{at}")], "US")


def test_an_update_may_be_a_statement_alone_and_names_its_channel() -> None:
    command = {"leadId": "l", "requestedBy": "sam"}
    assert UpdateLead.model_validate({**command, "consent": {"channel": "phone", "given": True}}).consent is not None
    for wrong in ({"channel": "fax", "given": True}, {"channel": "email"}, {"given": True}):
        with pytest.raises(ValidationError):
            UpdateLead.model_validate({**command, "consent": wrong})
    with pytest.raises(ValidationError, match="one of status, assignedTo, note, consent and set"):
        UpdateLead.model_validate(command)


def test_a_no_that_sales_states_holds_and_a_yes_of_theirs_never_lifts_one() -> None:
    one = lead(consent={"email": True, "capturedAt": NOW})
    refused = stated(one, NO, NOW + HOUR)
    assert refused.changed == {"email": {"from": True, "to": False}}
    lifted = stated(one | refused.set, YES, NOW + 2 * HOUR)
    assert lifted.changed == {"email": {"from": False, "to": False}}, "what stays as it was is told too"


def test_a_yes_that_sales_states_holds_where_nothing_was_stated() -> None:
    assert stated(lead(), YES, NOW).set["consent"] == {"email": True, "capturedAt": NOW}


def test_the_activity_that_keeps_a_statement_gives_no_points() -> None:
    row = consent_activity("u1", "lead-1", NO, "sam", NOW)
    assert (row["type"], row["description"]) == ("follow_up", "Consent to e-mail refused")
    assert row["statement"] == {"channel": "email", "given": False, "wording": "No."}
    assert tally(lead(), [row])["completedAt"] == []
