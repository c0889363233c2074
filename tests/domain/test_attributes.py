"""Attributes: what a declaration may say, which values it takes, and what becomes of them on a lead."""

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.attributes import ATTRIBUTES_MAX, CHOICES_MAX, Attributes, AttributeType
from schemas.commands import UpdateLead
from schemas.edits import PATHS_MAX, LeadEdit
from schemas.topics import CAPTURED
from services.capture.domain.filling import differences
from services.gateway.leads.domain.attribute_filters import choices_in
from services.ingest.domain.batches import judge_batch
from services.ingest.domain.capture_events import Invalid
from services.ingest.domain.columns.meanings import ColumnOrigin, columns_of, is_target
from services.ingest.domain.lines import Terms, ValidLine, judge_row
from services.ingest.domain.tables.table import read_csv
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.values.moment_reading import DateOrder
from services.insights.domain.rollup_changes import rollup_row
from services.qualification.domain.field_edits import edit_fields
from shared.config import ConfigError, load_config
from shared.domain.lead_changes import with_changes
from shared.domain.listing import Question
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Received, Record
from tests.builders import ATTRIBUTES, NOW, data, event, lead

WHO: dict[str, Any] = {"leadId": "l", "requestedBy": "sam"}
OF_EACH_TYPE = Attributes.model_validate(
    {
        "attributes": [
            {"name": "motto", "label": "Motto", "type": "text"},
            {"name": "covers", "label": "Covers", "type": "number", "unit": "per day"},
            {"name": "opens", "label": "Opens", "type": "date"},
            {"name": "halal", "label": "Halal", "type": "boolean"},
            {"name": "cuisine", "label": "Cuisine", "type": "choice", "choices": ["Thai", "Nordic"]},
        ]
    }
)


def one(**fields: Any) -> dict[str, Any]:
    return {"name": "covers", "label": "Covers", "type": "number", **fields}


def capture(attributes: Any, declared: Attributes = OF_EACH_TYPE) -> Received | FailedRecord:
    return decode(Record(CAPTURED.name, 0, 0, None, event(data(attributes=attributes))), "US", declared)


def kept(attributes: Any) -> Any:
    found = capture(attributes)
    assert isinstance(found, Received), found
    return found.payload.wire().get("attributes")


def test_the_shipped_declaration_is_what_food_service_sells_by() -> None:
    assert {one.name: one.type.value for one in ATTRIBUTES.attributes} == {
        "cuisine": "choice",
        "covers": "number",
        "locations": "number",
        "serviceModel": "choice",
        "openingDate": "date",
        "distributor": "text",
    }


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (one(name="Covers"), "name"),
        (one(name="covers2"), "name"),
        (one(name="a" * 31), "name"),
        (one(name="items"), "name: no template"),
        (one(label=" "), "label"),
        (one(type="money"), "type"),
        (one(unit="x" * 21), "unit"),
        (one(choices=["a"]), "choices"),
        (one(type="choice"), "choices"),
        (one(type="choice", choices=["Thai", "thai"]), "choices: they must differ"),
        (one(type="choice", choices=[f"c{n}" for n in range(CHOICES_MAX + 1)]), "choices"),
        (one(type="text", unit="m"), "unit: only a number"),
        (one(asked=["everywhere"]), "asked"),
        (one(asks="form"), "asks"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(wrong: dict[str, Any], where: str, tmp_path: Path) -> None:
    path = tmp_path / "attributes.yaml"
    path.write_text(f"attributes: [{wrong}]")
    with pytest.raises(ConfigError) as refused:
        load_config(path, Attributes)
    assert where in str(refused.value)
    assert "attributes[0]" in str(refused.value)


def test_a_declaration_is_bounded_and_names_are_unique() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    many = [one(name=f"n{letters[n // 26]}{letters[n % 26]}") for n in range(ATTRIBUTES_MAX + 1)]
    Attributes.model_validate({"attributes": many[:ATTRIBUTES_MAX]})
    for wrong in (many, [one(), one(label="Seats")]):
        with pytest.raises(ValidationError):
            Attributes.model_validate({"attributes": wrong})


def test_declared_values_are_kept_in_the_form_of_their_type_and_others_are_ignored() -> None:
    sent = {"motto": " Fresh ", "covers": "120", "opens": "2026-05-16", "halal": "no", "cuisine": "NORDIC"}
    undeclared = {"chef": {"$where": "1"}, "$x": 1, "": [], "a.b": None}
    assert kept(sent | undeclared) == {
        "motto": "Fresh",
        "covers": 120,
        "opens": "2026-05-16",
        "halal": False,
        "cuisine": "Nordic",
    }
    assert kept({"covers": 12.5}) == {"covers": 12.5}
    for nothing in ({}, undeclared, None, dict.fromkeys(sent, " "), dict.fromkeys(sent)):
        assert kept(nothing) is None


_WRONG: dict[str, tuple[Any, ...]] = {
    "motto": (5, "x" * 201, [], True),
    "covers": ("many", True, 1e16, -1e16, [], {}),
    "opens": ("2026-02-30", "16.05.2026", "2026-05-16T00:00:00Z", 20260516, "\u0662026-05-16"),
    "halal": ("perhaps", 7, []),
    "cuisine": ("French", 5, ["Thai"], {}),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in _WRONG.items() for value in values])
