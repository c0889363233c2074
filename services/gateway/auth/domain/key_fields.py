"""The fields that a form key declares: what else its forms send is ignored. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from schemas.attributes import Attributes
from schemas.base import Model
from schemas.captures import CapturedCompany, CapturedConsent, CapturedContact
from schemas.lead import Requirements
from services.gateway.auth.domain.principals import ApiKey
from services.ingest.domain.columns.meanings import attribute_at, is_target

NAMES = ("company.name", "contact.firstName", "contact.lastName")
ADDRESSES = ("contact.email", "contact.phone")
_SECTIONS: Mapping[str, type[Model]] = {
    "company": CapturedCompany,
    "contact": CapturedContact,
    "requirements": Requirements,
    "consent": CapturedConsent,
}
_WHOLE = frozenset({"consent", "context"})
_PATHS = _WHOLE.union(
    f"{section}.{field.alias or name}"
    for section, model in _SECTIONS.items()
    for name, field in model.model_fields.items()
)
_WORDING = "context.consentWording"


def faults_in(fields: Sequence[str], attributes: Attributes) -> Iterator[str]:
    """Yield what is wrong with the fields of a form key; `attributes` are the declared ones."""
    for path in fields:
        is_entry = path.startswith("context.") and is_target(path)
        if path not in _PATHS and not is_entry and attribute_at(path, attributes) is None:
            yield f"{path}: there is no such field"
    if missing := [path for path in NAMES if path not in fields]:
        yield f"no lead is without {', '.join(missing)}"
    if not set(ADDRESSES) & set(fields):
        yield f"no lead is without {' or '.join(ADDRESSES)}"


def declares(fields: Collection[str], path: str) -> bool:
    """Return whether a key with these fields takes this one; a key without fields takes all."""
    return not fields or path in fields or path.partition(".")[0] in _WHOLE.intersection(fields)


def declared_in(data: Mapping[str, object], key: ApiKey) -> dict[str, object]:
    """Return the fields of a capture that its key declares, in wire form.

    Consent is declared also by the key's `wording`. The source is bounded by the key's sources.
    """
    fields = frozenset(key.fields)
    if not fields:
        return dict(data)
    if key.wording:
        fields |= {"consent"}
    if any(path.partition(".")[0] == "consent" for path in fields):
        fields |= {_WORDING}
    kept = {name: _declared_part(name, part, fields) for name, part in data.items() if name != "source"}
    source = {"source": data["source"]} if "source" in data else {}
    return {**source, **{name: part for name, part in kept.items() if part}}


def _declared_part(name: str, part: object, fields: Collection[str]) -> object:
    if name in fields:
        return part
    return {key: one for key, one in part.items() if f"{name}.{key}" in fields} if isinstance(part, Mapping) else None
