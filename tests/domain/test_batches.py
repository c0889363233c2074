"""Batches of scans: each line judged by itself, whatever the body holds."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.ingest.domain.batches import judge_batch
from services.ingest.domain.lines import LINE_MAX, JudgedLine, RejectedLine, Terms, ValidLine, judge_item
from services.ingest.domain.tables.table import UnreadableTable
from tests.builders import NOW, data

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
LATER = datetime(2026, 9, 9, tzinfo=UTC)
HEADER = "First name,Last name,Company,Email,Phone,Source,Scanned at"


def lines(body: str | bytes, media_type: str, most: int = 1_000, **changed: Any) -> list[JudgedLine]:
    terms: dict[str, Any] = {"region": "US", "default_source": None, "now": NOW, **changed}
    return list(judge_batch(body.encode() if isinstance(body, str) else body, media_type, Terms(**terms), most).lines)


def as_body(items: list[Any], media_type: str) -> str:
    return json.dumps(items) if media_type == JSON else "\n".join(map(json.dumps, items))


def errors(line: JudgedLine) -> list[str]:
    assert isinstance(line, RejectedLine), line
    return [error.path for error in line.errors]


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_an_item_is_a_capture_with_its_own_id_and_time(media_type: str) -> None:
    (line,) = lines(as_body([data() | {"id": "s-1", "time": "2026-03-01T09:00:00-06:00"}], media_type), media_type)
    assert isinstance(line, ValidLine)
    assert (line.line, line.id, line.time) == (1, "s-1", datetime(2026, 3, 1, 15, tzinfo=UTC))
    assert line.capture.wire() == data()


def test_rows_of_a_csv_file_are_captures_at_the_line_an_editor_shows() -> None:
    body = (
        f'{HEADER}\r\n\r\n"Ana ""A""",Reyes,"Blue\r\nFork",ana@example.com,,Trade Show,2026-03-01 09:00\r\n'
        "Bo,Li,Red Pan,,555-123-4567,trade_show,\r\n,,,,,,\r\nCy,,Tin Pot,nobody,123,trade_show,"
    )
    first, second, third = lines(body, CSV)
    assert isinstance(first, ValidLine)
    assert isinstance(second, ValidLine)
    assert (first.line, second.line, third.line) == (3, 5, 7)
    assert (first.time, second.time) == (datetime(2026, 3, 1, 9, tzinfo=UTC), NOW)
    assert first.capture.company.name == "Blue\r\nFork"
    assert errors(third) == ["Email", "Phone"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", ",;\t")
def test_a_csv_file_is_read_as_spreadsheets_write_it(encoding: str, delimiter: str) -> None:
    row = delimiter.join(["Zoë", "Reyes", '"Blue, or; Fork"', "zoe@example.com", "", "website", ""])
    text = f"{HEADER.replace(',', delimiter)}\n{row}"
    (line,) = lines(text.encode(encoding), CSV)
    assert isinstance(line, ValidLine)
    assert (line.capture.contact.first_name, line.capture.company.name) == ("Zoë", "Blue, or; Fork")


def test_titles_above_the_header_are_passed_over() -> None:
    (line,) = lines(f"Leads of the spring fair\n\n{HEADER}\nAna,Reyes,Blue Fork,ana@example.com,,website,", CSV)
    assert isinstance(line, ValidLine)


def test_a_quote_that_is_never_closed_costs_no_other_line() -> None:
    good = "Ana,Reyes,Blue Fork,ana@example.com,,website,"
    told = lines(f'{HEADER}\n{good}\nBo,"Li,Red Pan,bo@example.com,,website,\n{good}\nCy,"Moss,x\n{good}', CSV)
    assert [isinstance(line, ValidLine) for line in told] == [True, True, True, False, True]
    assert errors(told[3]) == ["(line)"]
    assert isinstance(told[1], ValidLine)
    assert told[1].capture.contact.last_name == "Li"


@pytest.mark.parametrize(
    ("item", "paths"),
    [
        ("a text", ["(line)"]),
        (None, ["(line)"]),
        ([], ["(line)"]),
        ({}, ["(line)"]),
        (data() | {"contact": {"firstName": "Ana"}}, ["(line)"]),
        (data() | {"contact": 5}, ["(line)"]),
        (data(email="nobody", phone="12"), ["contact.email", "contact.phone"]),
        ({"contact": {"email": "ana@example.com"}}, ["(line)"]),
        (data() | {"context": {"a": "x" * LINE_MAX}}, ["(line)"]),
    ],
)
@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_what_is_wrong_with_an_item_is_told_and_spoils_no_other(item: Any, paths: list[str], media_type: str) -> None:
    before, bad, after = lines(as_body([data(), item, data()], media_type), media_type)
    assert isinstance(before, ValidLine)
    assert isinstance(after, ValidLine)
    assert (bad.line, after.line) == (2, 3)
    assert errors(bad) == paths


@pytest.mark.parametrize(
    ("item", "paths"),
    [
        (data() | {"company": 5}, ["company", "company.name"]),
        (
            data() | {"contact": {"firstName": {"a": 1}, "lastName": 5, "email": "a@example.com"}},
            ["contact.firstName", "contact.lastName"],
        ),
        (data() | {"id": ""}, []),
        (data() | {"id": 5}, ["id"]),
        (data() | {"id": "x" * 201}, ["id"]),
        (data() | {"time": 1_700_000_000}, ["time"]),
        (data() | {"time": "2026-03-01T09:00:00"}, ["time"]),
        (data() | {"time": "0001-01-01T00:00:00+14:00"}, ["time"]),
        (data() | {"time": "9999-12-31T23:59:59-14:00"}, ["time"]),
        (data() | {"context": {"a": "b\0"}}, ["context"]),
        (data() | {"context": {"a\0": "b"}}, ["context"]),
        (data() | {"context": {"a": 10**30}}, ["context"]),
        (data() | {"context": {"a": json.loads("[" * 40 + "]" * 40)}}, ["context"]),
        (data() | {"context": {"a": {"$b": 1}}}, ["context"]),
        (data() | {"context": "free"}, ["context"]),
        (data() | {"context": {"a": "x" * 9_000, "b.c": 1}}, ["context"]),
        (data() | {"requirements": {"budget": 10**300}}, ["requirements.budget"]),
        (data() | {"requirements": {"budget": "lots"}}, ["requirements.budget"]),
        (data() | {"requirements": {"painPoints": "rats"}}, ["requirements.painPoints"]),
        (data() | {"consent": {"email": "perhaps", "wording": {}}}, ["consent.email", "consent.wording"]),
        (data() | {"consent": "yes"}, ["consent"]),
        (data() | {"company": {"name": "Blue Fork", "size": "vast"}}, ["company.size"]),
        (data(source="Google Ads"), ["source"]),
    ],
)
def test_an_optional_part_of_an_item_never_costs_the_lead(item: Any, paths: list[str]) -> None:
    (line,) = lines(json.dumps([item]), JSON)
    assert isinstance(line, ValidLine)
    assert sorted(warning.path for warning in line.warnings) == sorted(paths)


def test_a_part_that_can_not_be_used_is_kept_in_the_context() -> None:
    item = data() | {"company": {"name": "Blue Fork", "annualRevenue": "lots"}, "context": {"booth": "7"}}
    (line,) = lines(json.dumps([item]), JSON)
    assert isinstance(line, ValidLine)
    assert line.capture.wire()["context"] == {"booth": "7", "company annualRevenue": "lots"}
    assert "annualRevenue" not in line.capture.wire()["company"]


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', "{", '"\\ud800"', "[" * 10_000, "\ufeff", "9" * 5_000])
def test_a_line_that_no_parser_would_take_spoils_no_other(text: str) -> None:
    good = json.dumps(data())
    told = lines(b"\n".join([good.encode(), text.encode(), b"\xff\xfe", b'"' + b"x" * LINE_MAX, good.encode()]), NDJSON)
    assert [isinstance(line, ValidLine) for line in told] == [True, False, False, False, True]


def test_an_infinite_number_is_left_out() -> None:
    (line,) = lines(json.dumps([data() | {"context": {"a": 1}}]).replace('"a": 1', '"a": 1e999'), JSON)
    assert isinstance(line, ValidLine)
    assert line.capture.context is None


def test_no_fault_repeats_what_was_sent() -> None:
    canary = "c4nary"
    item = data(email=canary, phone=canary, source=canary) | {"time": canary, "requirements": {"budget": canary}}
    item |= {"company": {"size": canary}, "consent": {"email": canary, "capturedAt": canary}, "context": canary}
    (line,) = lines(json.dumps([item]), JSON)
    assert canary not in repr(line)
    (line,) = lines(json.dumps([item | data() | {canary: {"a": canary}}]), JSON)
    assert isinstance(line, ValidLine)
    assert len(line.warnings) > 4
    assert canary not in repr(line.warnings)


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"{}", JSON),
        (b"", JSON),
        (b"[" * 100_000, JSON),
        (b"\xff[]", JSON),
        (b"", CSV),
        (b"\x81\x8d", CSV),
        (b"one column\nonly\n", CSV),
        (",".join(f"c{number}" for number in range(1_001)).encode(), CSV),
        (b"[]", "text/plain"),
        (json.dumps([data()] * 11).encode(), JSON),
        (b"\n".join([json.dumps(data()).encode()] * 11), NDJSON),
    ],
)
def test_a_body_that_is_no_batch_is_refused_in_a_sentence(body: bytes, media_type: str) -> None:
    with pytest.raises(UnreadableTable, match=r"^[A-Z].*\.$"):
        lines(body, media_type, most=10)


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_the_same_batch_has_the_same_ids_at_any_time(media_type: str) -> None:
    body = as_body([data(), data(email="bo@example.com"), data() | {"time": NOW.isoformat()}], media_type)
    first, again = lines(body, media_type), lines(body, media_type, now=LATER)
    ids = [line.id for line in first if isinstance(line, ValidLine)]
    assert ids == [line.id for line in again if isinstance(line, ValidLine)]
    assert len(set(ids)) == 3


