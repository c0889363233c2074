"""The words of dates and times in seven languages. Pure.

They are English, German, French, Spanish, Portuguese, Italian and Dutch, without case and accents. Abbreviations count
where they mean one thing.
"""

from collections.abc import Iterator

_MONTHS = (
    "january januar janner janvier enero janeiro gennaio januari",
    "february februar feber fevrier febrero fevereiro febbraio februari",
    "march marz maerz mrz mars marzo marco maart mrt",
    "april avril abril aprile",
    "may mai mayo maio maggio mei",
    "june juni juin junio junho giugno",
    "july juli juillet julio julho luglio",
    "august aout agosto augustus",
    "september septembre septiembre setiembre setembro settembre",
    "october oktober octobre octubre outubro ottobre",
    "november novembre noviembre novembro",
    "december dezember decembre diciembre dezembro dicembre",
)
_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday"
    " montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag"
    " lundi mardi mercredi jeudi vendredi samedi dimanche"
    " lunes martes miercoles jueves viernes sabado domingo"
    " segunda terca quarta quinta sexta feira"
    " lunedi martedi mercoledi giovedi venerdi sabato domenica"
    " maandag dinsdag woensdag donderdag vrijdag zaterdag zondag"
)


def _beginnings(words: str, least: int) -> Iterator[str]:
    for word in words.split():
        yield from (word[:end] for end in range(least, len(word) + 1))


def _months() -> dict[str, int]:
    found: dict[str, set[int]] = {}
    for number, words in enumerate(_MONTHS, 1):
        for word in _beginnings(words, 3):
            found.setdefault(word, set()).add(number)
    return {word: numbers.pop() for word, numbers in found.items() if len(numbers) == 1}


MONTHS = _months()
"""The number of a month by its name or an unambiguous abbreviation."""
WEEKDAYS = frozenset(_beginnings(_WEEKDAYS, 2))
FILLERS = frozenset("de del of the at um a as las los alle ore om le el il den on op".split())
"""Words between the parts of a date: "16 de mayo de 2026 a las 14:30"."""
_ZONES = (
    "z=0 utc=0 gmt=0 wet=0 est=-5 edt=-4 cst=-6 cdt=-5 mst=-7 mdt=-6 pst=-8 pdt=-7 akst=-9 akdt=-8 hst=-10"
    " bst=1 west=1 cet=1 mez=1 cest=2 mesz=2 eet=2 eest=3"
)
ZONES = {name: int(hours) for name, _, hours in (one.partition("=") for one in _ZONES.split())}
"""Hours ahead of UTC; ambiguous names have their American or European meaning."""
