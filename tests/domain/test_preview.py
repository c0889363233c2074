"""What `pantry import` says before it imports, and what it suggests for rejected rows."""

from services.ingest.domain.lines import Terms, judge_row
from services.ingest.domain.preview import preview_columns, suggest_mappings, totals
from services.ingest.domain.survey import Survey
from services.ingest.domain.tables.table import SourceTable, read_csv
from services.ingest.domain.tables.table_reading import TableReading, reading_of
from tests.builders import NOW


def surveyed(text: str, given: dict[str, str] | None = None) -> tuple[SourceTable, TableReading, Survey]:
    table = read_csv(text.encode())
    reading, terms = reading_of(table, given), Terms("US", "trade_show", NOW)
    survey = Survey(terms)
    for row in table.rows:
        survey.add(judge_row(table, row, reading, terms), table, row)
    return table, reading, survey


HEADER = "Name,Company,Email,Phone 1,Phone 2,Compnay size,Opt,GDPR status,Email Opt Out,Blank"
ROWS = (
    "Ana Reyes,Blue Fork,ana@blue.example,,303 555 1234,SMB,a,yes,TRUE,",
    "Bo Li,Red Pan,bo@red.example,303 555 1235,303 555 1236,11-50,b,yes,no,",
    "Cy Moss,Tin Pot,nobody,,,,c,,,",
    ",,di@tin.example,,,,d,,,",
)
FILE = "\n".join((HEADER, *ROWS))
GIVEN = {"Phone 1": "contact.phone", "Phone 2": "contact.phone", "Opt": ""}


def test_the_preview_says_of_every_column_what_it_becomes_how_that_is_known_and_what_its_cells_do() -> None:
    rows = {one.header: (one.becomes, one.known, one.cells) for one in preview_columns(*surveyed(FILE, GIVEN))}
    assert rows == {
        "Name": ("contact.name", "named", "3 read"),
        "Company": ("company.name", "named", "3 read"),
        "Email": ("contact.email", "named", "3 of 4 read, 1 in rejected rows"),
        "Phone 1": ("contact.phone", "given", "1 read"),
        "Phone 2": ("contact.phone", "given", "2 read; used where no column above has a value"),
        "Compnay size": ("company.size", "guessed", "1 of 2 read, 1 kept as text"),
        "Opt": ("(left out)", "left out", "4 left out"),
        "GDPR status": ("context.GDPR status", "asked", "2 kept as text: none says anything about consent"),
        "Email Opt Out": ("consent.email; a yes means no", "named", "2 read"),
        "Blank": ("context.Blank", "kept", "empty"),
    }


def test_the_preview_says_which_of_several_columns_counts() -> None:
    text = (
        "Name,Email,Phone,Mobile,Newsletter,Email Opt Out,Do Not Contact\n"
        "Ana Reyes,ana@blue.example,303 555 1234,303 555 1235,yes,no,yes\n"
    )
    cells = {one.header: one.cells for one in preview_columns(*surveyed(text, {"Mobile": "contact.phone"}))}
    assert cells["Phone"] == "1 read; used where no column that you mapped has a value"
    assert cells["Mobile"] == "1 read"
    assert cells["Newsletter"] == "1 read"
    assert cells["Email Opt Out"] == cells["Do Not Contact"] == "1 read; a no in any of these columns counts"


def test_the_preview_shows_the_first_filled_cell_cut_where_it_is_long() -> None:
    table, reading, survey = surveyed(f"Name,Email,Notes\nAna Reyes,a@blue.example,\nBo Li,b@red.example,{'x' * 99}")
    assert [one.example for one in preview_columns(table, reading, survey)] == [
        "Ana Reyes",
        "a@blue.example",
        "x" * 39 + "…",
    ]


def test_the_totals_say_warnings_by_kind_and_rejections_by_reason() -> None:
    _, _, survey = surveyed(FILE, GIVEN)
    assert totals(survey) == [
        "warning on 1 row: Compnay size is not a readable company size; kept as text in the context",
        "rejected 1 row: Email is not an e-mail address (line 4)",
        "rejected 1 row: has no name: neither a person's nor a company's (line 5)",
        "4 rows: 2 can be imported, 1 of them with warnings; 2 rejected",
    ]


def test_a_guess_is_remarked() -> None:
    table, reading, survey = surveyed(FILE, GIVEN)
    assert "'Compnay size' looks like company.size and is read as that: check it" in survey.remarks(table, reading)


def suggested(text: str) -> list[tuple[str, ...]]:
    _, reading, survey = surveyed(text)
    return list(suggest_mappings(reading, survey).values())


def test_a_column_that_looks_like_what_rejected_rows_lack_is_suggested() -> None:
    assert suggested("Wer,Email,Farbe\nAna Reyes,a@blue.example,red\nBo Li,b@blue.example,") == [("Wer=contact.name",)]
    assert suggested("Name,Wo,Am\nAna Reyes,a@blue.example,\nBo Li,b@blue.example,") == [("Wo=contact.email",)]
    assert suggested("Name,Draht,Am\nAna Reyes,+1 303 555 1234,05/16/2026") == [("Draht=contact.phone",)]
    assert suggested("Wer,Wo\nAna Reyes,a@blue.example") == [("Wer=contact.name", "Wo=contact.email")]


def test_nothing_is_suggested_where_no_mapping_would_mend_it() -> None:
    assert suggested("Name,Email,Am,Nr\nAna Reyes,,2026-05-16,10001234") == []
