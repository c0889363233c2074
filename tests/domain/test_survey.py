"""What is said of a file or batch as a whole."""

import json
from collections.abc import Sequence

import pytest

from services.ingest.domain.batches import judge_batch
from services.ingest.domain.lines import RejectedLine, Terms
from shared.domain.identity.placeholders import NO_PLACEHOLDERS, Placeholders
from tests.builders import NOW, data

HEADER = "First name,Last name,Company,Email,Phone,Size,Fax"


def remarks(rows: Sequence[str], header: str = HEADER, known: Placeholders = NO_PLACEHOLDERS) -> tuple[str, ...]:
    return judge_batch(
        "\n".join([header, *rows]).encode(), "text/csv", Terms("US", "website", NOW, placeholders=known)
    ).remarks


def test_one_address_on_rows_with_different_names_is_remarked_and_not_quoted() -> None:
    rows = [f"Ana{n},Reyes,Blue Fork,NoEmail@blue.example,,,1" for n in range(5)]
    rows += [f"Bo,Li,Red Pan,bo@red.example,303 555 000{n % 2},,1" for n in range(4)]
    found = remarks([*rows, "Cy,Li,Red Pan,,(303) 555-0001,,1"])
    assert "one address on 5 rows with different names: they may become one lead; the first is line 2" in found
    assert "one phone number on 3 rows with different names; the first is line 8" in found
    assert not [one for one in found if "noemail" in one.casefold() or "0001" in one]


def test_of_many_shared_addresses_the_worst_are_named() -> None:
    rows = [f"Ana{n},Reyes,Blue Fork,a{n % 5}@blue.example,,,1" for n in range(20)]
    found = [one for one in remarks(rows) if "address" in one]
    assert len(found) == 4
    assert found[-1] == "2 more addresses on rows with different names"


def test_a_batch_of_json_is_remarked_too() -> None:
    items = [data(first="Ana"), data(first="Bo")]
    batch = judge_batch(json.dumps(items).encode(), "application/json", Terms("US", None, NOW))
    assert batch.remarks == (
        "one address on 2 rows with different names: they may become one lead; the first is line 1",
    )


def test_placeholders_missing_names_and_columns_that_say_nothing_are_remarked() -> None:
    known = Placeholders(emails=("none@none.com",))
    rows = [
        "Ana,,Blue Fork,none@none.com,303 555 0142,SMB,",
        "Bo,Li,Red Pan,bo@red.example,,many,",
        "Cy,Li,Tin,cy@t.example,,large,",
    ]
    assert remarks(rows, known=known) == (
        "1 row has a placeholder for an address or phone number: it counts as missing",
        "1 column is empty: 'Fax'",
        "most cells of 'Size' are not understood: 2 of 3",
        "1 row has no last name: (not given) is in its place",
    )


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("Colour,Email,Shape", "no column has a person's or a company's name"),
        ("First name,Last name,Shape", "no column has an e-mail address"),
    ],
)
def test_a_wrong_file_is_remarked_first(header: str, says: str) -> None:
    assert remarks(["Red,ana@example.com,round"], header)[0].startswith(says)


def test_a_placeholder_is_understood() -> None:
    known = Placeholders(emails=("none@none.com",))
    found = remarks(
        ["Ana Reyes,X,none@none.com,303 555 0142", "Bo Li,Y,none@none.com,"], "Name,Company,Email,Phone", known
    )
    assert found == ("2 rows have a placeholder for an address or phone number: it counts as missing",)


def test_a_file_whose_columns_have_no_names_is_remarked_first_and_no_address_is_quoted() -> None:
    found = remarks(["Bo Li,bo@red.example,303 555 0143"], "Ana Reyes,ana@blue.example,303 555 0142")
    assert found[0].startswith("the header looks like a row")
    assert "ana@" not in found[0]


def test_dates_that_can_be_read_in_two_ways_are_remarked() -> None:
    found = remarks(["Ana,ana@example.com,03/04/2026"], "Name,Email,Scanned at")
    assert "the dates of 'Scanned at' may have the day or the month first" in found[0]


UNKEPT = "and their no is not kept. Give each a name, of a person or a company, and an address or phone number"


def test_the_refusals_of_rejected_rows_are_counted_and_it_is_said_what_to_do() -> None:
    rows = [",,,ana@blue.example,,", "Bo,Li,Red Pan,,yes,", "Cy,Li,Tin,cy@tin.example,yes,yes", ",,,d@e.example,,x"]
    rows = [row.replace("@blue.example,,", "@blue.example,unsubscribed,") for row in rows]
    found = remarks(rows, "First name,Last name,Company,Email,Email Opt Out,Do Not Call")
    assert any(one.startswith(f"2 rejected rows refuse e-mail, {UNKEPT}") for one in found)
    assert any(one.startswith("1 rejected row refuses calls, and its no is not kept") for one in found)


@pytest.mark.parametrize("said", [False, 0, "no", "unsubscribed"])
def test_an_item_that_is_rejected_says_that_its_no_is_not_kept(said: object) -> None:
    items = [{"contact": {"email": "ana@blue.example"}, "consent": {"email": said, "phone": True}}]
    batch = judge_batch(json.dumps(items).encode(), "application/json", Terms("US", None, NOW))
    (line,) = batch.lines
    assert isinstance(line, RejectedLine)
    assert [(one.path, one.message) for one in line.unkept] == [
        ("consent.email", "refuses e-mail: this refusal is not stored until the row can be used")
    ]
    assert [one.partition(",")[0] for one in batch.remarks] == ["1 rejected row refuses e-mail"]


def test_an_item_that_is_too_large_says_that_its_no_is_not_kept() -> None:
    item = {**data(), "consent": {"email": "no"}, "context": {"notes": "x" * 300_000}}
    (line,) = judge_batch(json.dumps([item]).encode(), "application/json", Terms("US", None, NOW)).lines
    assert isinstance(line, RejectedLine)
    assert [one.path for one in line.unkept] == ["consent.email"]
