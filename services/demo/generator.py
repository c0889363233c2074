"""Generate realistic food-service leads from a seed: flawed web forms and badge scans.

The truth stays unambiguous. No two people share an e-mail, or phone, company and name. All captures of one person have
the same e-mail, or the same phone, company and name, in any disguise. So any order of arrival makes one lead of them.
"""

import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.attributes import NO_ATTRIBUTES, Attribute, Attributes, AttributeType
from schemas.base import ENVELOPE_LIMIT
from schemas.reasons import DeadLetterReason
from schemas.topics import CAPTURED, Topic
from services.demo.domain import words

_DUPLICATES, _REDELIVERED, _BAD = 0.35, 0.02, 0.02
_KNOWN = 0.75
_AREAS, _EXCHANGES = len(words.AREA_CODES), 700


@dataclass(frozen=True, slots=True)
class FedRecord:
    """One record to publish: `expect` is a bad record's dead-letter reason, else None.

    `person` is the number of the person that the record is about.
    """

    topic: str
    key: bytes | None
    value: bytes
    event_id: str | None
    person: int | None = None
    expect: str | None = None
    disguise: str = "plain"


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A person who becomes one lead; `by_email` is the identity all their captures share."""

    number: int
    first_name: str
    last_name: str
    company: str
    industry: str
    email: str
    phone: str
    by_email: bool
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a demo feeds: the `captures` of `people`, in order of arrival."""

    seed: int
    now: datetime
    people: tuple[DemoPerson, ...]
    captures: tuple[FedRecord, ...] = field(repr=False)


