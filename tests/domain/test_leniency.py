"""Rows of files with something wrong in them: an optional cell never costs the lead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from schemas.captures import CONTEXT_BYTES, CONTEXT_ENTRIES
from schemas.lead import CompanySize
from services.ingest.domain.columns.meanings import TARGETS
from services.ingest.domain.fitting import fit_context
from services.ingest.domain.lines import JudgedLine, RejectedLine, Terms, ValidLine, judge_row
from services.ingest.domain.tables.table import SourceRow, SourceTable
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.values.vocabulary import is_nothing, size_of, source_of
from tests.builders import NOW

PERSON = {"First name": "Ana", "Last name": "Reyes", "Company": "Blue Fork", "Email": "ana@bluefork.example"}
NOT_GIVEN = "(not given)"


def judged(row: dict[str, str], given: dict[str, str] | None = None, **terms: Any) -> JudgedLine:
    """What becomes of the only row of a file."""
    table = SourceTable(tuple(row), [SourceRow(2, tuple(row.values()))])
    return judge_row(table, table.rows[0], reading_of(table, given), Terms("US", "trade_show", NOW, **terms))


def taken(row: dict[str, str], given: dict[str, str] | None = None) -> ValidLine:
    line = judged(row, given)
    assert isinstance(line, ValidLine), line
    return line


def wire(row: dict[str, str], given: dict[str, str] | None = None) -> dict[str, Any]:
    return taken(row, given).capture.wire()


def columns(line: ValidLine) -> list[str]:
    return [warning.path for warning in line.warnings]


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("Phone", "call the office"),
        ("Size", "SMB"),
        ("Source", "Google Ads"),
        ("Source", "Other"),
        ("Annual revenue", "plenty"),
        ("Budget", "5 to 10"),
        ("Scan time", "yesterday"),
        ("Email consent", "perhaps"),
        ("Consent date", "in spring"),
        ("Industry", "x" * 300),
        ("Job title", "x" * 300),
        ("Pain points", "x" * 300),
        ("Scan ID", "x" * 300),
    ],
)
def test_a_cell_that_is_not_understood_is_kept_under_its_header_with_a_warning(header: str, cell: str) -> None:
    line = taken(PERSON | {header: cell})
    assert (line.capture.context, columns(line), line.line) == ({header: cell}, [header], 2)
    assert cell not in line.warnings[0].message


@pytest.mark.parametrize(
    "nothing",
    "N/A|n.a.|NA|-|--|—|?|none|NULL|nil|#N/A|(blank)|k.A.|keine Angabe|s/o|néant|não informado|TBD|…".split("|"),
)
def test_words_for_nothing_are_blank_and_no_warning(nothing: str) -> None:
    blank = dict.fromkeys(
        ("Phone", "Size", "Source", "Budget", "Email consent", "Scan time", "Job title", "Notes"), nothing
    )
    line = taken(PERSON | blank)
    assert line.warnings == ()
    assert line.capture.wire() == wire(PERSON)


def test_what_may_be_a_name_is_no_word_for_nothing() -> None:
    assert not is_nothing("Null", "contact.lastName")
    assert is_nothing("null", "contact.lastName")
    assert is_nothing("NULL", "contact.lastName")
    assert is_nothing("Unknown", "company.name")
    assert not is_nothing("NA", "context.Country")


def test_of_a_bad_address_and_a_good_number_the_number_counts_and_the_address_is_kept() -> None:
    line = taken(PERSON | {"Email": "ana at blue fork", "Phone": "303 555 1234"})
    assert line.capture.wire()["contact"] == {"firstName": "Ana", "lastName": "Reyes", "phone": "303 555 1234"}
    assert (line.capture.context, columns(line)) == ({"Email": "ana at blue fork"}, ["Email"])


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        ({"Email": "nobody"}, [("Email", "is not an e-mail address")]),
        ({"Email": "n/a"}, [("(line)", "has no e-mail address and no phone number")]),
        (
            {"Email": "nobody", "Phone": "12"},
            [("Email", "is not an e-mail address"), ("Phone", "is not a possible phone number")],
        ),
        (
            {"First name": "-", "Last name": "", "Company": "N/A"},
            [("(line)", "has no name: neither a person's nor a company's")],
        ),
    ],
)
def test_a_row_without_a_name_or_without_an_address_is_refused_in_plain_words(
    row: dict[str, str], errors: list[tuple[str, str]]
) -> None:
    line = judged(PERSON | row)
    assert isinstance(line, RejectedLine)
    assert [(error.path, error.message) for error in line.errors] == errors


@pytest.mark.parametrize(
    ("cell", "address", "rest"),
    [
        ("mailto:ana@bluefork.example", "ana@bluefork.example", None),
        ("Ana Reyes <ana@bluefork.example>", "ana@bluefork.example", None),
        ("ana@bluefork.example.", "ana@bluefork.example", None),
        ("ana@bluefork.example, ", "ana@bluefork.example", None),
        ("ana@bluefork.example; bo@bluefork.example", "ana@bluefork.example", "bo@bluefork.example"),
        ("ana@@x ::: bo@bluefork.example", "bo@bluefork.example", "ana@@x"),
    ],
)
def test_the_first_usable_address_of_a_cell_counts_and_the_others_are_kept(
    cell: str, address: str, rest: str | None
) -> None:
    said = wire(PERSON | {"Email": cell})
    assert said["contact"]["email"] == address
    assert said.get("context") == ({"Email": rest} if rest else None)


@pytest.mark.parametrize(
    "cell", ["303-555-1234 / 303-555-9876", "303-555-1234 ::: 303-555-9876", "303-555-1234; 303-555-9876"]
)
def test_the_first_usable_number_of_a_cell_counts_and_the_others_are_kept(cell: str) -> None:
    said = wire(PERSON | {"Phone": cell})
    assert (said["contact"]["phone"], said["context"]) == ("303-555-1234", {"Phone": "303-555-9876"})


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"Last name": ""}, ("Ana", NOT_GIVEN, "Blue Fork")),
        ({"First name": "n/a"}, (NOT_GIVEN, "Reyes", "Blue Fork")),
        ({"First name": "", "Last name": ""}, (NOT_GIVEN, NOT_GIVEN, "Blue Fork")),
        ({"Company": ""}, ("Ana", "Reyes", "bluefork.example")),
        ({"Company": "", "Email": "ana@gmail.com"}, ("Ana", "Reyes", NOT_GIVEN)),
        (
            {"Company": "", "Email": "ana@yahoo.co.uk", "Website": "https://www.Blue.example/x"},
            ("Ana", "Reyes", "blue.example"),
        ),
        ({"Company": "", "Email": "", "Phone": "303 555 1234"}, ("Ana", "Reyes", NOT_GIVEN)),
        ({"First name": "A" * 300}, ("A" * 199 + "…", "Reyes", "Blue Fork")),
    ],
)
def test_a_missing_name_is_filled_in_where_another_is_there(row: dict[str, str], names: tuple[str, str, str]) -> None:
    said = wire(PERSON | row)
    assert (said["contact"]["firstName"], said["contact"]["lastName"], said["company"]["name"]) == names


def test_a_lone_word_in_a_column_of_whole_names_is_the_first_name() -> None:
    said = wire({"Name": "Cher", "Company": "Blue Fork", "Email": "cher@bluefork.example"})
    assert said["contact"] == {"firstName": "Cher", "lastName": NOT_GIVEN, "email": "cher@bluefork.example"}


def test_a_company_that_the_address_stands_for_is_told() -> None:
    assert columns(taken(PERSON | {"Company": ""})) == ["Company"]


@pytest.mark.parametrize(
    ("path", "cell", "said"),
    [
        ("consent.email", "Ja", True),
        ("consent.email", "não", False),
        ("consent.email", "Unsubscribed", False),
        ("not consent.email", "TRUE", False),
        ("not consent.email", "no", None),
        ("not consent.email", "Unsubscribed", False),
        ("not consent.email", "subscribed", True),
    ],
)
def test_a_consent_cell_says_yes_or_no_in_several_languages(path: str, cell: str, said: object) -> None:
    line = taken(PERSON | {"Mail": cell}, {"Mail": path})
    assert line.warnings == ()
    assert line.capture.wire().get("consent", {}).get("email") is said


TWO = {"Phone 1": "contact.phone", "Phone 2": "contact.phone"}


@pytest.mark.parametrize(
    ("first", "second", "phone", "context"),
    [
        ("", "303 555 1234", "303 555 1234", None),
        ("N/A", "303 555 1234", "303 555 1234", None),
        ("303 555 1234", "303 555 1234", "303 555 1234", None),
        ("303 555 1234", "303 555 9876", "303 555 1234", {"Phone 2": "303 555 9876"}),
        ("at home", "303 555 9876", "303 555 9876", {"Phone 1": "at home"}),
    ],
)
def test_of_two_columns_for_one_thing_the_first_that_is_filled_counts_and_others_are_kept(
    first: str, second: str, phone: str, context: dict[str, str] | None
) -> None:
    said = wire(PERSON | {"Phone 1": first, "Phone 2": second}, TWO)
    assert (said["contact"]["phone"], said.get("context")) == (phone, context)


def test_all_columns_of_a_list_count() -> None:
    given = {"Pain 1": "requirements.painPoints", "Pain 2": "requirements.painPoints"}
    said = wire(PERSON | {"Pain 1": "rats; mice", "Pain 2": "rust"}, given)
    assert said["requirements"] == {"painPoints": ["rats", "mice", "rust"]}


@pytest.mark.parametrize(
    ("cells", "said"), [(("yes", "no"), False), (("yes", ""), True), (("perhaps", "yes"), True), (("no", "hm"), False)]
)
def test_of_two_consent_columns_a_no_counts_and_what_is_neither_states_nothing(
    cells: tuple[str, str],
    said: bool,  # noqa: FBT001 - a case of the test
) -> None:
    given = dict.fromkeys(("Mail 1", "Mail 2"), "consent.email")
    line = taken(PERSON | dict(zip(given, cells, strict=True)), given)
    assert line.capture.wire()["consent"] == {"email": said, "dated": False}
    unread = [header for header, cell in zip(given, cells, strict=True) if cell in {"perhaps", "hm"}]
    assert columns(line) == unread
    assert list(line.capture.context or {}) == unread


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", "small"),
        ("2-10", "small"),
        ("11-50", "small"),
        ("11 to 50", "small"),
        ("35 employees", "small"),
        ("<50", "small"),
        ("Self-employed", "small"),
        ("50", "medium"),
        ("50-249", "medium"),
        ("51–200 Mitarbeiter", "medium"),  # noqa: RUF001 - the dash is meant
        ("mid-market", "medium"),
        ("201-500", "large"),
        ("501 - 1,000", "large"),
        ("500+", "large"),
        ("1,001-5,000", "enterprise"),
        ("1.001-5.000", "enterprise"),
        ("1000+", "enterprise"),
        ("more than 10,000 employees", "enterprise"),
        ("1k-5k", "enterprise"),
        ("Konzern", "enterprise"),
        *((text, None) for text in ("SMB", "$1M-$5M", "Nov-50", "10-2", "3 kitchens", "1.5", "9" * 61, "-")),
    ],
)
def test_plain_counts_and_ranges_of_employees_are_sizes(text: str, size: str | None) -> None:
    assert size_of(text) == (CompanySize(size) if size else None)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("Web", "website"),
        ("Trade Show", "trade_show"),
        ("EVENT", "trade_show"),
        ("Phone call", "phone"),
        ("Facebook", "social_media"),
        ("LinkedIn", "social_media"),
        ("Empfehlung", "referral"),
        ("Réseaux sociaux", "social_media"),
        ("Other", None),
        ("Google Ads", None),
    ],
)
def test_the_words_that_exports_use_are_sources(text: str, source: str | None) -> None:
    assert source_of(text) == source


def test_eight_kib_are_counted_in_utf_8() -> None:
    letters = "ж" * 1_400
    line = taken(PERSON | {"Notes": letters})
    assert (line.capture.context, line.warnings) == ({"Notes": letters}, ())


def test_of_a_context_that_is_too_long_the_longest_cells_are_cut_with_a_warning() -> None:
    line = taken(PERSON | {"Notes": "n" * 20_000, "History": "h" * 9_000, "Booth": "7"})
    context = line.capture.context
    assert context is not None
    assert context["booth"] == "7"
    notes, history = str(context["Notes"]), str(context["History"])
    assert len(to_json(context)) <= CONTEXT_BYTES
    assert abs(len(notes) - len(history)) < 5
    assert notes.endswith("…")
    assert columns(line) == ["Notes", "History"]


LONG = st.lists(st.sampled_from(["n" * 900, "й" * 2_000, "\U0001f374" * 900]))


@given(st.dictionaries(st.text(), st.text() | st.integers() | LONG, max_size=70))
def test_any_context_is_fitted_into_its_bounds(context: dict[str, Any]) -> None:
    fit, _ = fit_context(context)
    assert len(fit) <= CONTEXT_ENTRIES
    assert len(to_json(fit)) <= CONTEXT_BYTES
    if fit != context:
        assert fit_context(fit)[0] == fit


JUNK = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["N/A", "11-50", "Other", "46158.585", "16/05/2026", "=cmd()", "yes", "a@b@c", "+", "\0", "x" * 5_000]
    ),
    st.integers(min_value=4_000, max_value=9_000).map(lambda n: "й" * n),
)
NEEDED = {"company.name", "contact.firstName", "contact.lastName", "contact.email", "contact.phone", "contact.name"}
OPTIONAL = [path for path in (*TARGETS, "context.Notes", "context.Fax") if path not in NEEDED]
NAMES = st.sampled_from([{"contact.lastName": "Reyes"}, {"company.name": "Blue Fork"}, {"contact.name": "Ana"}])
ADDRESSES = st.sampled_from([{"contact.email": "ana@bluefork.example"}, {"contact.phone": "+1 303 555 1234"}])


@given(NAMES, ADDRESSES, st.dictionaries(st.sampled_from([*OPTIONAL, *sorted(NEEDED)]), JUNK))
def test_a_row_with_a_usable_name_and_address_is_never_refused(
    name: dict[str, str], address: dict[str, str], junk: dict[str, str]
) -> None:
    cells = {**junk, **name, **address}
    line = judged(
        {f"c{at}": text for at, text in enumerate(cells.values())}, {f"c{at}": p for at, p in enumerate(cells)}
    )
    assert isinstance(line, ValidLine), line


@pytest.mark.parametrize("number", ["4.91512E+11", "4,91512E+11", "1.30355E+10"])
def test_a_number_that_a_spreadsheet_rounded_says_how_to_fix_it(number: str) -> None:
    line = judged({"Name": "Ana Reyes", "Company": "Blue Fork", "Phone": number})
    assert isinstance(line, RejectedLine)
    assert ["Format the column as text" in one.message for one in line.errors] == [True]
