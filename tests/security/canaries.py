"""Canaries: words that stand wherever a person's data or a secret can, and how to see that none of them got out."""

import re
from typing import Any

from schemas.topics import ACTIVITIES, CONVERT, ENGAGEMENTS, QUALIFY, TASKS, UPDATE, Topic
from services.gateway.auth.domain.users import COOKIE
from tests.builders import data
from tests.faults.malformed import CANARY
from tests.gateway import Answer

BIRD = "zyzzyva"
EMAIL, PHONE = f"{BIRD}.mail@example.com", "+13125559876"
KEY, PASSWORD = f"{BIRD}KeyOfTheShop0123456789", f"{BIRD} battery staple"
QUOTED = re.compile(rf"{BIRD}|{CANARY}|312\D?555\D?9876", re.IGNORECASE)
LOGGED = re.compile(rf"{QUOTED.pattern}|\w@\w", re.IGNORECASE)
"""A canary, or any address at all: no log has a reason to hold one."""
SECRETS = {"PANTRY_GATEWAY_SECRET": f"{BIRD}-gateway-secret", "PANTRY_ERASURE_PEPPER": f"{BIRD}-pepper"}

JSON, FORM, CSV, LINES = "application/json", "application/x-www-form-urlencoded", "text/csv", "application/x-ndjson"


def clean(name: str, text: str, never: re.Pattern[str] = LOGGED) -> None:
    """Fail with the lines that a canary stands in."""
    lines = [line for line in text.splitlines() if never.search(line)]
    assert not lines, f"{name} leaks in {len(lines)} lines:\n" + "\n".join(line[:600] for line in lines[:12])


def quotes_nothing(told: str, answer: Answer) -> None:
    """An answer says nothing of what was asked, in its body or its headers."""
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    clean(f"the answer to {told}", f"{answer.text}\n{headers}", QUOTED)


def person(number: int, word: str = BIRD) -> dict[str, Any]:
    """A capture with a canary in each field that takes one."""
    return data(
        EMAIL.replace("mail", f"mail{number}"),
        PHONE,
        {"name": f"{BIRD} Bistro {number}", "industry": f"{BIRD} restaurant", "website": f"https://{BIRD}.example"},
        first=f"{BIRD}first",
        last=f"{BIRD}last",
        contact={"title": f"{BIRD} director"},
        requirements={"timeline": f"{BIRD} soon", "currentSolution": f"{BIRD} fax", "painPoints": [word]},
        context={f"{BIRD}Field": f"{BIRD} hall 7", "notes": [f"{BIRD} said"]},
    )


def about(lead: str, word: str = BIRD) -> dict[Topic, dict[str, Any]]:
    """What can be said of a lead, with `word` in every text."""
    by = {"leadId": lead, "requestedBy": word}
    done = {"type": "call", "description": word, "outcome": word, "createdBy": word}
    return {
        ACTIVITIES: {"leadId": lead, "activity": done},
        ENGAGEMENTS: {"leadId": lead, "action": word, "metadata": {word: word}},
        QUALIFY: {**by, "requirements": {"currentSolution": word, "painPoints": [word]}},
        UPDATE: {**by, "assignedTo": word, "reason": word},
        TASKS: {**by, "action": "create", "kind": "call", "title": word, "assignedTo": word},
        CONVERT: {**by, "opportunity": {"name": word, "stage": word, word: word}},
    }


