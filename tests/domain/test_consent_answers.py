"""What the cells of consent columns state, from the file to the capture."""

import json
from datetime import datetime, timedelta

import pytest

from services.ingest.domain.batches import judge_batch
from services.ingest.domain.columns.meanings import ColumnOrigin, columns_of
from services.ingest.domain.lines import Terms, ValidLine
from services.ingest.domain.tables.table import read_csv
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.values.consent_answers import read_answer, tells_refusals
from tests.builders import NOW


@pytest.mark.parametrize(
    ("texts", "agrees", "refuses"),
    [
        (
            ("yes", "Y", "TRUE", "1", "1.0", "x", "✓", "✔\ufe0f", "✅ Yes", "tak", "Ja", "oui", "Sí", "sim", "vero"),
            True,
            False,
        ),
        (("no", "N", "false", "0", "0.0", "Nein", "nie", "non", "Não", "nee"), False, None),
        (("Subscribed", "Opted In", "opt-in", "abonniert"), True, True),
        (("Allow", "allowed"), True, None),
        (
            (
                "Unsubscribed",
                "opted out",
                "bounced",
                "Cleaned",
                "Never subscribed",
                "NEVER_SUBSCRIBED",
                "Do Not Allow",
                "Désinscrit",
            ),
            False,
            False,
        ),
    ],
)
def test_a_cell_is_read_with_its_column(texts: tuple[str, ...], *, agrees: bool, refuses: bool | None) -> None:
    assert {text: read_answer(text, negated=False) for text in texts} == dict.fromkeys(texts, agrees)
    assert {text: read_answer(text, negated=True) for text in texts} == dict.fromkeys(texts, refuses)


@pytest.mark.parametrize(
    "text",
    [
        "Pending",
        "Maybe",
        "Non-Subscribed",
        "2",
        "only in May",
        "yes " * 30,
        "double_opt_in_pending",
    ],
)
@pytest.mark.parametrize("negated", [False, True])
def test_what_is_neither_a_yes_nor_a_no_is_not_understood(text: str, *, negated: bool) -> None:
    assert read_answer(text, negated=negated) == text


@pytest.mark.parametrize(("text", "agrees"), [("granted", True), ("Declined", False), ("no_consent", False)])
def test_an_answer_to_a_request_is_not_understood_as_one_to_a_refusal(text: str, *, agrees: bool) -> None:
    assert read_answer(text, negated=False) is agrees
    assert read_answer(text, negated=True) == text


@pytest.mark.parametrize(
    "day",
    [
        "2024-05-01 10:00:00",
        "2024-05-01T10:00:00",
        "2024-05-01T10:00:00Z",
        "Jan 5, 2024",
        "31.12.2024",
        "45413.5",
        "1714557600",
    ],
)
def test_the_day_on_which_a_person_left_is_a_no(day: str) -> None:
    assert read_answer(day, negated=True) is False
    assert read_answer(day, negated=False) == day


@pytest.mark.parametrize("never", ["0000-00-00 00:00:00", "00/00/0000"])
def test_a_database_s_sign_for_no_day_is_no_refusal(never: str) -> None:
    assert read_answer(never, negated=True) is None


@pytest.mark.parametrize("text", ["☐ yes", "[ ] Yes", "✗ yes", "yes?", "-1", "¬yes", "opt-in?", "~1"])
def test_a_mark_that_may_turn_a_yes_into_its_contrary_leaves_it_unread(text: str) -> None:
    assert read_answer(text, negated=False) == text
    assert read_answer(text, negated=True) is not True


@pytest.mark.parametrize("text", ["No, thanks", "nein danke", "No - call me instead", "Não, obrigado", "no!", "☐ no"])
def test_a_no_with_more_behind_it_is_a_no(text: str) -> None:
    assert read_answer(text, negated=False) is False


@pytest.mark.parametrize("text", ["no objection", "Non-Subscribed", "no preference"])
def test_another_word_after_no_is_not_understood(text: str) -> None:
    assert read_answer(text, negated=False) == text


@pytest.mark.parametrize(
    ("headers", "cells", "said"),
    [
        ("Email Opt Out", "TRUE", {"email": False}),
        ("Email Opt Out", "FALSE", {}),
        ("Email Opt Out", "", {}),
        ("Email Opt Out", "maybe", {}),
        ("Email Opt Out", "granted", {}),
        ("Email Opt Out,Newsletter", "0,yes", {"email": True}),
        ("Newsletter,Email Opt Out", "yes,1", {"email": False}),
        ("Do Not Contact", "yes", {"email": False, "phone": False}),
        ("Do Not Call,Email Opt-in", "x,x", {"email": True, "phone": False}),
        ("UNSUB_TIME", "2024-05-01 10:00:00", {"email": False}),
        ("Accepts SMS Marketing", "no", {}),
        ("Permission", "no", {}),
        ("Email Status", "Unsubscribed", {}),
    ],
)
def test_a_row_states_what_its_consent_columns_mean(headers: str, cells: str, said: dict[str, bool]) -> None:
    body = f"First Name,Last Name,Company,Email,{headers}\nAna,Reyes,Blue Fork,ana@example.com,{cells}\n"
    (line,) = judge_batch(body.encode(), "text/csv", Terms("US", "website", NOW)).lines
    assert isinstance(line, ValidLine)
    wire = line.capture.wire().get("consent") or {}
    assert {name: wire[name] for name in ("email", "phone") if name in wire} == said


