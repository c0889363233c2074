"""Nurture: what ends it for a lead, and what becomes of a step that is due (contract 3, Nurture)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from pydantic import ValidationError

from schemas.outputs import NurtureAction, Recipient, Rendered
from services.nurture.templates import RenderError, one_line, render
from shared.domain.conditions import Condition, evaluate
from shared.domain.permission import MAILED, Policy, ended, hindrance

SCHEDULED, SENT, SKIPPED, CANCELLED = "scheduled", "sent", "skipped", "cancelled"
_SHOWN = ("company", "contact", "requirements", "score", "source", "status", "assignedTo")
_LOOK_AGAIN = timedelta(seconds=2)
_DAY = timedelta(days=1)
# In the normal case the step before went out a moment after its time, and this one need not wait for that moment.
_SLACK = timedelta(seconds=60)
# Captures are checked far stricter; whatever way it came, what could end a mail's header or name others gets no mail.
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f-\x9f,;:<>\"]+")


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a due step: its new `state`, and `why` in plain words.

    A step to be sent has the action to publish, or None: the one that was decided before holds. One that stays
    scheduled is looked at again at `until`; `due` is its new due time where that moves. `last_sent_at` is when a step
    before a skipped one went out last.
    """

    state: str
    why: str
    action: NurtureAction | None = None
    until: datetime | None = None
    due: datetime | None = None
    last_sent_at: datetime | None = None


def judge(  # noqa: PLR0913 - what a step depends on
    step: Mapping[str, Any],
    lead: Mapping[str, Any] | None,
    previous: Mapping[str, Any] | None,
    now: datetime,
    policy: Policy,
    zone: tzinfo = UTC,
) -> Judged:
    """What becomes of a step that is due, or whose sender was silent until its lease ended. Never raises.

    `previous` is the nearest step before it that wasn't cancelled, if there is one. Dates without a zone are in `zone`.
    A step that can't be read, as one of another version of this program may be, is skipped with the reason.
    """
    try:
        return _judged(step, lead, previous, now, policy, zone)
    except Exception as error:  # noqa: BLE001 - one step harms no other, whatever is stored of it or of its lead
        return Judged(SKIPPED, f"the step can't be read: {fault_in(error)}")


