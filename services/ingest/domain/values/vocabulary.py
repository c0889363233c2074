"""Common words in cells: for nothing, for a source, for a company's size. Pure."""

import re
from collections.abc import Mapping

from schemas.lead import CompanySize, Source
from services.ingest.domain.values.blanks import spelling_key

_LONGEST = 60
# The words of spreadsheets, databases and people for "nothing", in five languages.
_NOTHING = frozenset(
    word.strip()
    for word in (
        "n/a, n.a, n\\a, na, n/d, n.d, n/c, n.c, none, null, nil, nan, unknown, not known, undefined, empty, blank,"
        " missing, nothing, no data, no answer, tbd, tba, tbc, to be determined, to be confirmed, to be announced,"
        " not applicable, not available, not provided, not given, not specified, not disclosed, not set, not entered,"
        " no email, no e-mail, no phone, no phone number,"
        " k.a, k. a, keine angabe, keine angaben, keine, kein, nicht angegeben, nicht vorhanden, nicht bekannt,"
        " unbekannt, ohne, ohne angabe, entfällt, leer,"
        " s/o, sans objet, non renseigné, non renseigne, non communiqué, non précisé, non spécifié, non disponible,"
        " néant, aucun, aucune, inconnu, inconnue, vide,"
        " s/d, sin datos, sin información, no disponible, no aplica, no informado, ninguno, ninguna, desconocido,"
        " desconocida, vacío, nada, por definir,"
        " sem informação, não informado, nao informado, não disponível, não aplicável, não se aplica, nenhum, nenhuma,"
        " desconhecido, desconhecida, vazio, a definir"
    ).split(",")
)
# Written like a name these are names: Ms Na, Mr Null, Mr Blank.
_NAMES_TOO = frozenset("na null nan nil blank nothing missing empty ohne kein leer nada".split())
_PLACES = ("country", "region", "state", "land", "pays", "país", "pais")
_EDGES = " .()[]{}<>'\"*_-–—/\\#?!…:;,~=+·"  # noqa: RUF001 - the dashes are meant
_NAME_PATHS = frozenset({"contact.firstName", "contact.lastName", "contact.name", "company.name"})


def is_nothing(text: str, path: str = "") -> bool:
    """Return whether `text` is a word or sign for nothing in a column of this path."""
    if len(text) > _LONGEST:
        return False
    bare = text.strip(_EDGES)
    word = " ".join(bare.casefold().split())
    if word not in _NOTHING:
        return not word
    if path.startswith("context."):
        # NA is Namibia, too.
        return word != "na" or not any(place in path.casefold() for place in _PLACES)
    return not (path in _NAME_PATHS and word in _NAMES_TOO and bare.istitle())


def _table(words: Mapping[Source, str] | Mapping[CompanySize, str]) -> dict[str, str]:
    return {spelling_key(word): one for one, text in words.items() for word in (one, *text.split(","))}


# English, then German, French, Spanish and Portuguese, and the defaults of HubSpot and Salesforce.
_SOURCES = _table(
    {
        Source.WEBSITE: "web, web site, webform, web form, online form, online, internet, homepage, landing page,"
        " contact form, webseite, webformular, kontaktformular, site web, formulaire web, sitio web, página web,"
        " formulario web, site, formulário web",
        Source.EMAIL: "e-mail, mail, email campaign, email marketing, newsletter, mailing, e-mail-kampagne, courriel,"
        " correo, correo electrónico, campaña de correo, boletín",
        Source.PHONE: "phone call, telephone, call, cold call, inbound call, phone inquiry, telefon, anruf, telefonat,"
        " téléphone, appel, appel téléphonique, teléfono, llamada, telefone, ligação, chamada",
        Source.REFERRAL: "referrals, referred, recommendation, word of mouth, customer referral, employee referral,"
        " external referral, partner referral, empfehlung, weiterempfehlung, recommandation, bouche à oreille,"
        " recomendación, referencia, boca a boca, recomendação, indicação",
        Source.TRADE_SHOW: "trade shows, tradeshow, event, events, fair, trade fair, expo, exhibition, conference,"
        " congress, show, booth, badge scan, messe, fachmesse, veranstaltung, kongress, salon, foire, évènement,"
        " événement, feria, congreso, evento, feira",
        Source.SOCIAL_MEDIA: "social, socials, organic social, paid social, social network, facebook, fb, instagram,"
        " ig, linkedin, linked in, twitter, tiktok, youtube, pinterest, xing, soziale medien, soziale netzwerke,"
        " réseaux sociaux, réseau social, redes sociales, redes sociais",
    }
)


