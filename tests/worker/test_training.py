"""Training on a real database: a model of what leads became is promoted, reaches the open ones, is taken back."""

import asyncio
import json
import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from deploy.local import LocalServers
from services.cli.commands.model import model_app
from services.prediction import predicting, store
from services.prediction.domain.judging.promotion import roll_back
from services.prediction.domain.training_job import LEASE
from services.prediction.predicting import Predictor
from services.prediction.retraining import Retraining
from services.prediction.training import train
from shared.clock import system_clock
from shared.consuming.worker import Runtime
from shared.domain.activity_documents import activity
from shared.domain.model_documents import PROGRESS, TRAINING
from shared.domain.stored.untyped import Document
from shared.errors import UsageError
from shared.mongo.storage import Change
from tests.builders import lead
from tests.collection_names import ACTIVITIES, CAPTURES, LEADS, MODELS, PREDICTIONS
from tests.gateway import gateway, new_key
from tests.harness import Bench, Killed, Mortal, bench, until

HORIZON = 30


def _grown(
    number: int, now: datetime, days_ago: float, rng: random.Random
) -> tuple[Document, Document, list[Document]]:
    """A lead of the past, its capture and what it did: referrals convert more often, and so does who saw the prices."""
    source, looked = rng.choice(("website", "trade_show", "referral")), rng.random() < 0.4
    created = now - timedelta(days=days_ago)
    won = rng.random() < 0.08 + 0.35 * (source == "referral") + 0.3 * looked
    closed = {"status": "converted", "convertedAt": created + timedelta(days=8)} if won else {"status": "contacted"}
    who = f"past-{number:04d}"
    document = lead(_id=who, source=source, createdAt=created, updatedAt=created, **closed)
    captured = {"leadId": who, "capturedAt": created, "knownAt": created, "channel": source, "outcome": "created"}
    at = created
    seen: Any = activity(f"a-{who}", who, "email", at, created_by="/mailer") | {
        "engagement": "clicked_pricing",
        "knownAt": at,
    }
    return document, {"_id": f"c-{who}", "ordinal": 1, **captured}, [seen] if looked else []


async def _past(on: Bench, leads: int, now: datetime) -> None:
    """So many leads of the past half year."""
    rng = random.Random(5)
    grown = [_grown(number, now, 180 - 180 * number / leads, rng) for number in range(leads)]
    await on.storage.insert_new(LEADS, [one for one, _, _ in grown])
    await on.storage.insert_new(CAPTURES, [one for _, one, _ in grown])
    await on.storage.insert_new(ACTIVITIES, [one for _, _, some in grown for one in some])


async def test_a_model_of_what_leads_became_is_promoted_reaches_all_open_leads_and_can_be_taken_back(
    local: LocalServers,
) -> None:
    now = system_clock()
    async with bench(local) as on:
        await _past(on, 900, now)
        row = await train(on.storage, HORIZON, now)
        assert (row["status"], row["version"]) == ("champion", 1), row["why"]
        assert 600 < row["examples"] < 900
        assert row["censored"] > 100
        model = await store.find_model(on.storage, 1)
        assert model is not None
        assert model["metrics"]["logistic"]["calibration_error"] <= 0.05
        # A few days later there is too little that the champion hasn't seen to be better at.
        second = await train(on.storage, HORIZON, now + timedelta(days=3))
        assert (second["status"], second["version"]) == ("shadow", 2), second["why"]
        open_ = await on.count(LEADS, {"status": "contacted"})
        async with on.running("prediction", prediction_horizon_days=HORIZON), gateway(on) as caller:
            await _until_model(on, 1, open_)
            card = (await caller.call("GET", "/v1/model", key=await new_key(on))).json
            assert (card["modelVersion"], card["model"]["examples"], card["drift"]) == (1, row["examples"], [])
            assert card["training"]["status"] == "shadow"
            assert card["model"]["judged"]["logLoss"] < card["model"]["baseRateJudged"]["logLoss"]
            likely, unlikely = await _extremes(on)
            assert likely["source"] == "referral"
            assert likely["clickedPricing"] == 1
            assert unlikely["clickedPricing"] == 0
            assert {row["shadow"]["model"] for row in await on.storage.find(PREDICTIONS, {"model": 1})} == {2}
            await store.change_models(on.storage, roll_back)
            await _until_model(on, 0, open_)


