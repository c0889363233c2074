"""Timeline sentences: one per event that touched a lead. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from schemas import topics
from schemas.edits import ATTRIBUTE
from shared.domain.stored.insights_documents import ChangedValue, CommandedConsent, TimelineDetails

_PATHS = {
    "status": "Status",
    "assignedTo": "Owner",
    "lostReason": "Reason of loss",
    "consent.email": "Consent to e-mail",
    "consent.phone": "Consent to calls",
    "company.name": "Company",
    "company.industry": "Industry",
    "company.size": "Company size",
    "company.website": "Website",
    "company.annualRevenue": "Annual revenue",
    "company.address.street": "Street",
    "company.address.city": "City",
    "company.address.region": "Region",
    "company.address.postalCode": "Postal code",
    "company.address.country": "Country",
    "contact.firstName": "First name",
    "contact.lastName": "Last name",
    "contact.title": "Title",
    "contact.email": "E-mail",
    "contact.phone": "Phone",
    "contact.timeZone": "Time zone",
    "requirements.budget": "Budget",
    "requirements.timeline": "Timeline",
    "requirements.decisionMakers": "Decision makers",
    "requirements.currentSolution": "Current solution",
    "requirements.painPoints": "Pain points",
}
_METHODS = {"bant": "BANT", "progressive": "requirements"}
_PLACES = {
    "leads.qualify": "Qualify",
    "leads.update": "Change",
    "leads.tasks": "Task",
    "leads.convert": "Convert",
    "leads.erase": "Erase",
}
_KINDS = {"call": "Call", "email": "E-mail", "meeting": "Meeting", "todo": "To-do"}
_A_KIND = {"call": "a call", "email": "an e-mail", "meeting": "a meeting", "todo": "a to-do"}
_TASK_ACTIONS = {
    "complete": "completed a task",
    "snooze": "put a task off",
    "cancel": "cancelled a task",
}


class SpokenWords(TypedDict, total=False):
    """The words of an activity or a task. The row of its event does not keep them."""

    description: str
    outcome: str


class EventDetails(TimelineDetails, SpokenWords):
    """A row's details, and the words of its activity or task."""


def sentence_for(topic: str, details: EventDetails) -> str:
    """Return the sentence for an event of this topic."""
    say = _SENTENCES.get(topic)
    return say(details) if say else topic


def _words(word: str) -> str:
    return word.replace("_", " ")


def _activity(details: EventDetails) -> str:
    said = _said(details)
    state = f" {details['state']}" if details.get("state") in ("planned", "cancelled") else ""
    return f"{_words(details['type']).capitalize()}{state} by {details['createdBy']}{said}"


def _update(details: EventDetails) -> str:
    wanted = [f"status {details['status']}"] if "status" in details else []
    wanted += [f"owner {details['assignedTo']}"] if "assignedTo" in details else []
    asked = [f"asked for {_listed(wanted)}"] if wanted else []
    edited = [f"edited {_listed([_label(one) for one in details['edits']])}"] if "edits" in details else []
    noted = ["added a note"] if details.get("noted") else []
    stated = [_stated(details["consent"])] if "consent" in details else []
    return f"{details['requestedBy']} {_listed([*asked, *edited, *noted, *stated])}"


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def _stated(consent: CommandedConsent) -> str:
    what = "e-mail" if consent["channel"] == "email" else "calls"
    return f"recorded consent to {what} as {_value(consent['given'])}"


def _merged(details: EventDetails) -> str:
    on = ", ".join(_words(one) for one in details["matchedOn"])
    filled = f"; added {', '.join(details['filled'])}" if details.get("filled") else ""
    return f"Captured again, matched by {on}{filled}"


def _scored(details: EventDetails) -> str:
    before = details.get("previousScore")
    change = "" if before is None else f" (was {before})"
    return f"Scored {details['score']}{change}: {_words(details['reason'])}"


def _updated(details: EventDetails) -> str:
    changes = [f"{_label(one['path'])} {_change(one)}" for one in details["changed"]]
    why = f": {_words(details['reason'])}" if details.get("reason") else ""
    return f"{'; '.join(changes)}{why}"


def _label(path: str) -> str:
    """Return a path in words: a declaration may change, so an attribute has those of its name."""
    if not path.startswith(ATTRIBUTE):
        return _PATHS.get(path, path)
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", path.removeprefix(ATTRIBUTE)).capitalize()