def fault_in(error: Exception) -> str:
    """Return what is wrong with a stored document, in words that hold no value of it."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].removeprefix('Value error, ')}"
    return f"it has no {error}" if isinstance(error, KeyError) else type(error).__name__


def _judged(  # noqa: PLR0913 - what a step depends on
    step: Mapping[str, Any],
    lead: Mapping[str, Any] | None,
    previous: Mapping[str, Any] | None,
    now: datetime,
    policy: Policy,
    zone: tzinfo,
) -> Judged:
    over = ending(lead, policy)
    if lead is None or over:
        return Judged(CANCELLED, f"{over}{'; it may have gone out before' if 'decided' in step else ''}")
    if "decided" in step:
        return Judged(SENT, step["why"])
    judged = _timed(step, previous, now) or _content(step, lead, policy, zone)
    return replace(judged, last_sent_at=_last_sent(previous)) if judged.state == SKIPPED else judged


def ending(lead: Mapping[str, Any] | None, policy: Policy) -> str | None:
    """Why this lead gets no more steps, or None."""
    return "the lead is gone" if lead is None else ended(lead, policy)


def _timed(step: Mapping[str, Any], previous: Mapping[str, Any] | None, now: datetime) -> Judged | None:
    """What the order of steps and the catch-up policy say of a due step; None: now is its time."""
    if previous and previous["state"] == SCHEDULED:
        why = f"the step before it, '{previous['stepId']}', is not through"
        return Judged(SCHEDULED, why, until=_free_at(previous, now) + _LOOK_AGAIN)
    return _too_late(step, now) or _too_soon(step, _last_sent(previous), now)


def _too_late(step: Mapping[str, Any], now: datetime) -> Judged | None:
    late = now - step["dueAt"]
    if step.get("catchUp") != "skip" or late <= timedelta(hours=step["lateAfter"]):
        return None
    limit = spoken(timedelta(hours=step["lateAfter"]))
    return Judged(SKIPPED, f"{spoken(late)} late, and the sequence skips what is more than {limit} late")


def _too_soon(step: Mapping[str, Any], last: datetime | None, now: datetime) -> Judged | None:
    shifts, apart = step.get("catchUp") == "shift", timedelta(seconds=step.get("gap", 0))
    apart = apart if shifts else min(apart, _DAY)
    if last is None or last + apart <= now + _SLACK:
        return None
    why = f"the last step went out late, and this one follows at least {spoken(apart)} after it"
    return Judged(SCHEDULED, why, until=last + apart, due=last + apart if shifts else None)


def _free_at(step: Mapping[str, Any], now: datetime) -> datetime:
    # Who holds a decided step is through with it long before the lease ends; one postponed comes no sooner than that.
    return now if "decidedAt" in step else max(now, step.get("wakeAt", now))


def _last_sent(previous: Mapping[str, Any] | None) -> datetime | None:
    if previous is None:
        return None
    moment: datetime | None = previous["decidedAt"] if previous["state"] == SENT else previous.get("lastSentAt")
    return moment


def spoken(span: timedelta) -> str:
    """A span of time in words, in the largest unit that it fills twice, or once exactly: `3 days`, `36 hours`."""
    seconds = max(0, round(span.total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} s"


def _content(step: Mapping[str, Any], lead: Mapping[str, Any], policy: Policy, zone: tzinfo) -> Judged:
    obstacle = _obstacle(step, lead, policy) or _failed_condition(step, lead, zone)
    if obstacle:
        return Judged(SKIPPED, obstacle)
    try:
        rendered = _rendered(step, lead)
    except RenderError as error:
        return Judged(SKIPPED, f"template '{step['template']}' failed: {error}")
    return Judged(SENT, "all conditions held", _action(step, lead, rendered))


def _obstacle(step: Mapping[str, Any], lead: Mapping[str, Any], policy: Policy) -> str | None:
    if closed := hindrance(step["action"], lead, policy):
        return closed
    if step["action"] in MAILED and not _address(lead.get("contact") or {}):
        return "the lead's e-mail address has what no address may have"
    return None


def _failed_condition(step: Mapping[str, Any], lead: Mapping[str, Any], zone: tzinfo) -> str | None:
    for raw in step["conditions"]:
        try:
            condition = Condition.model_validate(raw, context={"zone": zone})
        except ValidationError as error:
            return f"condition can't be read: {fault_in(error)}"
        evaluation = evaluate(condition, lead)
        if evaluation.fault:
            return f"condition can't be judged: {evaluation.fault}"
        if not evaluation.holds:
            return f"condition does not hold: {condition.field} {condition.operator.value}"
    return None


def _rendered(step: Mapping[str, Any], lead: Mapping[str, Any]) -> Rendered:
    shown = {name: lead.get(name) or ({} if name in _SHOWN[:3] else lead.get(name)) for name in _SHOWN}
    values = {**step["personalization"], "lead": shown, **{name: shown[name] for name in ("company", "contact")}}
    return render(step["source"]["subject"], step["source"]["body"], values)


def _address(contact: Mapping[str, Any]) -> str | None:
    email: str | None = contact.get("email")
    return email if email and _ADDRESS.fullmatch(email) else None


def _action(step: Mapping[str, Any], lead: Mapping[str, Any], rendered: Rendered) -> NurtureAction:
    contact = lead.get("contact") or {}
    name = one_line(" ".join(part for part in (contact.get("firstName"), contact.get("lastName")) if part))
    return NurtureAction(
        action_id=step["_id"],
        lead_id=step["leadId"],
        sequence_id=step["sequenceId"],
        step_id=step["stepId"],
        action=step["action"],
        template=step["template"],
        rendered=rendered,
        to=Recipient(email=_address(contact), phone=one_line(contact.get("phone") or "") or None, name=name or None),
        due_at=step["dueAt"],
    )
