"""What the canaries' test feeds to a running system, and how it waits for what comes of it."""

import re
from pathlib import Path
from typing import Any

import aiohttp

from schemas.topics import CAPTURED, ERASE
from services.gateway.auth import key_store, user_store
from services.gateway.auth.domain import key_lifecycle, principals, users
from services.gateway.auth.domain.principals import KeyKind, Scope
from services.gateway.auth.domain.users import Role
from services.gateway.auth.passwords import hash_of
from shared.clock import system_clock
from shared.mongo import names
from tests.builders import event
from tests.faults.malformed import CANARY, INPUTS, malformed
from tests.gateway import Caller
from tests.harness import Bench, lead_id, until
from tests.security.canaries import BIRD, CSV, EMAIL, FORM, KEY, PASSWORD, WRONG_CALLS, about, person, quotes_nothing

MALFORMED = 400
# Malformed records are made from the examples of the schemas, in which these stand for a person's data.
_PERSONAL = re.compile(rb"(?<=: \")(ana|blue|sam|talked|asked|clicked|chose|privacy)[^\"]*", re.IGNORECASE)


async def seed_secrets(on: Bench) -> dict[str, str]:
    """Keys and a person whose secrets are canaries; the keys, as their owners have them."""
    now = system_clock()
    shop = key_lifecycle.new_key("shop", KeyKind.SERVER, KEY, now, scopes=tuple(Scope))
    form = key_lifecycle.new_key("spring", KeyKind.FORM, KEY, now, origins=("https://blue.example",), title="Taste")
    for one in (shop, form, key_lifecycle.new_key("mailer", KeyKind.WEBHOOK, "1", now)):
        assert await key_store.create_key(on.storage, one)
    assert await user_store.create_user(on.storage, users.new_user("kim", Role.ADMIN, hash_of(PASSWORD), now))
    return {
        "shop": principals.format_key(KeyKind.SERVER, "shop", KEY),
        "form": principals.format_key(KeyKind.FORM, "spring", KEY),
    }


async def feed(on: Bench) -> None:
    """Everything as it should be, of a known lead and of none; as a handler's trap; and all that is malformed."""
    ids = [f"{BIRD}-{number}@example.com" for number in range(3)]
    await on.publish([event(person(number), event_id=id_) for number, id_ in enumerate(ids)])
    await until_stored(on, names.LEADS, 3)
    lead, trap = lead_id(ids[0]), f"{BIRD} trap"
    # What comes now ends the lead: it is to have had its first message.
    await until_stored(on, names.STEPS, 1, {"leadId": lead, "decided": {"$exists": True}})
    for topic, payload in about(lead).items():
        await on.publish([event(payload, topic, event_id=f"{BIRD} {topic.name}", subject=BIRD)], topic)
    for topic, payload in about(f"{BIRD}@nobody.example").items():
        await on.publish([event(payload, topic)], topic)
    for topic, payload in {**about(lead, trap), CAPTURED: person(9, trap)}.items():
        await on.publish([event(payload, topic, event_id=f"trap {EMAIL}")], topic, keys=[EMAIL.encode()])
    bad = list(malformed(MALFORMED, seed=6))
    for topic in INPUTS:
        values = [one.value and _PERSONAL.sub(BIRD.encode(), one.value) for one in bad if one.topic is topic]
        await on.publish(values, topic, keys=[f"{BIRD}{CANARY}".encode()] * len(values))
    await on.publish([event({"email": EMAIL.replace("mail", "mail2"), "requestedBy": BIRD}, ERASE)], ERASE)


async def call_rightly(caller: Caller, tokens: dict[str, str]) -> None:
    """Calls that are accepted, under an id that is an address; what is said of a batch's bad lines quotes none."""
    right = await caller.post("/v1/leads", person(4), key=tokens["shop"], Idempotency_Key=EMAIL, traceparent=BIRD)
    assert right.status == 202, right.text
    fields = f"_key={tokens['form']}&contact.firstName={BIRD}&contact.lastName={BIRD}&company.name={BIRD}"
    form = f"{fields}&contact.email=form.{EMAIL}".encode()
    posted = await caller.post("/v1/leads", form, media=FORM, Origin="https://blue.example")
    assert posted.status == 202, posted.text
    scans = f"First Name,Surname,E-mail,Organisation\n{BIRD},{BIRD},scan.{EMAIL},{BIRD}\n{BIRD},,{BIRD},\n".encode()
    batch = await caller.post("/v1/scans", scans, media=CSV, key=tokens["shop"])
    assert (batch.status, batch.json["accepted"], len(batch.json["rejected"])) == (202, 1, 1)
    quotes_nothing("a batch", batch)


async def call_wrongly(caller: Caller, tokens: dict[str, str]) -> None:
    """No refusal quotes what it refuses."""
    for method, path, body, more in WRONG_CALLS:
        given = {"key": tokens["shop"], **more}
        given |= {"Origin": caller.url} if given.pop("ours", False) else {}
        answer = await caller.call(method, path, body, **given)
        assert answer.status >= 400, (method, path, body, answer.text)
        quotes_nothing(f"{method} {path} {more}", answer)


async def until_ready(caller: Caller) -> None:
    async def ready() -> bool:
        try:
            return (await caller.call("GET", "/readyz")).status == 200
        except aiohttp.ClientError:
            return False

    await until(ready, f"{caller.url} ready")


async def until_stored(on: Bench, collection: str, count: int, query: dict[str, Any] | None = None) -> None:
    async def there() -> bool:
        return await on.count(collection, query) >= count

    await until(there, f"{count} of {collection}")


async def until_says(log: Path, words: str) -> None:
    async def said() -> bool:
        return words in _text(log)

    await until(said, f"{words} in the log")


def _text(log: Path) -> str:
    return log.read_text()
