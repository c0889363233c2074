"""Pages and script of the lead form: one list of fields, one markup for both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps

from schemas.lead import CompanySize
from services.gateway.dashboard.palette import SHEETS

WORD_MAX = 200
"""Most characters of a text in an event (schemas/README.md#values)."""
_FOLDER = Path(__file__).parent / "templates"
_SETTINGS = "SETTINGS"
"""The name that the script has in place of its settings."""


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
            "maxlength": WORD_MAX if typed else None,
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
_FIELDS = [field for section in SECTIONS for field in section.fields]
_LABELS = {field.name: field.label for field in _FIELDS} | dict(CONSENTS)
# The gateway's messages address programmers. Where only one fault is possible, visitors get advice instead.
_ADVICE = {field.name: field.wrong or field.missing for field in _FIELDS} | {"contact": _UNREACHABLE}

_environment = Environment(
    loader=FileSystemLoader([_FOLDER, SHEETS]),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(sections=SECTIONS, consents=CONSENTS)


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


def refused_page(faults: Sequence[tuple[str, str]], nonce: str) -> str:
    """Return the page about faults, pairs of path and message. It shows no value and no path."""
    sentences = [sentence(path, message) for path, message in faults]
    return _rendered("refused.html", faults=sentences, nonce=nonce)


def sentence(path: str, message: str) -> str:
    """Return a fault as a sentence for a visitor. The script uses the same words."""
    name = ".".join(path.split(".")[:2])
    label = _LABELS.get(name)
    return _ADVICE.get(name) or (f"{label}: {message}" if label else message[:1].upper() + message[1:])


def form_script(view: FormView) -> str:
    """Return the script that inserts the form after its own tag."""
    settings = {
        "action": view.action,
        "key": view.key,
        "redirect": view.redirect,
        "name": view.name,
        "sites": view.sites,
        "labels": _LABELS,
        "advice": _ADVICE,
        "css": _rendered("sheets.jinja"),
        "form": _rendered("card.html", view=view, level=2),
        "thanks": _rendered("thanked.html", level=2),
    }
    return _form_js().replace(_SETTINGS, htmlsafe_json_dumps(settings))