def _change(one: ChangedValue) -> str:
    say = _attribute if one["path"].startswith(ATTRIBUTE) else _value
    before, after = one.get("from"), one.get("to")
    if before is not None and after is None:
        return f"{say(before)} removed"
    return f"is now {say(after)}" if before is None else f"{say(before)} → {say(after)}"


def _attribute(value: object) -> str:
    return "yes" if value is True else "no" if value is False else _words(_value(value))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "given" if value else "refused"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _judged(verdict: str) -> Callable[[EventDetails], str]:
    def say(details: EventDetails) -> str:
        score = f", score {details['bantScore']}" if "bantScore" in details else ""
        return f"{verdict} by {_METHODS[details['method']]}{score}"

    return say


def _enrolled(details: EventDetails) -> str:
    steps = details["steps"]
    return f"Entered nurture sequence {details['sequenceId']} ({steps} step{'' if steps == 1 else 's'})"


def _qualify(details: EventDetails) -> str:
    how = "BANT" if details["method"] == "bant" else "requirements"
    return f"{details['requestedBy']} asked to qualify by {how}"


def _task_command(details: EventDetails) -> str:
    who, said, action = details["requestedBy"], _said(details), details["action"]
    if action == "create":
        return f"{who} planned {_A_KIND[details['type']]}{said}"
    if action == "reassign":
        return f"{who} gave a task to {details['assignedTo']}{said}"
    return f"{who} {_TASK_ACTIONS[action]}{said}"


def _task_created(details: EventDetails) -> str:
    return f"{_KINDS[details['type']]} planned by {_who(details)}, {_for_whom(details)}{_said(details)}"


def _task_updated(details: EventDetails) -> str:
    kind, said = _KINDS[details["type"]], _said(details)
    if details["state"] == "open":
        return f"{kind} changed by {_who(details)}, {_for_whom(details)}{said}"
    how = f" ({details['outcome']})" if details.get("outcome") else ""
    return f"{kind} {details['state']} by {_who(details)}{said}{how}"


def _said(details: EventDetails) -> str:
    return f": {details['description']}" if "description" in details else ""


def _for_whom(details: EventDetails) -> str:
    return f"for {details['assignedTo']}" if "assignedTo" in details else "for nobody yet"


def _who(details: EventDetails) -> str:
    return details["by"].removeprefix("/services/")


def _rejected(details: EventDetails) -> str:
    return f"{_PLACES.get(details['command'], details['command'])} rejected: {details['detail']}"


def _suspected(details: EventDetails) -> str:
    return f"Looks like another lead: {', '.join(map(_reason, details['reasons']))}"


def _reason(word: str) -> str:
    what, _, how = word.rpartition("_")
    return f"{how} {what.replace('email', 'e-mail')}"


_SENTENCES: Mapping[str, Callable[[EventDetails], str]] = {
    topics.CAPTURED.name: lambda d: f"Captured via {_words(d['source'])}",
    topics.ACTIVITIES.name: _activity,
    topics.ENGAGEMENTS.name: lambda d: f"The lead {_words(d['action'])}",
    topics.QUALIFY.name: _qualify,
    topics.UPDATE.name: _update,
    topics.TASKS.name: _task_command,
    topics.CONVERT.name: lambda d: f"{d['requestedBy']} asked to convert",
    topics.CREATED.name: lambda _: "Lead created",
    topics.MERGED.name: _merged,
    topics.SCORED.name: _scored,
    topics.RESCORE.name: lambda d: f"Rescoring requested: {_words(d['reason'])}",
    topics.UPDATED.name: _updated,
    topics.ASSIGNED.name: lambda d: f"Assigned to {d['assignedTo']} by rule {d['rule']}",
    topics.TRIGGERED.name: lambda d: f"Trigger {_words(d['trigger'])} by {_words(d['action'])}",
    topics.QUALIFIED.name: _judged("Qualified"),
    topics.DISQUALIFIED.name: _judged("Disqualified"),
    topics.ENROLLED.name: _enrolled,
    topics.ACTIONS.name: lambda d: f"{_words(d['action']).capitalize()} due: step {d['stepId']} of {d['sequenceId']}",
    topics.TASK_CREATED.name: _task_created,
    topics.TASK_UPDATED.name: _task_updated,
    topics.CONVERTED.name: lambda d: f"Converted to opportunity {d['opportunityId']}",
    topics.REJECTED.name: _rejected,
    topics.SUSPECTED.name: _suspected,
}
