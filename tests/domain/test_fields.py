"""Columns and cells as people and tools name and fill them."""

from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.captures import LeadCaptured
from services.gateway import values
from services.gateway.fields import TARGETS, Cells, capture_of, column_of, guess, is_target

EXPORTS = {
    "a badge scanner's": {
        "Scan ID": "id",
        "Scan Date": "date",
        "Scan Time": "time",
        "First Name": "contact.firstName",
        "Last Name": "contact.lastName",
        "Job Title": "contact.title",
        "Company": "company.name",
        "E-mail Address": "contact.email",
        "Mobile": "contact.phone",
        "Booth": "context.booth",
        "Number of Employees": "context.Number of Employees",
        "Mailing Address": "context.Mailing Address",
    },
    "a British CRM's": {
        "Given name": "contact.firstName",
        "SURNAME": "contact.lastName",
        "Organisation": "company.name",
        "Telephone": "contact.phone",
        "email_address": "contact.email",
        "Turnover": "company.annualRevenue",
        "Lead Source": "source",
    },
    "a hasty one": {
        "\ufeffFrist Name": "contact.firstName",
        "LastNam": "contact.lastName",
        "Compnay": "company.name",
        "Emails": "contact.email",
        "Phone-Nr.": "context.Phone-Nr_",
    },
    "a form's": {
        "firstName": "contact.firstName",
        "contact.lastName": "contact.lastName",
        "company.name": "company.name",
        "context.landing page": "context.landing page",
        "consent.email": "consent.email",
        "consent.wording": "consent.wording",
        "company.annualRevenue": "company.annualRevenue",
        "utm_source": "context.utm_source",
        "capturedAt": "time",
    },
}


@pytest.mark.parametrize("whose", EXPORTS)
def test_the_columns_of_an_export_are_understood(whose: str) -> None:
    assert guess(list(EXPORTS[whose])) == EXPORTS[whose]


def test_every_path_is_understood_as_itself() -> None:
    assert guess(TARGETS) == {path: path for path in TARGETS}


@pytest.mark.parametrize(
    ("headers", "better"),
    [
        (["Title", "Job Title"], {"Job Title": "contact.title", "Title": "context.Title"}),
        (["Mobile", "Phone"], {"Phone": "contact.phone", "Mobile": "context.Mobile"}),
        (["Emial Address", "contact.email"], {"contact.email": "contact.email"}),
        (["Notes", "notes.", "notes_"], {"notes.": "context.notes_", "notes_": "context.notes_ 2"}),
    ],
)
def test_of_two_headers_for_one_path_the_better_has_it(headers: list[str], better: dict[str, str]) -> None:
    found = guess(headers)
    assert found.items() >= better.items()
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("header", ["Email opt out", "Emails consent", "ids", "Badge ID", "Do not mail"])
def test_no_near_miss_makes_a_consent_or_an_id(header: str) -> None:
    assert guess([header]) == {header: f"context.{header}"}


def test_what_is_fixed_is_not_guessed() -> None:
    assert guess(["Email", "Address 2"], {"Address 2": "contact.email"}) == {
        "Email": "context.Email",
        "Address 2": "contact.email",
    }


@given(st.lists(st.text(max_size=20), max_size=80), st.sampled_from([[], ["consent.wording"]]))
def test_any_headers_make_a_capture_whose_context_the_schema_takes(headers: list[str], more: list[str]) -> None:
    mapping = guess([*headers, *more])
    assert len(set(mapping.values())) == len(mapping)
    assert all(map(is_target, mapping.values()))
    context = [header for header, path in mapping.items() if path.startswith(("context.", "consent.wording"))]
    needed = {"contact.name": "Ana Reyes", "contact.email": "ana@example.com", "company.name": "Blue Fork"}
    columns = {header: mapping[header] for header in context} | {f"column of {path}": path for path in needed}
    row = dict.fromkeys(context, "x") | {f"column of {path}": text for path, text in needed.items()}
    made = capture_of(row, columns, "website")
    captured = LeadCaptured.model_validate(made.data)
    assert len(captured.context or {}) == len(context)


@pytest.mark.parametrize(
    "path", ["context.", "context.a.b", "contact.mail", "context.$set", "", "context", "context. a", "context.a\0"]
)
def test_no_field_maps_to_what_the_schema_does_not_know(path: str) -> None:
    assert not is_target(path)


@pytest.mark.parametrize("path", ["contact.email", "context.any thing", "id"])
def test_a_field_maps_to_a_path_or_to_a_fit_name_in_the_context(path: str) -> None:
    assert is_target(path)