def test_a_source_that_the_key_may_not_name_is_taken_as_its_own() -> None:
    terms = Terms("US", "trade_show", NOW, sources=frozenset({"trade_show"}))
    line = judge_item(1, data(source="website"), terms)
    assert isinstance(line, ValidLine)
    assert (line.capture.source, line.capture.context) == ("trade_show", {"source": "website"})


def test_the_default_source_is_for_items_without_one() -> None:
    bare = {name: value for name, value in data().items() if name != "source"}
    told = lines(json.dumps([bare, data(source="email")]), JSON, default_source="trade_show")
    assert [line.capture.source for line in told if isinstance(line, ValidLine)] == ["trade_show", "email"]


@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_consent_date_is_none(blank: str | None) -> None:
    item = data(consent={"email": True, "capturedAt": blank})
    (line,) = lines(json.dumps([item]), "application/json")
    assert isinstance(line, ValidLine)
    assert line.capture.wire()["consent"] == {"email": True, "dated": False}


def test_consent_without_a_date_says_so_and_has_the_scan_s_time() -> None:
    (line,) = lines(json.dumps([data() | {"time": "2026-03-01T09:00:00Z", "consent": {"email": True}}]), JSON)
    assert isinstance(line, ValidLine)
    assert line.capture.consent is not None
    assert (line.capture.consent.captured_at, line.capture.consent.dated) == (None, False)
    assert line.time == datetime(2026, 3, 1, 9, tzinfo=UTC)
    dated = {"consent": {"email": True, "capturedAt": "2026-02-01T09:00:00Z"}}
    (line,) = lines(json.dumps([data() | dated]), JSON)
    assert isinstance(line, ValidLine)
    assert line.capture.consent is not None
    assert (line.capture.consent.captured_at, line.capture.consent.dated) == (datetime(2026, 2, 1, 9, tzinfo=UTC), None)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=8,
)
ITEMS = st.one_of(
    st.just(data()),
    JUNK,
    st.dictionaries(st.sampled_from([*data(), "id", "time", "context", "consent", "requirements"]), JUNK).map(
        lambda odd: data() | odd
    ),
)