async def _until_model(on: Bench, number: int, leads: int) -> None:
    async def followed() -> bool:
        return await on.count(PREDICTIONS, {"model": number}) == leads

    await until(followed, f"{leads} leads under model {number}")


async def _extremes(on: Bench) -> tuple[dict[str, Any], dict[str, Any]]:
    """The vectors of the likeliest lead and the least likely one."""
    rows = [row for row in await on.storage.find(PREDICTIONS, {}) if "prediction" in row]
    ordered = sorted((row["prediction"] for row in rows), key=lambda one: one["probability"])
    return ordered[-1]["vector"], ordered[0]["vector"]


async def test_one_process_trains_and_another_takes_over_where_it_was_killed(local: LocalServers) -> None:
    async with bench(local) as on:
        now = [system_clock()]

        def retraining() -> Retraining:
            publisher: Any = None
            return Retraining(Runtime(on.settings, on.storage, publisher, lambda: now[0]))

        first, second = retraining(), retraining()
        # The first takes the job, and is killed.
        await store.swap_row(on.storage, TRAINING, {}, {"claim": "dead", "wakeAt": now[0] + LEASE})
        await second.step()
        assert "trainedAt" not in await store.read_row(on.storage, TRAINING)
        now[0] += LEASE
        await asyncio.gather(first.step(), second.step())
        row = await store.read_row(on.storage, TRAINING)
        assert (row["trainedAt"], row["status"], row["examples"]) == (now[0], "too_few", 0)
        now[0] += timedelta(hours=23)
        await first.step()
        assert (await store.read_row(on.storage, TRAINING))["trainedAt"] < now[0]
        now[0] += timedelta(hours=1)
        await first.step()
        assert (await store.read_row(on.storage, TRAINING))["trainedAt"] == now[0]
        assert await on.count(MODELS) == 1


