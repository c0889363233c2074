"""Recognise column names about consent, in seven languages and some words of others. Pure."""

import re

from services.ingest.domain.columns.header_names import known_headers
from services.ingest.domain.columns.header_text import clean_header, header_key

_WORDS = frozenset(
    "opt opts optin optins optout opted opting optedin optedout gdpr dsgvo rgpd lgpd ccpa privacy dnc donotcall"
    " donotcontact donotemail donotmail permission permissions mailinglist abgemeldet abmeldung publicite prospection"
    " rodo izin onay baja publicidad uitgeschreven reclame acepto aceito accetto".split()
)
_BEGINNINGS = tuple(
    "consent subscrib unsub newsletter suppress blocklist blacklist einwillig einverstand zustimm datenschutz werbung"
    " abbestell widerspruch widerruf abonn desinscri desabonn demarch suscri desuscri boletin descadastr consens"
    " disiscri toestemming nieuwsbrief afgemeld zgod wypisan souhlas suhlas odhlas samtyck samtykk avregistr suostum"
    " hozzajarul leiratkoz соглас отпис рассыл".split()
)
_REACH = (
    r"(?:e ?-?mail(?:s|ed)?|mails|call(?:s|ed)?|phoned?|contact(?:ed)?|solicit|market(?:ed|ing)?|anruf(?:e|en)?|werbung"
    r"|kontaktieren|appeler|contacter|llamar|contactar|correos?|ligar|contatar|chiamare|contattare|bellen|mailen)"
)
_PHRASES = re.compile(
    rf"\b(?:do ?n[o']t|do not|nicht|ne pas) (?:.{{0,30}} )?{_REACH}\b"
    rf"|^(?:no|keine?|pas d[e']|nao|non|geen|niet) (?!of\b)(?:.{{0,30}} )?{_REACH}\b"
    r"|\bmarketing (?:e ?-?mails?|opt|ok|allowed|contact|communications?|materials?|pref\w{0,9}|status)\b|^marketing$"
    r"|\bmailing list\b|\b(?:(?:may|can) we|ok(?:ay)? to) (?:call|contact|e ?-?mail|write)\b"
    r"|\b(?:i|we) (?:agree|accept)\b|\baccepts? (?:(?:the )?terms|e ?-?mails?|calls|marketing)\b"
    r"|\bich stimme\b|\bj'accepte\b"
    r"|\b(?:receive|send me|get) .{0,40}\b(?:e ?-?mails?|news|updates|offers)\b|\bkeep me (?:informed|posted|updated)\b"
)


def speaks_of_consent(header: str) -> bool:
    """Return whether a column of this name may state consent."""
    text = clean_header(header)
    if header_key(text) in known_headers().elsewhere:
        return False
    words = re.findall(r"\w+", text)
    known = any(word in _WORDS or word.startswith(_BEGINNINGS) for word in words)
    return known or _PHRASES.search(text) is not None