def source_of(text: str) -> str | None:
    """Return the source that `text` names by a known word."""
    return _SOURCES.get(spelling_key(text)) if len(text) <= _LONGEST else None


_SIZES = _table(
    {
        CompanySize.SMALL: "micro, small business, small company, self employed, self-employed, myself only, just me,"
        " sole proprietor, sole trader, freelancer, klein, kleinunternehmen, petite, petite entreprise, tpe, pequeña,"
        " pequeño, pequeña empresa, pequena, pequeno, pequena empresa",
        CompanySize.MEDIUM: "mid, mid-size, midsize, mid-sized, medium-sized, mid-market, mittel, mittelgroß,"
        " mittelstand, moyenne, moyenne entreprise, mediana, mediano, mediana empresa, média, médio, média empresa",
        CompanySize.LARGE: "big, large company, large business, groß, großunternehmen, grande, grande entreprise,"
        " gran empresa, grande empresa",
        CompanySize.ENTERPRISE: "enterprise business, konzern, multinational",
    }
)
_BOUNDS = ((50, CompanySize.SMALL), (250, CompanySize.MEDIUM), (1_000, CompanySize.LARGE))
_TOKEN = re.compile(r"(?:\d{1,3}(?:[,.'’ \u00a0\u202f]\d{3})+|\d+)(?:k(?!\w))?|[^\W\d_]+|[^\w\s]")  # noqa: RUF001 - typographic apostrophe
_PEOPLE = frozenset(
    "employees employee people persons staff ppl fte ftes headcount size mitarbeiter mitarbeitende mitarbeitern"
    " beschäftigte employés salariés personnes collaborateurs empleados trabajadores personas funcionários"
    " colaboradores pessoas empregados in of the ca approx about circa around approximately etwa environ unos".split()
)
_BETWEEN = frozenset("- – — ~ to bis à au a de von from between and und et y e entre zwischen".split())  # noqa: RUF001 - dashes
_BELOW = frozenset("< ≤ under less fewer below up max unter weniger moins menos hasta até jusqu".split())
_ABOVE = frozenset("+ > ≥ over more above plus über mehr más mais least min".split())
_FILLING = frozenset(". : , ( ) = than als que de or ou o oder at to ' ’".split())  # noqa: RUF001 - typographic apostrophe


def size_of(text: str) -> CompanySize | None:
    """Return the size that a word, a number of employees or a range states, if any.

    Below 50 employees is small and below 250 medium, as in the European Union's recommendation 2003/361/EC. Below 1,000
    is large, the rest enterprise. A range counts as its middle: 11-50 is small, 51-200 medium. An open range counts as
    its bound: 1000+ is enterprise.
    """
    if len(text) > _LONGEST:
        return None
    word = _SIZES.get(spelling_key(text))
    if word:
        return CompanySize(word)
    staff = _staff(_TOKEN.findall(text.casefold()))
    if staff is None:
        return None
    return next((size for bound, size in _BOUNDS if staff < bound), CompanySize.ENTERPRISE)


def _staff(tokens: list[str]) -> float | None:
    counts = [_number(token) for token in tokens if token[0].isdecimal()]
    words = {token for token in tokens if not token[0].isdecimal()}
    if not words <= _PEOPLE | _BETWEEN | _BELOW | _ABOVE | _FILLING or len(counts) not in {1, 2}:
        return None
    if len(counts) > 1:
        return sum(counts) / 2 if counts[0] <= counts[1] and words & _BETWEEN else None
    return counts[0] / 2 if words & _BELOW else counts[0]


def _number(token: str) -> int:
    digits = int("".join(char for char in token if char.isdecimal()))
    return digits * 1_000 if token.endswith("k") else digits