@given(st.binary(), st.sampled_from([JSON, NDJSON, CSV]))
@example(b'a,b\n"', CSV)
@example(b"a,b\n\0,\xa0", CSV)
def test_no_bytes_raise_anything_but_the_named_error(body: bytes, media_type: str) -> None:
    with suppress(UnreadableTable):
        judge_batch(body, media_type, Terms("US", "website", NOW))


@given(st.text(alphabet='abé,;\t"\r\n\0 1@.', max_size=200))
@example("\x001\x001\x001\x00")
def test_no_table_raises_anything(text: str) -> None:
    # With more separators that have a zero beside them than the header has without, it is UTF-16 to any reader.
    assume(text.count("\0") <= HEADER.count(","))
    told = lines(f"{HEADER}\n{text}", CSV)
    assert [line.line for line in told] == sorted({line.line for line in told})


@given(st.lists(ITEMS, max_size=4), st.sampled_from([JSON, NDJSON]))
def test_a_lines_fate_does_not_depend_on_its_neighbours(items: list[Any], media_type: str) -> None:
    together = lines(as_body(items, media_type), media_type)
    assert [line.line for line in together] == list(range(1, len(items) + 1))
    for line, item in zip(together, items, strict=True):
        (alone,) = lines(as_body([item], media_type), media_type)
        assert alone.__class__ is line.__class__
        if isinstance(line, ValidLine) and isinstance(alone, ValidLine):
            assert (line.id, line.capture, line.time) == (alone.id, alone.capture, alone.time)
        elif isinstance(line, RejectedLine) and isinstance(alone, RejectedLine):
            assert line.errors == alone.errors
