"""Understand one header by itself, whatever surrounds the column's name in it. Pure."""

import re
from dataclasses import replace

from services.ingest.domain.columns.header_names import SLIP_LETTERS, Meaning, known_headers
from services.ingest.domain.columns.header_text import clean_header, header_key, is_slip, one_letter_shorter

_NAME_MAX = 150
_SLIP_MAX = 40
_DEPTH = 4

_PERSON = (
    "lead|contact|person|attendee|visitor|delegate|registrant|participant|subscriber|customer|client|prospect|buyer|user"
    "|member|respondent|badge|my|your|our|the|primary|main|work|business|professional|billing"
    "|kontakt|ansprechpartner|teilnehmer|besucher|ihre?|visiteur|participant|votre|contacto|asistente|su|tu"
    "|contato|participante|seu|sua|contatto|partecipante|contactpersoon|deelnemer|bezoeker|uw"
)
_COMPANY = (
    "company|account|organi[sz]ation|employer|unternehmen|firma|entreprise|societe|empresa|azienda|bedrijf|organisatie"
)
_WRAPPER = "properties|form fields?|fields?|data|answers?|entry|item|record|values?|payload|attributes|custom|cf"
_MARK = r"\s*[.:>/|\u2013\u2014-]+\s*"
_PREFIX = re.compile(
    rf"(?:(?P<wrapper>{_WRAPPER}){_MARK}|(?:(?P<company>{_COMPANY})|(?P<person>{_PERSON}))(?:{_MARK}|\s))(?P<rest>\S.*)"
)
_REQUIRED = (
    "required|optional|mandatory|pflichtfeld|pflichtangabe|erforderlich|freiwillig|obligatoire|facultatif|requis"
    "|requerido|obligatorio|opcional|obrigatorio|obbligatorio|facoltativo|verplicht|optioneel|if any|if applicable"
)
_HARMLESS = re.compile(
    rf"(?:{_REQUIRED}|yes ?/? ?no|y ?/? ?n|true ?/? ?false|ja ?/? ?nein|oui ?/? ?non|si ?/? ?no|utc|gmt|local time"
    r"|[mdyhst/.: -]{4,20}|(?:in )?(?:usd|eur|gbp|chf|cad|aud|us\$|[$€£])|\d|)"
)
_OF_ANOTHER = re.compile(
    r"fax|compan|corporate|firma|assist|parent|partner|emergenc|spouse|refer|manager|supervis|owner|type|label|status"
    r"|verif|\bnot?\b|guest|plus one|\bhq\b|headquarter|bounce|domain|valid|prefix|suffix|middle|hash|country"
    r"|extension|phonetic|yomi|unsub|\bopt|legal|previous|former|old\b"
)
_ASKING = (
    r"what(?:'?s| is| are)|which(?: is)?|(?:please )?(?:enter|provide|give(?: us)?|type(?: in)?|fill in|tell us|share"
    r"|state|add|select|choose)|may we have|wie (?:lautet|lauten|ist|heisst)|bitte geben sie|quell?e?s? (?:est|sont)"
    r"|indiquez|saisissez|veuillez (?:indiquer|saisir)|cual(?:es)? (?:es|son)|indique|ingrese|escriba|qual (?:e|o|a)"
    r"|informe|digite|inserisci|wat is"
)
_WHOSE = r"your|the|my|ihre?|deine?|die|der|das|votre|vos|ton|ta|le|la|su|sus|tu|el|o|a|seu|sua|il tuo|la tua|il|uw|je"
_QUESTION = re.compile(rf"\A(?:{_ASKING})\s(?:(?:{_WHOSE})\s){{0,3}}")
_LEADING = re.compile(r"\A(?:q(?:uestion)?\s?)?\d{1,3}\s?[.):-]\s?(?=\D)")
_BRACKETS = re.compile(r"([^()\[\]{}]*\w)\s?[(\[{]([^()\[\]{}]*)[)\]}]?")
_NUMBER = re.compile(
    r"(?P<what>\D*[^\d\s(-])[\s-]{0,3}\(?(?P<number>\d{1,2})\)?"
    r"(?:[\s-]{1,3}(?P<more>value|address|name|title|wert|valeur|valor))?"
)
_EITHER = re.compile(r"\s?(?:/|\||\bor\b|\boder\b|\bou\b)\s?")
_UNIT = re.compile(r"(.*\w)\s(?:in\s)?(?:usd|eur|gbp|chf|[$€£])")
NAME_ALONE = frozenset(("name", "nom", "nombre", "nome", "naam"))
_OF_ANY_NUMBER = frozenset(("contact.email", "contact.phone", "company.website"))
_MOMENTS = frozenset(("id", "time", "date"))