ROWS: list[tuple[dict[str, str], Cells]] = [
    ({"contact.firstName": " Ana ", "company.name": " "}, Cells({"contact": {"firstName": "Ana"}}, None, None)),
    (
        {"id": "7", "time": "2026-05-16 14:03", "source": "Trade Show"},
        Cells({"source": "trade_show"}, "7", "2026-05-16T14:03:00+00:00"),
    ),
    (
        {"date": "05/16/2026", "time": "2:03 PM", "company.annualRevenue": "$1.2M", "company.size": "LARGE"},
        Cells({"company": {"annualRevenue": 1_200_000.0, "size": "large"}}, None, "2026-05-16T14:03:00+00:00"),
    ),
    (
        {"contact.name": "Reyes, Ana", "contact.firstName": "Anita", "requirements.painPoints": "rust; | mice\nrats"},
        Cells(
            {
                "contact": {"firstName": "Anita", "lastName": "Reyes"},
                "requirements": {"painPoints": ["rust", "mice", "rats"]},
            },
            None,
            None,
        ),
    ),
    (
        {"consent.email": "x", "consent.phone": "No", "consent.capturedAt": "2026-05-16", "consent.wording": "I agree"},
        Cells(
            {
                "consent": {"email": True, "phone": False, "capturedAt": "2026-05-16T00:00:00+00:00"},
                "context": {"consentWording": "I agree"},
            },
            None,
            None,
        ),
    ),
]


@pytest.mark.parametrize(("row", "said"), ROWS)
def test_a_row_says_what_its_cells_mean(row: dict[str, str], said: Cells) -> None:
    assert capture_of(row, {path: path for path in row}, None) == said


@pytest.mark.parametrize(("named", "source"), [({}, "trade_show"), ({"source": "Email"}, "email")])
def test_the_default_source_is_for_rows_that_name_none(named: dict[str, str], source: str) -> None:
    assert capture_of(named, {"source": "source"}, "trade_show").data == {"source": source}


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12500", 12_500.0),
        ("$12,500.00", 12_500.0),
        ("12.5k", 12_500.0),
        ("1.2 M", 1_200_000.0),
        ("€ 3bn", 3e9),
        ("USD 1,000,000", 1e6),
        ("0", 0.0),
        *((text, text) for text in ("10-20k", "12.500,00", "-5", "1,2,3", "about 5k", "9" * 400)),
    ],
)
def test_an_amount_is_read_when_it_can_mean_one_thing_only(text: str, amount: float | str) -> None:
    assert values.amount(text) == amount


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-05-16T14:03:00Z", "2026-05-16T14:03:00Z"),
        ("2026-05-16T14:03:00-05:00", "2026-05-16T14:03:00-05:00"),
        ("2026-05-16 14:03", "2026-05-16T14:03:00-05:00"),
        ("05/16/2026 2:03 PM", "2026-05-16T14:03:00-05:00"),
        ("5/16/26 2:03:09 p.m.", "2026-05-16T14:03:09-05:00"),
        ("05/16/2026 2:03pm", "2026-05-16T14:03:00-05:00"),
        ("16-May-2026 14:03", "2026-05-16T14:03:00-05:00"),
        ("May 16, 2026", "2026-05-16T00:00:00-05:00"),
        ("16/05/2026", "16/05/2026"),
        ("yesterday", "yesterday"),
    ],
)
def test_a_moment_without_a_zone_is_read_in_the_one_that_is_given(text: str, iso: str) -> None:
    assert values.moment(text, timezone(timedelta(hours=-5))) == iso


@pytest.mark.parametrize(
    ("full", "first", "last"),
    [
        ("Reyes, Ana", "Ana", "Reyes"),
        ("Ana Maria Reyes", "Ana Maria", "Reyes"),
        ("Juan de la Cruz", "Juan", "de la Cruz"),
        ("John Smith Jr.", "John", "Smith Jr."),
        ("John Smith, MD, PhD", "John", "Smith MD PhD"),
        ("Van Morrison", "Van", "Morrison"),
        ("Cher", "Cher", ""),
        (",", "", ""),
    ],
)
def test_a_full_name_is_split(full: str, first: str, last: str) -> None:
    assert values.names(full) == (first, last)


@given(st.text(), st.text())
def test_no_text_is_refused_by_any_reader(text: str, other: str) -> None:
    row = dict.fromkeys(TARGETS, text) | {"date": other}
    assert isinstance(capture_of(row, {path: path for path in TARGETS}, None), Cells)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["5" + " " * 100_000 + "x", "a" + " " * 100_000 + "b", "1," * 50_000, "a" * 100_000])
def test_a_long_cell_takes_no_long_time(text: str) -> None:
    capture_of(dict.fromkeys(TARGETS, text), {path: path for path in TARGETS}, None)


MAPPING: Mapping[str, Any] = {"Who": "contact.name", "Mail": "contact.email", "Pains": "requirements.painPoints"}


@pytest.mark.parametrize(
    ("path", "column"),
    [
        ("contact.email", "Mail"),
        ("contact.lastName", "Who"),
        ("requirements.painPoints.3", "Pains"),
        ("contact", "contact"),
        ("company.name", "company.name"),
        ("time", "time"),
    ],
)
def test_a_fault_is_told_of_its_column(path: str, column: str) -> None:
    assert column_of(path, MAPPING) == column
