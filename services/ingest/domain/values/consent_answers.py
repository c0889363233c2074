"""Read what one cell of a consent column states: a yes, a no, or nothing. Pure."""

import re
from collections.abc import Iterable

from services.ingest.domain.values.blanks import spelling_key
from services.ingest.domain.values.moment_reading import DateOrder, parse_moment
from shared.domain.identity.normal_forms import search_form as without_accents

_LONGEST = 60


def _set(words: str) -> frozenset[str]:
    return frozenset(spelling_key(word) or word.strip() for word in words.split(","))


# Answers to the header's question in English, German, French, Spanish, Portuguese, Italian and
# Dutch; a plain yes and no in other languages, too.
_YES = _set(
    "yes, y, true, t, 1, x, on, ok, ✓, ✔, ☑, ✅, checked, ticked, selected, enabled, ja, j, wahr, oui, o, vrai,"
    " si, s, verdadero, cierto, sim, verdadeiro, vero, waar, tak, ano, igen, evet, да, так"
)
_NO = _set(
    "no, n, false, f, 0, off, ☐, ✗, ✘, ✖, ❌, unchecked, unticked, disabled, never, nein, falsch, non, faux, nao,"
    " falso, nee, onwaar, nej, nei, nie, ne, nem, hayir, hay\u0131r, нет, не, ні, όχι"
)
# Answers about being asked; beside "Email Opt Out" they could mean either.
_AGREED = _set(
    "agreed, i agree, accepted, i accept, granted, given, consented, i consent, confirmed, consent given,"
    " erteilt, eingewilligt, zugestimmt, einverstanden, erlaubt, accepte, accorde, donne, d'accord, j'accepte,"
    " aceptado, otorgado, concedido, acepto, aceito, autorizado, accettato, concesso, accetto, akkoord,"
    " gegeven"
)
_DECLINED = _set(
    "declined, denied, rejected, not given, not granted, not confirmed, no consent, no_consent, withheld,"
    " disagree, i disagree, abgelehnt, nicht erteilt, verweigert, keine einwilligung, non donne, non accorde,"
    " rechazado, denegado, no otorgado, recusado, negado, nao concedido, negato, geen toestemming"
)
# States of the person, which mean the same in every column.
_SUBSCRIBED = _set(
    "subscribed, opted in, opted-in, opt in, opt-in, optin, abonniert, angemeldet, abonne, inscrit, suscrito,"
    " suscripto, inscrito, iscritto, aangemeld, ingeschreven, single opt-in, double opt-in, double opted in"
)
# "Not forbidden" is no agreement: a CRM writes it for people that were never asked.
_ALLOWED = _set("allow, allowed")
_UNSUBSCRIBED = _set(
    "unsubscribed, unsubscribe, unsub, opted out, opted-out, opt out, opt-out, optout, globally unsubscribed,"
    " never subscribed, never_subscribed, not subscribed, not opted in, not opted-in, do not contact, do not"
    " email, do not e-mail, do not call, dnc, do not allow, not allowed, disallowed, withdrawn, revoked,"
    " refused, suppressed, complained, spam complaint, marked as spam, bounced, hard bounced, hard bounce, cleaned,"
    " abgemeldet, abbestellt, widerrufen, widersprochen,"
    " nicht abonniert, nicht erlaubt, desabonne, desinscrit, refuse, retire, revoque, non abonne, non inscrit,"
    " dado de baja, baja, desuscrito, no suscrito, revocado, retirado, descadastrado, nao inscrito, revogado,"
    " cancelado, disiscritto, non iscritto, revocato, rifiutato, afgemeld, uitgeschreven, ingetrokken,"
    " geweigerd"
)
# These state something only in a consent column; orders can be "rejected" or "cancelado", too.
_TELLING = _UNSUBSCRIBED & _set(
    "unsubscribed, unsubscribe, unsub, opted out, opt out, globally unsubscribed, never subscribed, not subscribed,"
    " not opted in, do not contact, do not email, do not e-mail, do not call, dnc, suppressed, complained,"
    " spam complaint, marked as spam, bounced, hard bounced, hard bounce, abgemeldet, abbestellt, nicht abonniert,"
    " desabonne, desinscrit, non abonne, non inscrit, dado de baja, desuscrito, no suscrito, descadastrado,"
    " nao inscrito, disiscritto, non iscritto, afgemeld, uitgeschreven"
)
_SHOWING = _YES | _NO | _SUBSCRIBED | _UNSUBSCRIBED
_TELLING_MAX = 30
_TELLING_STARTS = frozenset(word[:2] for word in _TELLING) | {"dé"}
# A letter may be a yes in one language and something else in another: O is "oui" and "out", S is
# "sí" and "suppressed". It is a yes only beside a no of the same language and nothing else.
_BESIDE = {
    "o": _set("n, non, oui"),
    "s": _set("n, no, nao, si, sim"),
    "t": _set("f, n, false, true, nie, tak"),
}
_IN, _OUT = "i", "o"
_IN_AND_OUT = frozenset({_IN, _OUT})
_CROSS, _CROSSES = "x", _set("✗, ✘, ✖, ❌")
_CODE = "1"
_LETTERS = frozenset({*_BESIDE, _IN, _CROSS, _CODE})
_SHORT = 2
_NO_MORE = re.compile(
    r"(?:no|non|nein|nee|nao|nej|nie)(?:\s*[,;:!(]|\s+[-\u2013\u2014]|\s+(?:thank|danke|merci|gracias|grazie|obrigad|bedankt)).*"
)
"""A no followed by more, as in "No, thanks"."""
_CLEAR = re.compile(r"(?![-+]\d)[\w\s.,:;!'\"\u2019_\u2010-\u2014✓✔☑✅-]*")
_WITHOUT_DECIMALS = re.compile(r"^(\d{1,2})[.,]0+$")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b.*")
# How Microsoft Access writes yes, and moments as programs count them.
_YES_OR_MOMENT = re.compile(r"-1|\d{9,13}")