@pytest.mark.parametrize("headers", ["Email Opt Out,Newsletter", "Newsletter,Email Opt Out"])
def test_a_cell_that_is_not_understood_is_told_of_its_own_column(headers: str) -> None:
    cells = {"Email Opt Out": "FALSE", "Newsletter": "maybe"}
    row = ",".join(cells[header] for header in headers.split(","))
    body = f"First Name,Last Name,Company,Email,{headers}\nAna,Reyes,Blue Fork,ana@example.com,{row}\n"
    (line,) = judge_batch(body.encode(), "text/csv", Terms("US", "website", NOW)).lines
    assert isinstance(line, ValidLine)
    assert [warning.path for warning in line.warnings] == ["Newsletter"]
    assert line.capture.context == {"Newsletter": "maybe"}


DAY = "2019-01-01T10:00:00+00:00"


@pytest.mark.parametrize(
    ("headers", "cells", "consent", "at"),
    [
        ("Email Opt Out,Opt-in Date", f"TRUE,{DAY}", {"email": False}, NOW),
        ("Email Opt Out,Created Date", f"TRUE,{DAY}", {"email": False}, NOW),
        ("Subscription Status,Consent Date", f"unsubscribed,{DAY}", {"email": False}, NOW),
        ("Subscribed,Subscribed at", f"no,{DAY}", {"email": False}, NOW),
        ("Unsubscribed at,Created Date", f"{DAY},2018-01-01", {"email": False}, datetime.fromisoformat(DAY)),
        ("Unsubscribed at", f"{NOW + timedelta(days=900)}", {"email": False}, NOW),
        ("Email Consent,Consent Date", f"no,{DAY}", {"email": False}, datetime.fromisoformat(DAY)),
        ("Email Consent,Opt-in Date", f"yes,{DAY}", {"email": True}, datetime.fromisoformat(DAY)),
        (
            "Email Opt Out,Phone Consent,Consent Date",
            f"TRUE,yes,{DAY}",
            {"email": False, "phone": True, "dated": False},
            NOW,
        ),
    ],
)
def test_a_refusal_is_no_older_than_what_says_it(
    headers: str, cells: str, consent: dict[str, bool], at: datetime
) -> None:
    body = f"First Name,Last Name,Company,Email,{headers}\nAna,Reyes,Blue Fork,ana@example.com,{cells}\n"
    (line,) = judge_batch(body.encode(), "text/csv", Terms("US", "website", NOW)).lines
    assert isinstance(line, ValidLine)
    assert line.capture.consent is not None
    assert line.capture.consent.captured_at == at
    assert {name: said for name, said in line.capture.consent.wire().items() if name != "capturedAt"} == consent


def test_a_yes_that_may_have_slipped_below_its_header_states_nothing() -> None:
    header = "Email,First Name,Last Name,City,Terms read,Newsletter"
    body = f"{header}\nana@example.com,Ana,Reyes,Portland, Oregon,yes,no\njo@example.com,Jo,Berg,Oslo,yes,no\n"
    slipped, whole = judge_batch(body.encode(), "text/csv", Terms("US", "website", NOW)).lines
    assert isinstance(slipped, ValidLine)
    assert isinstance(whole, ValidLine)
    assert (slipped.capture.consent and slipped.capture.consent.email) is None
    assert any(one.path == "Newsletter" and "another column" in one.message for one in slipped.warnings)
    assert whole.capture.consent is not None
    assert whole.capture.consent.email is False


@pytest.mark.parametrize("header", ["Status", "Email Status", "Remarks"])
@pytest.mark.parametrize("cell", ["unsubscribed", "Opted-out", "BOUNCED", "do not contact", "Désabonné"])
def test_a_column_whose_cells_say_that_people_left_is_asked_about(header: str, cell: str) -> None:
    body = f"Name,Company,Email,{header}\nAna Reyes,Blue Fork,ana@example.com,active\nJo Berg,X,jo@example.com,{cell}\n"
    reading = reading_of(read_csv(body.encode()))
    assert reading.columns[3].origin is ColumnOrigin.ASKED
    batch = judge_batch(body.encode(), "text/csv", Terms("US", "website", NOW))
    assert any(f"'{header}' may be about consent" in remark for remark in batch.remarks)
    named = reading_of(read_csv(body.encode()), {header: f"context.{header}"})
    assert named.columns[3].origin is ColumnOrigin.GIVEN


@pytest.mark.parametrize(
    "cell", ["cancelado", "Rejected", "open", "Optical store", "subscribed to our plan", "refused"]
)
def test_states_of_other_things_are_not_asked_about(cell: str) -> None:
    assert not tells_refusals([cell])