_BY_NOBODY: dict[str, Any] = {"key": None}
_OUR_PAGE: dict[str, Any] = {"key": None, "media": FORM, "ours": True}
WRONG_CALLS: tuple[tuple[str, str, Any, dict[str, Any]], ...] = (
    ("POST", "/v1/leads", {"source": BIRD, "company": {BIRD: BIRD}, "contact": {"email": BIRD}, BIRD: BIRD}, {}),
    ("POST", "/v1/leads", person(1) | {"context": {f"{BIRD}.dot": 1}}, {}),
    ("POST", "/v1/leads", person(1) | {"consent": {"email": BIRD, "capturedAt": BIRD}}, {}),
    ("POST", "/v1/leads", f'{{"{BIRD}": {BIRD}'.encode(), {}),
    ("POST", "/v1/leads", [BIRD], {}),
    ("POST", "/v1/leads", f"{BIRD}={BIRD}&contact.email={BIRD}".encode(), {"media": FORM}),
    ("POST", "/v1/leads", f"_key={BIRD}&contact.email={EMAIL}".encode(), {**_BY_NOBODY, "media": FORM}),
    ("POST", "/v1/leads", BIRD.encode(), {"media": f"text/{BIRD}"}),
    ("POST", "/v1/leads", person(1), {"Idempotency_Key": f"{BIRD} with spaces"}),
    ("POST", "/v1/leads", person(1), {"key": f"kps_shop_{BIRD}"}),
    ("POST", "/v1/leads", person(1), {"key": f"kps_{BIRD}_{BIRD}"}),
    ("POST", "/v1/leads", person(1), {"key": EMAIL}),
    ("POST", "/v1/leads", person(1), {**_BY_NOBODY, "Cookie": f"{COOKIE}={BIRD}", "Origin": f"https://{BIRD}.example"}),
    ("POST", "/v1/leads", person(1) | {"requirements": {"timeline": BIRD * 10_000}}, {}),
    ("POST", "/v1/scans", BIRD.encode(), {"media": f"text/{BIRD}"}),
    ("POST", "/v1/activities", {"email": BIRD, "activity": {"type": BIRD, "scheduledAt": BIRD}}, {}),
    ("POST", "/v1/engagements", {"metadata": BIRD, "action": [BIRD]}, {}),
    ("POST", f"/v1/leads/{BIRD}@x.example/qualify", {"requirements": BIRD, "bant": BIRD}, {}),
    ("POST", f"/v1/leads/{BIRD}@x.example/convert", {"opportunity": {"currency": BIRD, "closeDate": BIRD}}, {}),
    ("PATCH", f"/v1/leads/{BIRD}@x.example", {"status": BIRD}, {}),
    ("POST", "/v1/tasks", {"leadId": BIRD, "kind": BIRD, "title": BIRD, "dueAt": BIRD}, {}),
    ("PATCH", f"/v1/tasks/{BIRD}@x.example", {"action": "complete", "outcome": BIRD}, {}),
    ("PATCH", f"/v1/tasks/{BIRD}", {"action": BIRD, "until": BIRD}, {}),
    ("GET", f"/v1/tasks?assignedTo={BIRD}&due={BIRD}&cursor={BIRD}", None, {}),
    ("GET", f"/v1/leads/{BIRD}@x.example", None, {}),
    ("GET", f"/v1/leads/{BIRD}@x.example/timeline?cursor={BIRD}", None, {}),
    ("GET", f"/v1/leads?status={BIRD}&minScore={BIRD}&cursor={BIRD}&{BIRD}@x.example={BIRD}", None, {}),
    ("GET", f"/v1/analytics/leads?timeframe={BIRD}", None, {}),
    ("GET", f"/v1/analytics/conversions?timeframe={BIRD}", None, {}),
    ("POST", f"/v1/deadletters/{BIRD}/replay", None, {}),
    ("GET", f"/v1/forms/{BIRD}", None, _BY_NOBODY),
    ("GET", f"/{BIRD}/{BIRD}@x.example?{BIRD}={BIRD}", None, _BY_NOBODY),
    (BIRD.upper(), f"/{BIRD}", None, {**_BY_NOBODY, "X_Request_Id": f"{BIRD}@x"}),
    ("POST", "/signin", f"name={EMAIL}&password={PASSWORD}".encode(), _OUR_PAGE),
    ("POST", "/signin", f"name=kim&password={BIRD}".encode(), _OUR_PAGE),
    ("POST", "/signin", f"token={BIRD}".encode(), _OUR_PAGE),
    ("GET", f"/signin?token={BIRD}", None, _BY_NOBODY),
    ("POST", "/v1/webhooks/mailer", [{"email": EMAIL}], {**_BY_NOBODY, "Webhook_Id": BIRD, "Webhook_Signature": BIRD}),
    ("POST", f"/v1/webhooks/{BIRD}", [{"email": EMAIL}], _BY_NOBODY),
)
"""Method, path, body and more of each request that the gateway is to refuse."""
