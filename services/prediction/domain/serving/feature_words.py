"""Words for a feature with its value, and the actions to recommend for it. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from services.prediction.domain.learning.features import Value

_Say = Callable[[Any], str]  # a feature's value: each feature has its own type
"""`Any`: the values of one feature have one type, which its function knows."""


def _counted(one: str, none: str, many: str | None = None) -> _Say:
    def say(value: float | None) -> str:
        number = round(value or 0)
        return none if number == 0 else f"{one} once" if number == 1 else f"{many or one} {number} times"

    return say


def _days(phrase: str, never: str) -> _Say:
    def say(value: float | None) -> str:
        if value is None:
            return never
        days = round(value)
        return phrase.format("today" if days == 0 else "a day ago" if days == 1 else f"{days} days ago")

    return say


def _known(phrase: str, unknown: str) -> _Say:
    return lambda value: unknown if value is None else phrase.format(str(value).replace("_", " "))


def _done(kind: str) -> _Say:
    return lambda value: (
        f"no {kind} yet" if not value else f"one {kind}" if round(value) == 1 else f"{value:.0f} {kind}s"
    )


_PHRASES: Mapping[str, _Say] = {
    "score": lambda value: f"score {value or 0:.0f} of 100",
    "facts": lambda value: f"{value or 0:.0%} of the company's facts known",
    "source": _known("came by {}", "unknown source"),
    "industry": _known("industry {}", "industry not known"),
    "size": _known("a {} company", "company size not known"),
    "revenue": lambda value: "revenue not known" if value is None else f"annual revenue of about {10**value:,.0f}",
    "role": _known("contact's role: {}", "contact's title not known"),
    "hasPhone": lambda value: "phone number known" if value == "yes" else "no phone number",
    "mail": _known("{} e-mail address", "no e-mail address"),
    "hasWebsite": lambda value: "website known" if value == "yes" else "no website",
    "campaign": _known("campaign {}", "no campaign"),
    "captures": _counted("captured", "never captured"),
    "channels": lambda value: f"came by {value:.0f} channels" if value and value > 1 else "came by one channel",
    "weekday": _known("captured on a {}", "day of capture not known"),
    "hour": lambda value: f"captured at {value or 0:02.0f}:00 UTC",
    "ageDays": _days("first known {}", "age not known"),
    "daysSinceCapture": _days("last captured {}", "last capture not known"),
    "daysSinceEngagement": _days("last engaged {}", "never engaged with mail or site"),
    "clickedPricing": _counted("looked at pricing", "never looked at pricing"),
    "downloadedWhitepaper": _counted("downloaded a whitepaper", "no whitepaper downloaded"),
    "visitedMultiplePages": _counted("visited several pages", "never visited several pages"),
    "openedEmail": _counted("opened an e-mail", "no e-mail opened", "opened e-mails"),
    "otherEngagements": _counted("engaged otherwise", "no other engagement"),
    "salesEmails": _done("e-mail by sales"),
    "salesCalls": _done("call"),
    "salesMeetings": _done("meeting"),
    "demos": _done("demo"),
    "proposals": _done("proposal"),
    "daysSinceContact": _days("sales were last in touch {}", "sales were never in touch"),
}

_ACTIONS: Mapping[str, str] = {
    "daysSinceContact": "call",
    "salesCalls": "call",
    "salesMeetings": "arrange_a_meeting",
    "demos": "offer_a_demo",
    "proposals": "send_a_proposal",
    "salesEmails": "write_an_email",
    "hasPhone": "ask_for_the_phone_number",
    "hasWebsite": "find_the_website",
    "mail": "ask_for_a_work_email_address",
    "size": "find_out_the_company_size",
    "industry": "find_out_the_industry",
    "revenue": "find_out_the_revenue",
    "role": "find_out_who_decides",
    "daysSinceEngagement": "send_something_worth_reading",
    "clickedPricing": "send_pricing",
    "downloadedWhitepaper": "send_a_whitepaper",
    "visitedMultiplePages": "send_something_worth_reading",
    "openedEmail": "write_an_email",
}
"""The action that may improve a feature that speaks against a lead."""
_WHILE_WARM: Mapping[str, str] = {
    "clickedPricing": "send_a_proposal",
    "demos": "send_a_proposal",
    "salesMeetings": "offer_a_demo",
    "daysSinceEngagement": "call",
}
"""The action to take soon for a feature that speaks for a lead."""
_ACTIONS_MAX = 3


def phrase(feature: str, value: Value) -> str:
    """Return a feature's value in words. Features of other tables keep their own names."""
    say = _PHRASES.get(feature)
    return say(value) if say else f"{feature}: {'none' if value is None else value}"


def recommend_actions(weighted: Iterable[tuple[str, float, Value]]) -> list[str]:
    """Return recommended actions for a prediction's features, strongest first."""
    found = []
    for feature, weight, value in sorted(weighted, key=lambda one: -abs(one[1])):
        known = value not in (None, 0.0, "no", "free")
        if weight > 0 and known and feature in _WHILE_WARM:
            found.append(_WHILE_WARM[feature])
        elif weight < 0 and feature in _ACTIONS and not _is_settled(feature, value):
            found.append(_ACTIONS[feature])
    return list(dict.fromkeys(found))[:_ACTIONS_MAX]


def _is_settled(feature: str, value: Value) -> bool:
    # A company's type can't be changed, but an unknown type can be found out.
    return feature in ("size", "industry", "revenue", "role", "hasPhone", "hasWebsite", "mail") and value not in (
        *(None, "no", "free"),
    )