@pytest.mark.parametrize(
    ("said", "agreed"),
    [
        ("unsubscribed", False),
        ("Nein", False),
        ("No, thanks", False),
        ("opted in", True),
        ("[ ] yes", None),
        ("?", None),
    ],
)
def test_words_in_an_item_s_consent_are_read_as_those_in_a_file(said: str, *, agreed: bool | None) -> None:
    item = {"contact": {"firstName": "Ana", "email": "ana@example.com"}, "consent": {"email": said}}
    (line,) = judge_batch(json.dumps([item]).encode(), "application/json", Terms("US", "website", NOW)).lines
    assert isinstance(line, ValidLine)
    assert (line.capture.consent.email if line.capture.consent else None) is agreed
    assert any(one.path == "consent.email" for one in line.warnings) is (said == "[ ] yes")


@pytest.mark.parametrize(
    "header", ["Zgoda marketingowa", "RODO", "Souhlas", "Samtycke", "Suostumus", "Согласие", "İzin"]
)
def test_a_header_that_says_consent_in_another_language_is_asked_about(header: str) -> None:
    assert columns_of(["Email", header])[1].origin is ColumnOrigin.ASKED


def test_a_scan_s_answer_says_that_a_column_which_sounds_like_consent_is_not_read() -> None:
    body = b"Name,Company,Email,GDPR opt out\nAna Reyes,Blue Fork,ana@example.com,yes\n"
    assert any(
        "'GDPR opt out' may be about" in one
        for one in judge_batch(body, "text/csv", Terms("US", "website", NOW)).remarks
    )


def _emails(header: str, cells: list[str]) -> list[bool | None]:
    rows = "".join(f"Ana,Reyes,Blue Fork,a{at}@example.com,{cell}\n" for at, cell in enumerate(cells))
    body = f"First Name,Last Name,Company,Email,{header}\n{rows}"
    lines = judge_batch(body.encode(), "text/csv", Terms("US", "website", NOW)).lines
    found = [line.capture.consent for line in lines if isinstance(line, ValidLine)]
    assert len(found) == len(cells)
    return [consent.email if consent else None for consent in found]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["I", "O", ""], [True, False, None]),
        (["O", "N"], [True, False]),
        (["o", "non", "oui"], [True, False, True]),
        (["O", ""], [None, None]),
        (["I", ""], [None, None]),
        (["O", "Opted in"], [None, True]),
        (["I", "O", "N"], [None, None, False]),
        (["A", "I", "O"], [None, None, None]),
        (["O", "1"], [None, True]),
        (["O", "X"], [None, None]),
        (["S", "N"], [True, False]),
        (["S", ""], [None, None]),
        (["S", "U"], [None, None]),
        (["T", "F"], [True, False]),
        (["T", "N"], [True, False]),
        (["T", "E", "P"], [None, None, None]),
        (["J", "N"], [True, False]),
        (["x", ""], [True, None]),
        (["x", "no"], [True, False]),
        (["x", "✓"], [None, True]),
        (["X", "Yes", "✗"], [None, True, False]),
        (["1", "0"], [True, False]),
        (["1", ""], [True, None]),
        (["1", "2"], [None, None]),
        (["1.0", "2.0"], [None, None]),
        (["1", "11"], [None, None]),
        (["Y", "N"], [True, False]),
    ],
)
def test_a_lone_letter_is_a_yes_only_where_its_column_shows_it(cells: list[str], said: list[bool | None]) -> None:
    assert _emails("Newsletter", cells) == said


def test_a_letter_of_two_meanings_states_nothing_with_a_warning_and_a_remark() -> None:
    body = b"Name,Company,Email,Newsletter\nAna Reyes,Blue Fork,ana@example.com,O\n"
    batch = judge_batch(body, "text/csv", Terms("US", "website", NOW))
    (line,) = batch.lines
    assert isinstance(line, ValidLine)
    assert [warning.path for warning in line.warnings] == ["Newsletter"]
    assert line.capture.context == {"Newsletter": "O"}
    assert any("'O' in 'Newsletter' may be yes or no" in remark for remark in batch.remarks)


@pytest.mark.parametrize("cells", [["I", "O"], ["O", "N"], ["O", ""], ["1", "2"], ["x", "✓"], ["S", ""]])
def test_no_letter_in_a_column_of_refusals_is_a_yes_and_none_loses_a_refusal(cells: list[str]) -> None:
    said = dict(zip(cells, _emails("Email Opt Out", cells), strict=True))
    assert True not in said.values()
    assert all(said[cell] is False for cell in said.keys() & {"O", "1", "x", "S"})


@pytest.mark.parametrize(("said", "agreed"), [("O", None), ("S", None), ("T", None), ("I", None), ("x", True)])
def test_a_letter_in_an_item_stands_alone(said: str, *, agreed: bool | None) -> None:
    item = {"contact": {"firstName": "Ana", "email": "ana@example.com"}, "consent": {"email": said}}
    (line,) = judge_batch(json.dumps([item]).encode(), "application/json", Terms("US", "website", NOW)).lines
    assert isinstance(line, ValidLine)
    assert (line.capture.consent.email if line.capture.consent else None) is agreed
