"""Pages and script of the lead form: one list of fields, one markup for both."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps

from schemas.attributes import AskedIn, Attribute, Attributes, AttributeType
from schemas.base import WORD_MAX
from schemas.lead import CompanySize
from services.gateway.auth.domain.key_fields import declares
from services.gateway.dashboard.palette import SHEETS

_FOLDER = Path(__file__).parent / "templates"
_SETTINGS = "SETTINGS"
"""The name that the script has in place of its settings."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form.

    `missing` is the message for an empty field, unless the field named by `either` has a value. `wrong` is the message
    for a value that the gateway refuses.
    """

    name: str
    label: str
    kind: str = "text"
    autocomplete: str | None = None
    inputmode: str | None = None
    required: bool = False
    wide: bool = False
    missing: str | None = None
    wrong: str | None = None
    either: str | None = None
    options: tuple[tuple[str, str], ...] = ()

    def attributes(self, hint: str | None) -> Mapping[str, str | int | None]:
        """Return the attributes of the field's control, which `hint` describes."""
        typed = not self.options
        return {
            "id": self.name,
            "name": self.name,
            "type": self.kind if typed and self.kind != "textarea" else None,
            "maxlength": WORD_MAX if typed and self.kind not in {"number", "date"} else None,
            "step": "any" if self.kind == "number" else None,
            "autocomplete": self.autocomplete,
            "inputmode": self.inputmode,
            "required": "" if self.required else None,
            "aria-describedby": hint,
            "data-missing": self.missing,
            "data-either": self.either,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """Fields of one legend, or a single field without a legend."""

    legend: str | None
    fields: tuple[Field, ...]
    hint: str | None = None


_UNREACHABLE = "Enter an email address or a phone number"
_ONLY_WAY = {"contact.email": "Enter your email address", "contact.phone": "Enter your phone number"}
"""What a form asks for that has only one of the two."""
INDUSTRIES = (
    ("restaurant", "Restaurant"),
    ("cafe", "Café or bar"),
    ("catering", "Catering"),
    ("hotel", "Hotel"),
    ("bakery", "Bakery"),
    ("school cafeteria", "School or canteen"),
    ("hospital kitchen", "Hospital or care home"),
    ("other", "Something else"),
)
SIZES = (
    (CompanySize.SMALL.value, "Small: one kitchen"),
    (CompanySize.MEDIUM.value, "Medium: a few kitchens"),
    (CompanySize.LARGE.value, "Large: many kitchens"),
    (CompanySize.ENTERPRISE.value, "Enterprise: a national or international group"),
)
SECTIONS = (
    Section(
        "About you",
        (
            Field(
                "contact.firstName",
                "First name",
                autocomplete="given-name",
                required=True,
                missing="Enter your first name",
            ),
            Field(
                "contact.lastName",
                "Last name",
                autocomplete="family-name",
                required=True,
                missing="Enter your last name",
            ),
            Field("contact.title", "Job title", autocomplete="organization-title", wide=True),
        ),
    ),
    Section(
        "How to reach you",
        (
            Field(
                "contact.email",
                "Email",
                "email",
                "email",
                "email",
                missing=_UNREACHABLE,
                wrong="Enter an email address like name@example.com",
                either="contact.phone",
            ),
            Field(
                "contact.phone",
                "Phone",
                "tel",
                "tel",
                "tel",
                wrong="Enter a phone number, with a country code if it is from abroad",
            ),
        ),
        hint="One of the two is required.",
    ),
    Section(
        "Your company",
        (
            Field(
                "company.name",
                "Company name",
                autocomplete="organization",
                required=True,
                wide=True,
                missing="Enter your company's name",
            ),
            Field("company.industry", "Kind of business", options=INDUSTRIES),
            Field("company.size", "Size", options=SIZES),
        ),
    ),
    Section(
        None,
        (
            Field(
                "requirements.painPoints",
                "What do you need?",
                "textarea",
                wide=True,
                wrong=f"Say what you need in {WORD_MAX} characters at most",
            ),
        ),
        hint=f"{WORD_MAX} characters at most.",
    ),
)
CONSENTS = (("consent.email", "By email"), ("consent.phone", "By phone"))


@dataclass(frozen=True, slots=True)
class FormView:
    """What differs between forms. `redirect`: the next page; `nonce`: allows the style."""

    action: str
    key: str
    token: str
    wording: str
    title: str
    consent: bool
    redirect: str | None
    nonce: str
    name: str = ""
    """The key's name, for the site's developer."""
    sites: tuple[str, ...] | None = None
    """The origins that the script works on. None: unknown."""
    sections: tuple[Section, ...] = SECTIONS
    """What the form asks."""


def sections_for(fields: Collection[str], attributes: Attributes) -> tuple[Section, ...]:
    """Return what the form of a key asks: its `fields`, all if it has none, and the attributes that forms ask."""
    asked = tuple(_attribute_field(one) for one in attributes.attributes if AskedIn.FORM in one.asked)
    sections = (*SECTIONS[:-1], Section("Your business", asked), SECTIONS[-1])
    kept = (_declared_part(section, fields) for section in sections)
    return tuple(section for section in kept if section.fields)


def _declared_part(section: Section, fields: Collection[str]) -> Section:
    kept = tuple(field for field in section.fields if declares(fields, field.name))
    if len(kept) == 1 and kept[0].name in _ONLY_WAY:
        only = replace(kept[0], required=True, missing=_ONLY_WAY[kept[0].name], either=None)
        return replace(section, fields=(only,), hint=None)
    return replace(section, fields=kept)


def _attribute_field(one: Attribute) -> Field:
    label = f"{one.label} {one.unit}" if one.unit else one.label
    made = Field(f"attributes.{one.name}", label)
    match one.type:
        case AttributeType.NUMBER:
            return replace(made, kind="number", inputmode="decimal", wrong=f"{label}: enter a number")
        case AttributeType.DATE:
            return replace(made, kind="date", wrong=f"{label}: choose a day")
        case AttributeType.BOOLEAN:
            return replace(made, options=(("true", "Yes"), ("false", "No")))
        case AttributeType.CHOICE:
            return replace(made, options=tuple((word, word.replace("_", " ").capitalize()) for word in one.choices))
    return made


def _labels(sections: Iterable[Section]) -> dict[str, str]:
    return {field.name: field.label for section in sections for field in section.fields} | dict(CONSENTS)


def _advice(sections: Iterable[Section]) -> dict[str, str | None]:
    """Return advice by field: the gateway's messages address programmers.

    Where only one fault is possible, visitors get it instead.
    """
    advice = {field.name: field.wrong or field.missing for section in sections for field in section.fields}
    return advice | {"contact": _UNREACHABLE}


_environment = Environment(
    loader=FileSystemLoader([_FOLDER, SHEETS]),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(consents=CONSENTS)


@cache
def _form_js() -> str:
    return (_FOLDER / "form.js").read_text()


def _rendered(template: str, **values: object) -> str:
    return _environment.get_template(template).render(values)


def form_page(view: FormView) -> str:
    """Return the form as a page of its own, which needs no script."""
    return _rendered("form.html", view=view, nonce=view.nonce, level=1)


def thanks_page(nonce: str) -> str:
    """Return the page after a successful submission."""
    return _rendered("thanks.html", nonce=nonce, level=1)


def signin_page(nonce: str, *, fault: str | None = None, token: str = "", name: str = "") -> str:
    """Return the sign-in page: for name and password, or for a link's `token` and its `name`."""
    return _rendered("signin.html", nonce=nonce, fault=fault, token=token, name=name)


def refused_page(faults: Sequence[tuple[str, str]], nonce: str, sections: Sequence[Section] = SECTIONS) -> str:
    """Return the page about faults, pairs of path and message. It shows no value and no path.

    `sections`: what forms ask.
    """
    sentences = [sentence(path, message, sections) for path, message in faults]
    return _rendered("refused.html", faults=sentences, nonce=nonce)


def sentence(path: str, message: str, sections: Sequence[Section] = SECTIONS) -> str:
    """Return a fault as a sentence for a visitor. The script uses the same words."""
    name = ".".join(path.split(".")[:2])
    label = _labels(sections).get(name)
    return _advice(sections).get(name) or (f"{label}: {message}" if label else message[:1].upper() + message[1:])


def form_script(view: FormView) -> str:
    """Return the script that inserts the form after its own tag."""
    settings = {
        "action": view.action,
        "key": view.key,
        "redirect": view.redirect,
        "name": view.name,
        "sites": view.sites,
        "labels": _labels(view.sections),
        "advice": _advice(view.sections),
        "css": _rendered("sheets.jinja"),
        "form": _rendered("card.html", view=view, level=2),
        "thanks": _rendered("thanked.html", level=2),
    }
    return _form_js().replace(_SETTINGS, htmlsafe_json_dumps(settings))