async def test_predicting_that_is_killed_at_any_step_is_done_by_the_next_once_the_lease_is_over(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        now = [system_clock()]

        def predicting(storage: Any) -> Predictor:
            publisher: Any = None
            return Predictor(Runtime(on.settings, storage, publisher, lambda: now[0]))

        ids = [f"lead-{number}" for number in range(20)]
        await on.storage.insert_new(LEADS, [lead(_id=one, status=("new", "lost")[one.endswith("7")]) for one in ids])
        step, killed = 1, True
        while killed:
            asked = now[0]
            await store.request_predictions(on.storage, [*ids, "gone"], asked)
            try:
                await predicting(Mortal(on.storage, step)).take()
                killed = False
            except Killed:
                step += 1
            now[0] += timedelta(seconds=on.settings.lease_s + 1)
            while await predicting(on.storage).take():
                pass
            rows = {row["_id"]: row for row in await on.storage.find(PREDICTIONS, {})}
            assert rows.keys() == set(ids)
            assert {one for one, row in rows.items() if row["closed"]} == {"lead-7", "lead-17"}
            assert all(row["at"] >= asked for row in rows.values() if not row["closed"])
        assert step > 6


def _predictor(on: Bench, storage: Any) -> Predictor:
    publisher: Any = None
    return Predictor(Runtime(on.settings, storage, publisher, system_clock))


async def test_leads_whose_prediction_is_killed_at_any_step_are_predicted_with_the_next_delivery(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        step, killed = 1, True
        while killed:
            ids = [f"lead-{step}-{number}" for number in range(10)]
            leads = [lead(_id=one, status=("new", "lost")[one.endswith("7")]) for one in ids]
            await on.storage.insert_new(LEADS, leads)
            try:
                await _predictor(on, Mortal(on.storage, step)).predict({*ids, "gone"})
                killed = False
            except Killed:
                await _predictor(on, on.storage).predict({*ids, "gone"})
            rows = await on.storage.read(PREDICTIONS, [*ids, "gone"])
            assert {one for one, row in rows.items() if row["closed"]} == {f"lead-{step}-7"}
            assert {one for one, row in rows.items() if "prediction" in row} == {*ids} - {f"lead-{step}-7"}
            step += 1
        assert step > 6


async def test_a_prediction_of_an_older_state_of_the_lead_replaces_none_of_a_newer_one(local: LocalServers) -> None:
    async with bench(local) as on:

        class Slow:
            """Held up before it stores its predictions, until the lead is changed and predicted by another process."""

            def __getattr__(self, name: str) -> Any:
                return getattr(on.storage, name)

            async def change(self, collection: str, changes: Any) -> bool:
                await on.storage.change(LEADS, [Change("lead-1", {}, {"$set": {"score": 90}, "$inc": {"revision": 1}})])
                await _predictor(on, on.storage).predict({"lead-1"})
                return await on.storage.change(collection, changes)

        await on.storage.insert_new(LEADS, [lead(score=10)])
        for _ in ("without a row", "with one"):
            await _predictor(on, Slow()).predict({"lead-1"})
            (stored,) = (await on.storage.read(LEADS, ["lead-1"])).values()
            (row,) = await on.storage.find(PREDICTIONS, {})
            assert row["version"] == stored["revision"]


async def test_an_erasure_between_reading_and_predicting_leaves_no_prediction(local: LocalServers) -> None:
    async with bench(local) as on:

        class Late:
            """Held up before it inserts, until the lead is erased."""

            def __getattr__(self, name: str) -> Any:
                return getattr(on.storage, name)

            async def insert_new(self, collection: Any, documents: Any) -> set[str]:
                await on.storage.delete(LEADS, ["lead-1"])
                return await on.storage.insert_new(collection, documents)

        await on.storage.insert_new(LEADS, [lead()])
        await _predictor(on, Late()).predict({"lead-1"})
        assert await on.count(PREDICTIONS) == 0


async def test_events_are_no_dead_letters_while_the_model_in_use_cannot_be_loaded(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise KeyError("a field that only a later release writes")

    async with bench(local) as on:
        await on.storage.insert_new(LEADS, [lead()])
        await on.storage.put(MODELS, [{"_id": "standing", "champion": 1, "revision": 1}])
        with monkeypatch.context() as patch:
            patch.setattr(predicting, "_load", broken)
            await _predictor(on, on.storage).predict({"lead-1"})
        (row,) = await on.storage.find(PREDICTIONS, {})
        assert row["wakeAt"] <= system_clock()
        assert "prediction" not in row
        assert await _predictor(on, on.storage).take() == 1
        (row,) = await on.storage.find(PREDICTIONS, {})
        assert row["prediction"]["method"] == "heuristic"


async def test_what_another_process_has_in_hand_is_left_to_it_when_the_model_changes(local: LocalServers) -> None:
    async with bench(local) as on:
        now = system_clock()
        row = {"model": 7, "wakeAt": now + timedelta(days=1)}
        mine = {**row, "_id": "mine", "claim": "another process", "wakeAt": now + timedelta(seconds=30)}
        await on.storage.insert_new(PREDICTIONS, [mine, {**row, "_id": "free"}])
        publisher: Any = None
        predicting = Predictor(Runtime(on.settings, on.storage, publisher, lambda: now))
        assert await predicting.take() == 1
        rows = await on.storage.read(PREDICTIONS, ["mine", "free"])
        assert rows["mine"] == mine
        assert rows["free"]["wakeAt"] == now


async def test_the_commands_train_and_tell_and_take_back(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with bench(local) as on:
        await _past(on, 900, system_clock())
        for name, value in on.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PANTRY_PREDICTION_HORIZON_DAYS", str(HORIZON))

        async def told(*words: str) -> str:
            await asyncio.to_thread(model_app, words, result_action="return_value")
            return capsys.readouterr().out

        assert "model 1: champion" in await told("train")
        assert "model 1 is in use" in await told("history")
        assert await told("rollback") == "the formula is in use from now on\n"
        with pytest.raises(UsageError, match="nothing to roll back"):
            await told("rollback")
        with pytest.raises(UsageError, match="there is no model 7"):
            await told("promote", "7")
        assert await told("promote", "1") == "model 1 is in use from now on\n"
        assert json.loads(await told("history", "--json"))["standing"]["champion"] == 1


async def test_the_progress_of_a_model_that_was_replaced_meanwhile_ends_with_that_of_the_next(
    local: LocalServers,
) -> None:
    async with bench(local) as on:
        now = system_clock()
        await on.storage.insert_new(PREDICTIONS, [{"_id": f"lead-{one}", "model": 0} for one in range(3)])
        await store.start_progress(on.storage, 1, now)
        await store.finish_progress(on.storage, 2, now)
        row = await store.read_row(on.storage, PROGRESS)
        assert (row["model"], row["done"], row["total"]) == (2, 3, 3)
        assert "finishedAt" in row
