"""What comes out of a file of the corpus, and what its `.yaml` expects, both as lines of text that can be compared."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from services.ingest.domain.capture_events import Fault
from services.ingest.domain.columns.meanings import ColumnOrigin, SourceColumn
from services.ingest.domain.lines import JudgedLine, Terms, ValidLine, judge_row
from services.ingest.domain.tables.table import SourceTable
from services.ingest.domain.tables.table_reading import TableReading, reading_of
from services.ingest.domain.values.moment_reading import DateOrder
from services.ingest.files import open_table
from shared.config import load_config
from shared.domain.identity.normal_forms import phone_key
from shared.domain.identity.placeholders import Placeholders

HERE = Path(__file__).parent
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
LISTED = load_config(Path("deploy/config/placeholders.yaml"), Placeholders)
ANY, SOME, NONE, KEPT = "any", "some", "none", "kept"
_SHORT = {
    "first": "contact.firstName",
    "last": "contact.lastName",
    "title": "contact.title",
    "company": "company.name",
    "email": "contact.email",
    "phone": "contact.phone",
}
# Always compared, listed or not: to lose or invent one of these does harm.
_CORE: tuple[str, ...] = ("first", "last", "company", "email", "phone", "source", "consent.email", "consent.phone")
_CORE += ("consent.capturedAt", "consent.wording", "time")
_WORDS = {
    "unread": "kept|no answer|left out",
    "derived": "domain",
    "cut": "cut",
    "several": "more than one",
    "unreachable": "no e-mail address|not an e-mail address|not a possible phone",
    "longer": "more cells than the header",
    "quote": "quote that is not closed",
    "nobody": "placeholder",
    "nameless": "has no name",
    "header": "header",
    "workbook": "workbook",
}


@dataclass(frozen=True)
class Case:
    """A file of the corpus and what is expected of it."""

    file: Path
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    unlisted: str = KEPT
    rows: Mapping[int, Any] = field(default_factory=dict)
    asks: Any = ()
    remarks: Any = ()
    unreadable: str | None = None

    @property
    def is_text(self) -> bool:
        """Whether `/v1/scans` takes it."""
        return self.file.suffix in {".csv", ".tsv", ".txt"}

    @property
    def source(self) -> str:
        """The source of rows that name none."""
        return str(self.options.get("source", "trade_show"))

    @property
    def region(self) -> str:
        """Where phone numbers without a country are."""
        return str(self.options.get("region", "US"))

    @property
    def terms(self) -> Terms:
        """What holds for all rows."""
        return Terms(self.region, self.source, NOW, ZoneInfo(self.options.get("zone", "UTC")), self.dates, None, LISTED)

    @property
    def dates(self) -> DateOrder | None:
        """What the user answers when asked about dates."""
        return DateOrder(self.options["dates"]) if "dates" in self.options else None


def cases() -> list[Case]:
    """Every file of the corpus."""
    return [_case(file) for file in sorted(HERE.rglob("*.yaml"))]


def _case(file: Path) -> Case:
    said = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)  # the one in Python takes seconds
    said.pop("about")
    name = str(file.relative_to(HERE).with_suffix(""))
    known = (one for one in file.parent.glob(f"{file.stem}.*") if one.suffix != ".yaml")
    return Case(file.with_name(said.pop("file")) if "file" in said else next(known), name, **said)


@cache
def table_of(file: Path, sheet: str | None) -> SourceTable:
    """The table in a file. Raises `Unreadable`."""
    return open_table(file, sheet)


def read(case: Case) -> tuple[TableReading, list[JudgedLine]]:
    """The reading and the rows of a file, as `pantry import` makes them. Raises `Unreadable`."""
    table = table_of(case.file, case.options.get("sheet"))
    reading = reading_of(table, case.options.get("map"), case.dates)
    return reading, [judge_row(table, row, reading, case.terms, own_id=False) for row in table.rows]


def column_lines(case: Case, columns: Iterable[SourceColumn]) -> tuple[list[str], list[str]]:
    """What each column became, and what it should have."""
    found = {_clean(one.header): _column(one) for one in columns if _clean(one.header)}
    wanted = {_clean(header): path for header, path in case.columns.items()}
    expected = {header: wanted.get(header, case.unlisted) for header in found}
    expected |= {header: path for header, path in wanted.items() if path != ANY and header not in found}
    return _lines("column", found), _lines("column", _agreed(expected, found))


def row_lines(case: Case, lines: Iterable[JudgedLine]) -> tuple[list[str], list[str]]:
    """What each row became, and what it should have."""
    found = {line.line: line for line in lines}
    actual: list[str] = []
    expected: list[str] = []
    for number in sorted(found.keys() | case.rows.keys()):
        wanted = case.rows.get(number)
        if wanted == ANY:
            continue
        made = _made(found[number], wanted or {}, case) if number in found else {}
        actual += _lines(f"line {number}", made)
        expected += _lines(f"line {number}", _agreed(_wanted(wanted, case), made) if wanted else {})
    return actual, expected


def _column(column: SourceColumn) -> str:
    if column.origin in {ColumnOrigin.ASKED, ColumnOrigin.LEFT_OUT}:
        return column.origin.value
    if column.origin is ColumnOrigin.KEPT:
        return KEPT
    marks = ", yes means no" * column.negated + " (guessed)" * (column.origin is ColumnOrigin.GUESSED)
    return f"{column.path}{marks}"


def _clean(header: str) -> str:
    header = re.sub(r"[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]", "", header).replace("\u2011", "-")
    return " ".join(header.split())


def _made(line: JudgedLine, wanted: Mapping[str, Any], case: Case) -> dict[str, str]:
    if not isinstance(line, ValidLine):
        return {"refused": _said(line.errors)}
    lead, context = _flat(line), {name: str(value) for name, value in (line.capture.context or {}).items()}
    listed = [_SHORT.get(name, name) for name in (*_CORE, *wanted.get("lead", ()))]
    names = {path: name for name, path in _SHORT.items()}
    made = {f"lead {names.get(path, path)}": lead[path] for path in dict.fromkeys(listed) if path in lead}
    made |= {f"context {name}": context[name] for name in wanted.get("context", ()) if name in context}
    for one in line.warnings:
        made.setdefault(f"warning {_warned(one)}", one.message)
    if "lead phone" in made:
        made["lead phone"] = phone_key(made["lead phone"], case.region) or made["lead phone"]
    return made


def _warned(one: Fault) -> str:
    return (
        "company" if re.search(_WORDS["derived"], one.message) else {"(line)": "(row)"}.get(one.path, _clean(one.path))
    )


def _wanted(wanted: Mapping[str, Any], case: Case) -> dict[str, Any]:
    if "refused" in wanted:
        return {"refused": wanted["refused"]}
    lead = {"source": case.source, "time": NOW, **wanted.get("lead", {})}
    result = {f"lead {name}": value for name, value in lead.items()}
    result |= {f"context {name}": value for name, value in wanted.get("context", {}).items()}
    warnings = wanted.get("warnings", {})
    return result | (
        {"warning *": ANY} if warnings == ANY else {f"warning {name}": one for name, one in warnings.items()}
    )


def _flat(line: ValidLine) -> dict[str, Any]:
    wire = line.capture.wire()
    flat = {"source": wire["source"], "time": line.time}
    for section in ("company", "contact", "requirements", "consent"):
        flat |= {f"{section}.{name}": value for name, value in (wire.get(section) or {}).items()}
    if (line.capture.context or {}).get("consentWording"):
        flat.setdefault("consent.wording", str((line.capture.context or {})["consentWording"]))
    if "consent.capturedAt" in flat:
        flat["consent.capturedAt"] = datetime.fromisoformat(flat["consent.capturedAt"])
    return flat


def _agreed(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted, in the words of what was found wherever both agree."""
    result = {}
    if "warning *" in wanted:
        result = {name: value for name, value in found.items() if name.startswith("warning ")}
    for name, value in wanted.items():
        if name in found and _agree(name, value, found[name]):
            result[name] = found[name]
        elif value not in {ANY, NONE} if isinstance(value, str) else True:
            result[name] = value
    return result


