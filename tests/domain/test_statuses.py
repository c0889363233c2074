from pathlib import Path

import pytest

from schemas.commands import UpdateLead
from schemas.lead import Status
from schemas.reasons import RejectionReason
from schemas.topics import TOPICS
from shared.domain.statuses import MOVES, TABLE, Move, after, objection
from tests.builders import lead


def test_the_table_says_for_every_move_and_status_what_happens() -> None:
    assert set(MOVES) == set(Move)
    for row in MOVES.values():
        assert set(row.outcomes) == set(Status)
        assert {row.by, row.publishes} <= set(TOPICS)


def test_the_services_page_shows_the_table_that_the_workers_follow() -> None:
    assert TABLE in Path("services/README.md").read_text()


@pytest.mark.parametrize("move", list(Move))
def test_nothing_leads_out_of_converted(move: Move) -> None:
    assert after(move, "converted") in (Status.CONVERTED, *RejectionReason)


@pytest.mark.parametrize("status", list(Status))
def test_the_contract_s_moves_stand_in_the_table(status: Status) -> None:
    assert (after(Move.CONVERT, status) is Status.CONVERTED) == (status is Status.QUALIFIED)
    assert after(Move.CAPTURED_AGAIN, status) is (Status.NEW if status is Status.LOST else status)
    assert after(Move.FIRST_CONTACT, status) is (Status.CONTACTED if status is Status.NEW else status)


def test_each_status_that_a_command_can_ask_for_has_its_move() -> None:
    asked = [status for status in Status if _accepts(status)]
    assert [Move(f"set {status.value}") for status in asked] == [Move.TO_NEW, Move.TO_CONTACTED, Move.TO_LOST]


def _accepts(status: Status) -> bool:
    try:
        UpdateLead.model_validate({"leadId": "l", "requestedBy": "sam", "status": status.value})
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("move", list(Move))
@pytest.mark.parametrize("status", list(Status))
def test_an_objection_is_the_table_s_reason_and_a_sentence(move: Move, status: Status) -> None:
    raised = objection(move, lead(status=status.value, convertedToOpportunityId="o"))
    outcome = after(move, status)
    assert (raised[0] if raised else None) == (outcome if isinstance(outcome, RejectionReason) else None)
    assert raised is None or len(raised[1].split()) > 3


def test_an_unknown_lead_can_be_moved_by_nothing() -> None:
    assert {found[0] for move in Move if (found := objection(move, None))} == {RejectionReason.LEAD_NOT_FOUND}
