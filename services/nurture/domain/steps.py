"""Steps of nurture: when nurture ends for a lead, and the decision on a due step.

The rules are in schemas/README.md#nurture.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

from pydantic import ValidationError

from schemas.outputs import NurtureAction, Recipient, Rendered
from services.nurture.domain.templates import RenderError, one_line, render
from shared.domain.consent.contact_permission import MAILED, ConsentPolicy, ended, hindrance
from shared.domain.identity.normal_forms import given_only
from shared.domain.rules.conditions import Condition, evaluate_condition
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import StepDocument

SCHEDULED, SENT, SKIPPED, CANCELLED = "scheduled", "sent", "skipped", "cancelled"
_LOOK_AGAIN = timedelta(seconds=2)
_DAY = timedelta(days=1)
# Normally the previous step went out a moment after its time: this step ignores so small a delay.
_SLACK = timedelta(seconds=60)
# A last check before mail: the address can't end a header or add recipients, whichever way it came in.
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f-\x9f,;:<>\"]+")


@dataclass(frozen=True, slots=True)
class StepDecision:
    """The decision on a due step: its new `state`, and `why` in plain words.

    A step to send has the action to publish, or None if an earlier decision has it. A step that stays scheduled is
    decided again at `until`; `due` is its new due time, if it moves. `last_sent_at` of a skipped step is the time of
    the last step that was sent before it.
    """

    state: str
    why: str
    action: NurtureAction | None = None
    until: datetime | None = None
    due: datetime | None = None
    last_sent_at: datetime | None = None


def decide_step(  # noqa: PLR0913 - what a step depends on
    step: StepDocument,
    lead: LeadDocument | None,
    previous: StepDocument | None,
    now: datetime,
    policy: ConsentPolicy,
    zone: tzinfo = UTC,
) -> StepDecision:
    """Decide on a step that is due, or whose lease has ended. Never raises.

    `previous` is the nearest earlier step that wasn't cancelled. Dates without a zone are in `zone`. A step that can't
    be read, perhaps of another release, is skipped with the reason.
    """
    try:
        return _decide(step, lead, previous, now, policy, zone)
    except Exception as error:  # noqa: BLE001 - one step harms no other, whatever is stored of it or of its lead
        return StepDecision(SKIPPED, f"the step can't be read: {fault_in(error)}")


def fault_in(error: Exception) -> str:
    """Return what is wrong with a stored document, without any of its values."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].removeprefix('Value error, ')}"
    return f"it has no {error}" if isinstance(error, KeyError) else type(error).__name__


def _decide(  # noqa: PLR0913 - what a step depends on
    step: StepDocument,
    lead: LeadDocument | None,
    previous: StepDocument | None,
    now: datetime,
    policy: ConsentPolicy,
    zone: tzinfo,
) -> StepDecision:
    over = reason_to_end(lead, policy)
    if lead is None or over:
        return StepDecision(CANCELLED, f"{over}{'; it may have gone out before' if 'decided' in step else ''}")
    if "decided" in step:
        return StepDecision(SENT, step["why"])
    decision = _decide_time(step, previous, now) or _decide_content(step, lead, policy, zone)
    return replace(decision, last_sent_at=_last_sent(previous)) if decision.state == SKIPPED else decision


def reason_to_end(lead: LeadDocument | None, policy: ConsentPolicy) -> str | None:
    """Return why this lead gets no more steps; None if it does."""
    return "the lead is gone" if lead is None else ended(lead, policy)


def _decide_time(step: StepDocument, previous: StepDocument | None, now: datetime) -> StepDecision | None:
    """Decide on a due step by the order of steps and by catch-up; None: it can go now."""
    if previous and previous["state"] == SCHEDULED:
        why = f"the step before it, '{previous['stepId']}', is not through"
        return StepDecision(SCHEDULED, why, until=_free_at(previous, now) + _LOOK_AGAIN)
    return _too_late(step, now) or _too_soon(step, _last_sent(previous), now)