def meaning_of(header: str) -> Meaning | None:
    """Return what a column of this name holds; None if no rule matches. Takes bounded time."""
    text = clean_header(header)
    if not text or len(text) > _NAME_MAX:
        return None
    return _read(text, _DEPTH) or _slip(header_key(text))


def _read(text: str, depth: int) -> Meaning | None:
    name = header_key(text)
    if name in known_headers().elsewhere or not name or not depth:
        return None
    if found := known_headers().meanings.get(name):
        return found
    rules = (_without_question, _of_prefix, _of_number, _without_unit, _of_either, _without_brackets)
    return next(filter(None, (rule(text, depth - 1) for rule in rules)), None)


def _without_question(text: str, depth: int) -> Meaning | None:
    bare = _QUESTION.sub("", _LEADING.sub("", text)).replace("'s ", " ")
    return _read(bare, depth) if bare != text else None


def _of_prefix(text: str, depth: int) -> Meaning | None:
    found = _PREFIX.fullmatch(re.sub(r"(?<=[\w\]])\[([^\]]*)\]", r".\1", text))
    if not found:
        return None
    if found["company"] and header_key(found["rest"]) in NAME_ALONE:
        return known_headers().meanings[header_key("company name")]
    inner = _read(found["rest"], depth)
    if inner is None or found["wrapper"]:
        return inner
    if found["company"]:
        return inner if inner.path.startswith("company.") else None
    return None if inner.path in _MOMENTS or inner.path.startswith("context.") else inner


def _of_number(text: str, depth: int) -> Meaning | None:
    """Return what "E-mail 2" holds; None for a second name or company."""
    found = _NUMBER.fullmatch(text)
    if not found or re.fullmatch(_PERSON, found["what"]):
        return None
    inner = _read(" ".join(filter(None, (found["what"], found["more"]))), depth) or _read(found["what"], depth)
    if inner is None or inner.path in _MOMENTS or inner.path.startswith(("consent", "context")):
        return None
    return inner if int(found["number"]) <= 1 or inner.path in _OF_ANY_NUMBER else None


def _without_unit(text: str, depth: int) -> Meaning | None:
    found = _UNIT.fullmatch(text)
    return _read(found[1], depth) if found else None


def _of_either(text: str, depth: int) -> Meaning | None:
    parts = [part for part in _EITHER.split(text) if part]
    if len(parts) not in {2, 3}:
        return None
    meanings = [_read(part, depth) for part in parts]
    first = meanings[0]
    same = first and all(one and (one.path, one.negated) == (first.path, first.negated) for one in meanings)
    return first if same else None


def _without_brackets(text: str, depth: int) -> Meaning | None:
    found = _BRACKETS.fullmatch(text)
    if not found or _OF_ANOTHER.search(found[2]):
        return None
    inner = _read(found[1], depth)
    if inner is None or _HARMLESS.fullmatch(found[2].strip()):
        return inner
    return None if inner.path in _MOMENTS or inner.path.startswith("consent") else replace(inner, guessed=True)


def _slip(name: str) -> Meaning | None:
    """Return the meaning of the known name that this is a typo of, if only one path matches."""
    if not SLIP_LETTERS <= len(name) <= _SLIP_MAX or not name.isalpha() or name in known_headers().elsewhere:
        return None
    near = {
        one for form in one_letter_shorter(name) for one in known_headers().slips.get(form, ()) if is_slip(name, one)
    }
    paths = {known_headers().meanings[one].path for one in near}
    return Meaning(paths.pop(), guessed=True) if len(paths) == 1 else None