def read_answer(text: str, *, negated: bool, column: frozenset[str] = frozenset()) -> bool | str | None:
    """Return the yes or no of a cell; None if it states nothing, the text if it is unclear.

    `negated`: a yes in the column means no. In such a column a no states nothing: not refusing is not agreeing.
    `column`: the column's `answers_in`, without which a letter that means yes in one language only states nothing.
    """
    if len(text) > _LONGEST:
        return text
    bare = _bare(text)
    word = spelling_key(bare) or bare
    if is_state(text):
        answer: bool | str | None = word in _SUBSCRIBED
    elif negated:
        # In a negated column a letter that may be a yes may be a refusal. A doubt must lose no refusal.
        answer = _refusal(word, bare)
    elif word in _LETTERS:
        read = _letter(word, column)
        answer = text if read is None or not _CLEAR.fullmatch(bare) else read
    else:
        answer = _agreement(word, bare)
    # A mark beside a yes, as in "[ ] yes" or "yes?", can reverse it.
    return text if isinstance(answer, str) or (answer is True and not _CLEAR.fullmatch(bare)) else answer


def answers_in(cells: Iterable[str]) -> frozenset[str]:
    """Return a column's answers that show what a lone letter in it means."""
    bare = (_bare(cell) for cell in set(cells) if cell and len(cell) <= _LONGEST)
    return frozenset(word for one in bare if len(word := spelling_key(one) or one) <= _SHORT or word in _SHOWING)


def doubtful_in(column: frozenset[str]) -> list[str]:
    """Return the letters in a column that may be a yes or something else, so state nothing."""
    return sorted(word.upper() for word in column & _LETTERS if _letter(word, column) is None)


def is_letter(text: str) -> bool:
    """Return whether a cell is a letter, sign or digit that only its column explains."""
    return len(text) <= _LONGEST and spelling_key(_bare(text)) in _LETTERS


def is_state(text: str) -> bool:
    """Return whether a cell states a state, as "unsubscribed", and answers no question."""
    return len(text) <= _LONGEST and spelling_key(text) in _SUBSCRIBED | _UNSUBSCRIBED


def tells_refusals(cells: Iterable[str]) -> bool:
    """Return whether a cell of any column states that a person refused mail or calls."""
    return any(
        len(cell) <= _TELLING_MAX and cell[:2].casefold() in _TELLING_STARTS and spelling_key(cell) in _TELLING
        for cell in set(cells)
    )


def _bare(text: str) -> str:
    return _WITHOUT_DECIMALS.sub(r"\1", text.replace("\ufe0f", "").strip())


def _letter(word: str, column: frozenset[str]) -> bool | None:
    """Return the yes or no of a lone letter in its column; None if both meanings remain."""
    others = column - {word}
    if word in _IN_AND_OUT and column == _IN_AND_OUT:
        return word == _IN
    if word in _BESIDE:
        return True if others & _NO and others <= _BESIDE[word] else None
    if word == _CROSS:
        # A cross beside a tick, or beside an O in Japan and Korea, is a no.
        return None if others & (_YES | _CROSSES) else True
    if word == _CODE:
        return None if any(map(str.isdecimal, others - {"0"})) else True
    return None


def _agreement(word: str, text: str) -> bool | str:
    if word in _YES | _ALLOWED | _AGREED:
        return True
    return False if word in _NO | _DECLINED or _NO_MORE.fullmatch(without_accents(text)) else text


def _refusal(word: str, text: str) -> bool | str | None:
    if word in _NO | _ALLOWED or _is_never(text):
        return None
    # "Unsubscribed at" contains the day on which the person unsubscribed.
    return False if word in _YES or _YES_OR_MOMENT.fullmatch(text) or _is_day(text) else text


def _is_never(text: str) -> bool:
    """Return whether this is a database's way to write "no day", as 0000-00-00."""
    return bool(_DATE.match(text)) and not any(char in "123456789" for char in text)


def _is_day(text: str) -> bool:
    return bool(_DATE.fullmatch(text)) or parse_moment(text, order=DateOrder.DAY_FIRST) is not None