def generate(leads: int, seed: int, now: datetime, attributes: Attributes = NO_ATTRIBUTES) -> Scenario:
    """Return a scenario of `leads` people; the same arguments make the same bytes.

    `attributes` are the declared ones: people have most of them.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible on purpose, and nothing secret
    people = tuple(_person(number, seed, rng, attributes) for number in range(leads))
    captures = [_capture(person, rng, now, first=True) for person in people]
    captures += [_capture(rng.choice(people), rng, now) for _ in range(round(leads * _DUPLICATES))]
    captures += rng.sample(captures, round(len(captures) * _REDELIVERED))
    captures += [_bad(kind, people, rng, now) for kind in _bad_kinds(leads)]
    rng.shuffle(captures)
    return Scenario(seed, now, people, tuple(captures))


def _person(number: int, seed: int, rng: random.Random, attributes: Attributes) -> DemoPerson:
    first, last = rng.choice(words.FIRST_NAMES), rng.choice(words.LAST_NAMES)
    industry, suffix = rng.choice(words.INDUSTRIES)
    local = f"{first}.{last}.{seed}.{number}".lower().encode("ascii", "ignore").decode().replace("'", "")
    rest = number // (_AREAS * _EXCHANGES)
    area, exchange = words.AREA_CODES[number % _AREAS], 200 + number // _AREAS % _EXCHANGES
    phone = f"+1{area}{exchange}{rest * 1000 + number * 37 % 1000:04d}"
    return DemoPerson(
        number,
        first,
        last,
        f"{rng.choice(words.COMPANY_FIRST)} {rng.choice(words.COMPANY_SECOND)} {suffix}",
        industry,
        f"{local.strip('.')}@example.{rng.choice(('com', 'org', 'net'))}",
        phone,
        rng.random() < 0.7,
        _attributes(attributes, f"{seed}.{number}"),
    )


def _attributes(declared: Attributes, seed: str) -> dict[str, object]:
    """Return attributes of a person, as drawn by this seed."""
    # Their own chance: a declaration that changes makes no other people.
    rng = random.Random(seed)  # noqa: S311 - as above
    values = {one.name: _value(one, rng) for one in declared.attributes}
    return {name: value for name, value in values.items() if rng.random() < _KNOWN and value is not None}


def _value(of: Attribute, rng: random.Random) -> object:
    match of.type:
        case AttributeType.CHOICE:
            return rng.choice(of.choices)
        case AttributeType.NUMBER:
            return rng.randint(*words.NUMBERS.get(of.name, (1, 100)))
        case AttributeType.BOOLEAN:
            return rng.random() < 1 / 2
        case AttributeType.DATE:
            return f"{rng.randint(2005, 2027)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
        case AttributeType.TEXT:
            return rng.choice(words.TEXTS[of.name]) if of.name in words.TEXTS else None


def _capture(person: DemoPerson, rng: random.Random, now: datetime, *, first: bool = False) -> FedRecord:
    disguise = (
        "plain" if first else rng.choice(("case", "spaces", "phone format", "legal suffix", "accents", "partial"))
    )
    scanner = rng.random() < 0.4
    late = scanner and rng.random() < 0.3
    at = now - timedelta(hours=rng.uniform(2, 48)) if late else now - timedelta(minutes=rng.uniform(0, 30))
    source = (
        f"/scanners/nra-show/{rng.randint(1, 12)}" if scanner else rng.choice(("/forms/website", "/forms/menu-guide"))
    )
    data = {
        "source": "trade_show" if scanner else rng.choice(("website", "website", "referral", "social_media", "email")),
        "company": _company(person, rng, disguise),
        "contact": _contact(person, rng, disguise),
        "requirements": requirements(rng) if not scanner and rng.random() < 0.5 else None,
        "consent": {"email": rng.random() < 0.9, "phone": rng.random() < 0.6, "capturedAt": at.isoformat()},
        "attributes": person.attributes or None,
        "context": _context(rng, scanner=scanner),
    }
    # A scanner doesn't normalise, so its records have arbitrary keys. The results are the same.
    key = (person.email if person.by_email else person.phone) if not scanner else f"badge-{rng.randint(1, 10**6)}"
    name = f"late scan, {disguise}" if late else disguise
    return event(CAPTURED, data, rng, at, source, key, person=person.number, disguise=name)


def _company(person: DemoPerson, rng: random.Random, disguise: str) -> dict[str, object]:
    name = person.company
    if disguise == "legal suffix":
        name += rng.choice((" Inc.", ", LLC", " Ltd", " Co."))
    if disguise == "case":
        name = name.upper()
    return {
        "name": name,
        "industry": person.industry if rng.random() < 0.8 else None,
        "size": rng.choice(("small", "small", "medium", "medium", "large", "enterprise"))
        if rng.random() < 0.7
        else None,
        "website": f"https://www.example.com/{person.number}" if rng.random() < 0.3 else None,
        "annualRevenue": round(10 ** rng.uniform(5, 7.7)) if rng.random() < 0.5 else None,
    }


def _contact(person: DemoPerson, rng: random.Random, disguise: str) -> dict[str, object]:
    email: str | None = person.email
    phone: str | None = person.phone
    first, last = person.first_name, person.last_name
    if disguise == "case":
        email, first = person.email.upper(), first.upper()
    elif disguise == "spaces":
        email, last = f"  {person.email} ", f" {last}  "
    elif disguise == "phone format":
        phone = _formatted(person.phone, rng)
    elif disguise == "accents":
        first, last = _without_accents(first), _without_accents(last)
    elif disguise == "partial":
        email, phone = (email, None) if person.by_email else (None, phone)
    title = rng.choice(words.TITLES) if rng.random() < 0.6 else None
    return {"firstName": first, "lastName": last, "title": title, "email": email, "phone": phone}


def _formatted(phone: str, rng: random.Random) -> str:
    area, exchange, line = phone[2:5], phone[5:8], phone[8:]
    shapes = ("({0}) {1}-{2}", "{0}.{1}.{2}", "1-{0}-{1}-{2}", "+1 {0} {1} {2}", "{0}{1}{2}")
    return rng.choice(shapes).format(area, exchange, line)


def _without_accents(name: str) -> str:
    return name.translate(str.maketrans("éíóúáñøöüëèäå", "eiouanooueeaa")) if "ø" not in name else name


def requirements(rng: random.Random) -> dict[str, object]:
    """Return random requirements of a lead."""
    return {
        "budget": rng.choice((0, 2_500, 10_000, 50_000)) if rng.random() < 0.5 else None,
        "timeline": rng.choice(("this month", "next quarter", "before summer")),
        "painPoints": rng.sample(words.PAIN_POINTS, rng.randint(1, 3)),
        "currentSolution": rng.choice(words.SOLUTIONS),
    }


def _context(rng: random.Random, *, scanner: bool) -> dict[str, object]:
    territory: dict[str, object] = {"territory": rng.choice(words.TERRITORIES)}
    if scanner:
        return territory | {
            "event": "NRA Show",
            "booth": f"{rng.randint(1, 60):02d}",
            "badge": rng.randint(10**5, 10**6),
        }
    return territory | {"campaign": rng.choice(("spring-menu", "waste-zero", "brand")), "utm_source": "newsletter"}


def _bad_kinds(leads: int) -> list[DeadLetterReason]:
    kinds = [
        DeadLetterReason.NOT_JSON,
        DeadLetterReason.NOT_CLOUDEVENT,
        DeadLetterReason.INVALID_DATA,
        DeadLetterReason.UNSUPPORTED_VERSION,
        DeadLetterReason.TOO_LARGE,
    ]
    # One record of the largest kind is enough: it has a quarter of a megabyte.
    return kinds + [kinds[number % 4] for number in range(round(leads * _BAD))]


def _bad(kind: DeadLetterReason, people: tuple[DemoPerson, ...], rng: random.Random, now: datetime) -> FedRecord:
    good = _capture(rng.choice(people), rng, now)
    bad = json.loads(good.value)
    if kind is DeadLetterReason.NOT_CLOUDEVENT:
        del bad["id"]
    elif kind is DeadLetterReason.INVALID_DATA:
        bad["data"]["contact"] |= {"email": "not-an-address", "phone": None}
    elif kind is DeadLetterReason.UNSUPPORTED_VERSION:
        bad["type"] = "leads.captured.v9"
    elif kind is DeadLetterReason.TOO_LARGE:
        bad["data"]["context"]["notes"] = "x" * ENVELOPE_LIMIT
    value = json.dumps(bad).encode()
    if kind is DeadLetterReason.NOT_JSON:
        value = value[: len(value) // 2]
    return FedRecord(CAPTURED.name, good.key, value, None, expect=kind.value, disguise="bad")


def event(  # noqa: PLR0913 - an event's parts
    topic: Topic,
    data: Mapping[str, object],
    rng: random.Random,
    at: datetime,
    source: str,
    key: str,
    *,
    person: int | None,
    disguise: str = "plain",
) -> FedRecord:
    """Return one record: an event of `topic` from `source`, published under `key`."""
    event_id = uuid4(rng)
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": topic.event_type,
        "time": at.isoformat(),
        "datacontenttype": "application/json",
        "correlationid": event_id,
        "data": _without_none(data),
    }
    return FedRecord(
        topic.name, key.encode(), json.dumps(attributes).encode(), event_id, person=person, disguise=disguise
    )


def _without_none(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _without_none(one) for name, one in value.items() if one is not None}
    return value


def uuid4(rng: random.Random) -> str:
    """Return a random id that the seed decides."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
