"""Leads as one table for spreadsheets: a row for each. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from pydantic import JsonValue

from services.ingest.domain.tables.artefacts import disarm_formula, visible_text

COLUMNS: Mapping[str, str] = {
    "Lead ID": "id",
    "Created At": "createdAt",
    "Status": "status",
    "Score": "score",
    "Source": "source",
    "Owner": "assignedTo",
    "First Name": "contact.firstName",
    "Last Name": "contact.lastName",
    "Title": "contact.title",
    "Email": "contact.email",
    "Phone": "contact.phone",
    "Company": "company.name",
    "Industry": "company.industry",
    "Company Size": "company.size",
    "Website": "company.website",
    "Annual Revenue": "company.annualRevenue",
    "Budget": "requirements.budget",
    "Timeline": "requirements.timeline",
    "Lost Reason": "lostReason",
    "Converted At": "convertedAt",
    "Opportunity ID": "convertedToOpportunityId",
}
"""The header's names, and the path of each column in a lead."""


def header() -> str:
    """Return the first line, after the byte order mark that spreadsheets need."""
    return "\ufeff" + _lines([list(COLUMNS)])


def rows_of(leads: Iterable[Mapping[str, JsonValue]]) -> str:
    """Return these leads' lines (RFC 4180). A text that a spreadsheet takes for a formula is disarmed."""
    return _lines([_cell(lead, path) for path in COLUMNS.values()] for lead in leads)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(lead: Mapping[str, JsonValue], path: str) -> str:
    value: JsonValue = dict(lead)
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        return disarm_formula(visible_text(value))
    return "" if value is None else f"{value:.15g}" if isinstance(value, float) else str(value)