def test_a_value_of_a_wrong_type_is_invalid_data_and_names_its_path(name: str, value: Any) -> None:
    found = capture({name: value})
    assert isinstance(found, FailedRecord)
    assert found.reason == "invalid_data"
    assert found.detail.startswith(f"data.attributes.{name}: ")
    with pytest.raises(ValidationError) as raised:
        UpdateLead.model_validate({**WHO, "set": {f"attributes.{name}": value}}, context={"attributes": OF_EACH_TYPE})
    assert raised.value.errors()[0]["loc"] == ("set", "attributes", name)


@given(
    st.dictionaries(
        st.sampled_from([*OF_EACH_TYPE.by_name, "chef"]), st.none() | st.text() | st.floats() | st.booleans()
    )
)
def test_what_is_kept_is_taken_again_unchanged(values: dict[str, Any]) -> None:
    try:
        found = OF_EACH_TYPE.captured(values)
    except ValidationError:
        return
    assert OF_EACH_TYPE.captured(found) == found
    assert OF_EACH_TYPE.edited(found) == found


def test_a_reader_that_keeps_no_values_needs_no_declaration() -> None:
    sent = {"whatever": "5"}
    found = decode(Record(CAPTURED.name, 0, 0, None, event(data(attributes=sent))), "US")
    assert isinstance(found, Received)
    assert found.payload.attributes == sent
    assert LeadEdit.model_validate({"attributes.whatever": 5}).values() == {"attributes.whatever": 5}