def _too_late(step: StepDocument, now: datetime) -> StepDecision | None:
    late = now - step["dueAt"]
    if step.get("catchUp") != "skip" or late <= timedelta(hours=step["lateAfter"]):
        return None
    limit = humanize(timedelta(hours=step["lateAfter"]))
    return StepDecision(SKIPPED, f"{humanize(late)} late, and the sequence skips what is more than {limit} late")


def _too_soon(step: StepDocument, last: datetime | None, now: datetime) -> StepDecision | None:
    shifts, apart = step.get("catchUp") == "shift", timedelta(seconds=step.get("gap", 0))
    apart = apart if shifts else min(apart, _DAY)
    if last is None or last + apart <= now + _SLACK:
        return None
    why = f"the last step went out late, and this one follows at least {humanize(apart)} after it"
    return StepDecision(SCHEDULED, why, until=last + apart, due=last + apart if shifts else None)


def _free_at(step: StepDocument, now: datetime) -> datetime:
    # A process sends its decided step long before the lease ends. A postponed step waits until `wakeAt`.
    return now if "decidedAt" in step else max(now, step.get("wakeAt", now))


def _last_sent(previous: StepDocument | None) -> datetime | None:
    if previous is None:
        return None
    return previous["decidedAt"] if previous["state"] == SENT else previous.get("lastSentAt")


def humanize(span: timedelta) -> str:
    """Return a span in words, such as `3 days` or `36 hours`.

    The unit is the largest that fits twice, or once exactly.
    """
    seconds = max(0, round(span.total_seconds()))
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} s"


def _decide_content(step: StepDocument, lead: LeadDocument, policy: ConsentPolicy, zone: tzinfo) -> StepDecision:
    obstacle = _obstacle(step, lead, policy) or _failed_condition(step, lead, zone)
    if obstacle:
        return StepDecision(SKIPPED, obstacle)
    try:
        rendered = _render(step, lead)
    except RenderError as error:
        return StepDecision(SKIPPED, f"template '{step['template']}' failed: {error}")
    return StepDecision(SENT, "all conditions held", _action(step, lead, rendered))


def _obstacle(step: StepDocument, lead: LeadDocument, policy: ConsentPolicy) -> str | None:
    if closed := hindrance(step["action"], lead, policy):
        return closed
    if step["action"] in MAILED and not _checked_address((lead.get("contact") or {}).get("email")):
        return "the lead's e-mail address has what no address may have"
    return None


def _failed_condition(step: StepDocument, lead: LeadDocument, zone: tzinfo) -> str | None:
    for raw in step["conditions"]:
        try:
            condition = Condition.model_validate(raw, context={"zone": zone})
        except ValidationError as error:
            return f"condition can't be read: {fault_in(error)}"
        evaluation = evaluate_condition(condition, lead)
        if evaluation.fault:
            return f"condition can't be judged: {evaluation.fault}"
        if not evaluation.holds:
            return f"condition does not hold: {condition.field} {condition.operator.value}"
    return None


def _render(step: StepDocument, lead: LeadDocument) -> Rendered:
    company, contact = given_only(lead.get("company")), given_only(lead.get("contact"))
    requirements = given_only(lead.get("requirements"))
    own = {name: lead.get(name) for name in ("score", "source", "status", "assignedTo")}
    parts = {"company": company, "contact": contact, "attributes": lead.get("attributes") or {}}
    values = {**step["personalization"], "lead": {**parts, "requirements": requirements, **own}, **parts}
    return render(step["source"]["subject"], step["source"]["body"], values)


def _checked_address(email: str | None) -> str | None:
    return email if email and _ADDRESS.fullmatch(email) else None


def _action(step: StepDocument, lead: LeadDocument, rendered: Rendered) -> NurtureAction:
    contact = given_only(lead.get("contact"))
    name = one_line(" ".join(part for part in (contact.get("firstName"), contact.get("lastName")) if part))
    return NurtureAction(
        action_id=step["_id"],
        lead_id=step["leadId"],
        sequence_id=step["sequenceId"],
        step_id=step["stepId"],
        action=step["action"],
        template=step["template"],
        rendered=rendered,
        to=Recipient(
            email=_checked_address(contact.get("email")),
            phone=one_line(contact.get("phone") or "") or None,
            name=name or None,
        ),
        due_at=step["dueAt"],
    )