def _agree(name: str, wanted: Any, found: Any) -> bool:
    if wanted in (ANY, SOME):
        return True
    if isinstance(found, datetime):
        return found == (wanted if isinstance(wanted, datetime) else datetime.fromisoformat(str(wanted)))
    if name.startswith(("warning", "refused")):
        return re.search(_WORDS[wanted], found) is not None
    if name == "lead email":
        return str(wanted).casefold() == str(found).casefold()
    if isinstance(wanted, str) and "*" in wanted:
        return fnmatchcase(str(found), wanted)
    return bool(wanted == found or str(wanted) == str(found))


def _said(faults: Iterable[Fault]) -> str:
    return "; ".join(f"{one.path} {one.message}" for one in faults)


def _lines(what: str, parts: Mapping[str, Any]) -> list[str]:
    return [f"{what}: {name}: {_short(value)}" for name, value in sorted(parts.items())]


def _short(value: Any) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text if len(text) < 200 else f"{text[:150]}… ({len(text)} characters)"


def texts(line: ValidLine) -> Iterator[tuple[str, str]]:
    """Every text that a lead holds, by its place."""
    for section, part in line.capture.wire().items():
        if isinstance(part, dict):
            yield from ((f"{section}.{name}", value) for name, value in part.items() if isinstance(value, str))