def test_an_edit_keeps_what_it_empties_on_the_wire() -> None:
    values = {
        "company.name": "Blue Fork",
        "company.size": "small",
        "company.address.city": None,
        "contact.title": None,
        "requirements.painPoints": ["waste"],
        "attributes.covers": None,
        "attributes.cuisine": "Thai",
    }
    context = {"attributes": OF_EACH_TYPE}
    command = UpdateLead.model_validate({**WHO, "set": values}, context=context)
    assert command.set is not None
    assert command.set.values() == command.wire()["set"] == values
    assert UpdateLead.model_validate_json(command.wire_json(), context=context) == command


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"attributes.chef": "Ana"}, ("set", "attributes", "chef")),
        ({"attributes": {"covers": 5}}, ("set",)),
        ({"attributes.": 5}, ("set", "…")),
        ({"attributes.ana@example.com": 5}, ("set", "…")),
        ({"contact.timeZone": "Chicago"}, ("set", "contact.timeZone")),
        ({"company.address": {"city": "Graz"}}, ("set", "company.address")),
        ({"company.address.city": "x" * 201}, ("set", "company.address.city")),
        ({f"attributes.{'a' * (1 + n)}": 1 for n in range(PATHS_MAX + 1)}, ("set",)),
    ],
)
def test_an_edit_of_an_undeclared_attribute_or_a_wrong_path_is_refused(wrong: dict[str, Any], where: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        UpdateLead.model_validate({**WHO, "set": wrong}, context={"attributes": OF_EACH_TYPE})
    assert raised.value.errors()[0]["loc"] == where


def test_a_merge_fills_attributes_one_by_one_and_remembers_what_differs() -> None:
    held = lead(attributes={"cuisine": "Thai"})
    fills, differed = differences(data(attributes={"cuisine": "Nordic", "covers": 0, "halal": False}), held)  # type: ignore[arg-type]
    assert fills == {"attributes.covers": 0, "attributes.halal": False}
    assert differed == [{"path": "attributes.cuisine", "value": "Nordic"}]
    assert with_changes(held, fills)["attributes"] == {"cuisine": "Thai", "covers": 0, "halal": False}


def test_the_parts_of_two_addresses_make_none() -> None:
    held = lead(company={"name": "Blue Fork", "address": {"city": "Graz"}})

    def merged(**address: str) -> tuple[Any, list[str]]:
        fills, differed = differences(data(company={"address": address}), held)  # type: ignore[arg-type]
        return with_changes(held, fills)["company"]["address"], [one["path"] for one in differed]

    assert merged(street="Ring 1", city="graz") == ({"city": "Graz", "street": "Ring 1"}, ["company.address.city"])
    assert merged(street="Ring 1", city="Wien") == (
        {"city": "Graz"},
        ["company.address.street", "company.address.city"],
    )
    bare = lead()
    fills, _ = differences(data(company={"address": {"city": "Wien"}}), bare)  # type: ignore[arg-type]
    assert with_changes(bare, fills)["company"] == {"name": "Blue Fork", "address": {"city": "Wien"}}
    assert "address" not in bare["company"]


def test_an_edit_sets_and_empties_parts_of_an_address_and_attributes() -> None:
    order = (NOW.isoformat(), "e", "e")
    edited = edit_fields(lead(), {"company.address.city": "Graz", "attributes.covers": 5}, order)
    assert (edited.lead["company"], edited.lead["attributes"]) == (
        {"name": "Blue Fork", "address": {"city": "Graz"}},
        {"covers": 5},
    )
    assert [one["path"] for one in edited.changes] == ["attributes.covers", "company.address.city"]
    emptied = edit_fields(edited.lead, {"company.address.city": None, "attributes.covers": None}, (*order, "f"))
    assert (emptied.lead["company"], emptied.lead["attributes"]) == ({"name": "Blue Fork"}, {})
    assert [one["from"] for one in emptied.changes] == [5, "Graz"]


def test_in_a_batch_a_wrong_value_is_a_warning_and_the_lead_is_used() -> None:
    item = data(attributes={"covers": "many", "cuisine": "thai", "halal": "n/a", "chef": "Bo"})
    terms = Terms("US", "website", NOW, attributes=OF_EACH_TYPE)
    (line,) = judge_batch(json.dumps([item]).encode(), "application/json", terms).lines
    assert isinstance(line, ValidLine)
    assert line.capture.attributes == {"cuisine": "Thai"}
    assert [(one.path, one.unread) for one in line.warnings] == [("attributes.covers", True)]
    assert line.capture.context == {"attributes covers": "many"}
    (line,) = judge_batch(json.dumps([data(attributes=7)]).encode(), "application/json", terms).lines
    assert isinstance(line, ValidLine)
    assert line.capture.attributes is None


COLUMNS = "Company,Email,Cuisine,Covers per day,Opens,attributes.halal,Motto,Title"
CELLS = (
    'Wok,a@wok.example,THAI,"1,450",31/03/2027,ja,Fresh,Chef',
    "Fork,b@fork.example,French,lots,01/04/2027,no,n/a,Cook",
)


def test_columns_of_attributes_are_known_by_name_and_label_and_read_by_their_types() -> None:
    table = read_csv("\n".join((COLUMNS, *CELLS)).encode())
    reading = reading_of(table, attributes=OF_EACH_TYPE)
    assert [(one.path, one.origin) for one in reading.columns[2:]] == [
        (path, ColumnOrigin.NAMED)
        for path in ("attributes.cuisine", "attributes.covers", "attributes.opens", "attributes.halal")
    ] + [("attributes.motto", ColumnOrigin.NAMED), ("contact.title", ColumnOrigin.NAMED)]
    terms = Terms("US", "website", NOW, attributes=OF_EACH_TYPE)
    full, half = (judge_row(table, row, reading, terms) for row in table.rows)
    assert isinstance(full, ValidLine)
    assert isinstance(half, ValidLine)
    assert full.capture.attributes == {
        "cuisine": "Thai",
        "covers": 1450,
        "opens": "2027-03-31",
        "halal": True,
        "motto": "Fresh",
    }
    assert half.capture.attributes == {"opens": "2027-04-01", "halal": False}
    assert half.capture.context == {"Cuisine": "French", "Covers per day": "lots"}
    assert {one.path for one in half.warnings if one.unread} == {"Cuisine", "Covers per day"}


def test_a_date_column_of_an_attribute_is_asked_about_like_others_and_any_column_can_be_mapped() -> None:
    table = read_csv(b"Company,Email,Opens,Food\nWok,a@wok.example,03/04/2027,Thai")
    assert reading_of(table, attributes=OF_EACH_TYPE).undecided == ("Opens",)
    assert is_target("attributes.cuisine", OF_EACH_TYPE)
    assert not is_target("attributes.chef", OF_EACH_TYPE)
    reading = reading_of(table, {"Food": "attributes.cuisine"}, DateOrder.MONTH_FIRST, OF_EACH_TYPE)
    line = judge_row(table, table.rows[0], reading, Terms("US", "website", NOW, attributes=OF_EACH_TYPE))
    assert isinstance(line, ValidLine)
    assert line.capture.attributes == {"opens": "2027-03-04", "cuisine": "Thai"}


def test_a_known_header_keeps_its_meaning_and_a_csv_batch_has_attributes() -> None:
    declared = Attributes.model_validate(
        {"attributes": [one(name="title", label="Title", type="text"), one(name="size", label="Seats", type="number")]}
    )
    columns = columns_of(["Title", "attributes.title", "Seats"], attributes=declared)
    assert [column.path for column in columns] == ["contact.title", "attributes.title", "attributes.size"]
    terms = Terms("US", "website", NOW, attributes=declared)
    (line,) = judge_batch(b"Company,Email,Seats\nWok,a@wok.example,40", "text/csv", terms).lines
    assert isinstance(line, ValidLine)
    assert line.capture.attributes == {"size": 40}


def test_the_list_filters_by_choices_that_are_declared() -> None:
    assert choices_in(["cuisine:THAI"], OF_EACH_TYPE) == (("cuisine", "Thai"),)
    for wrong in ("cuisine:French", "cuisine", "covers:5", "motto:Fresh", "chef:Bo", ":", ""):
        with pytest.raises(Invalid, match="attribute"):
            choices_in([wrong], OF_EACH_TYPE)
    held = lead(attributes={"cuisine": "Thai", "covers": 5, "opens": "2027-03-01", "motto": "Fresh"})
    row = rollup_row(held, ZoneInfo("UTC"))
    assert row["counts"]["attributes"] == {"cuisine": "Thai", "motto": "Fresh"}
    for value, fits in (("Thai", True), ("Nordic", False)):
        question = Question(status=held["status"], attributes=(("cuisine", value),))
        assert question.fits(row["counts"]) is fits
        assert ({*question.terms} <= {*row["terms"]}) is fits


def test_each_type_is_tested_here() -> None:
    assert {one.type for one in OF_EACH_TYPE.attributes} == set(AttributeType)
