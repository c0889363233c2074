"""What predictions must not get wrong: what was known when, titles, sums, alarms by chance, who is promoted."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.commands import Bant
from services.capture.domain.decide import decide
from services.capture.domain.view import View
from services.conversion.domain import decide as conversion
from services.engagement.domain.decide import engagement_activity
from services.prediction.domain.judging.evaluation import evaluate_models
from services.prediction.domain.judging.proposal import best, fit, propose
from services.prediction.domain.learning.calibration import Array
from services.prediction.domain.learning.drift import alarms
from services.prediction.domain.learning.features import History, Kind, Vector, vector
from services.prediction.domain.learning.lead_table import read_lead_table
from services.prediction.domain.learning.sample import Sample, sample_of
from services.prediction.domain.serving.batch_prediction import by_model
from services.prediction.domain.serving.heuristic import by_heuristic
from services.qualification.domain import decide as qualification
from tests.builders import NOW, capture, data, lead, written

DAY = timedelta(days=1)
_KINDS: dict[str, Kind] = {"size": "category", "visits": "number", "noise": "number"}


@pytest.mark.parametrize(
    ("title", "role"),
    [
        ("Line Cook", "chef"),
        ("Events Coordinator", "manager"),
        ("Vice President of Operations", "director"),
        ("President", "owner"),
        ("COO", "director"),
        ("Co-Owner", "owner"),
        ("Partnerships Manager", "manager"),
        ("Purchasing Lead", "buyer"),
        ("Barista", "other"),
        (None, None),
    ],
)
def test_a_title_is_read_by_its_words_not_by_letters_within_them(title: str | None, role: str | None) -> None:
    document = lead(contact={"title": title})
    assert vector(History(document, [], []), NOW)["role"] == role


_LATER = st.sampled_from(["capture", "engagement", "progressive", "bant", "convert"])
_BANT = Bant.model_validate({"budget": {"confirmed": True}, "timeline": {"urgency": "immediate"}})


def _happens(what: str, number: int, view: View, rows: list[Any], captures: list[Any]) -> View:
    """Let the services decide on the one lead, as they do, after the moment that is looked back to."""
    at, key = NOW + (11 + number) * DAY, f"k{number}"
    asked = qualification.QualificationRequest(key, "kim", at, (at.isoformat(), key))
    document: Any
    (who, document), *_ = view.leads.items()
    if what == "capture":
        company = {"name": "Blue Fork", "size": "large", "industry": "catering", "annualRevenue": 9e6, "website": "b.x"}
        more = data(phone="+13125550100", company=company, source="trade_show", contact={"title": "Chef"})
        plan = decide([capture(key, more | {"context": {"campaign": "show"}}, at)], view, at, "US")
        captures += [{**row, "knownAt": at} for row in plan.rows]
        return written(view, plan)
    if what == "engagement":
        made = engagement_activity(key, who, "clicked_pricing", at, source="/mailer", address=None, trigger=None)
        rows.append({**made, "knownAt": at})
    elif document["status"] != "converted" and what == "progressive":
        document |= qualification.qualify_progressively(document, {"budget": 9.0}, asked)
    elif document["status"] != "converted" and what == "bant":
        document |= qualification.qualify_by_bant(document, _BANT, asked)
        rows.append({**qualification.qualification_activity(key, who, _BANT, "kim", at), "knownAt": at})
    elif document["status"] == "qualified":
        document |= conversion.convert_lead(document, {}, key, at)
        rows.append({**conversion.conversion_activity(key, who, "kim", at), "knownAt": at})
    return view


@given(st.lists(_LATER, max_size=6), st.sampled_from([(), ("opened_email",)]))
def test_whatever_the_services_do_with_a_lead_later_its_vector_of_that_moment_stays(
    later: list[str], earlier: tuple[str, ...]
) -> None:
    view, rows, as_of = View({}, {}, {}), list[Any](), NOW + 10 * DAY
    plan = decide([capture("first")], view, NOW, "US")
    view = written(view, plan)
    captures: list[Any] = [{**row, "knownAt": NOW} for row in plan.rows]
    document: Any
    (who, document), *_ = view.leads.items()
    for action in earlier:
        rows.append(engagement_activity("e", who, action, NOW + DAY, source="/mailer", address=None, trigger=None))
    before = vector(History(document, captures, rows), as_of)
    for number, what in enumerate(later):
        view = _happens(what, number, view, rows, captures)
    (document,) = view.leads.values()
    assert vector(History(document, captures, rows), as_of) == before


def _planted(size: int, seed: int = 1) -> Sample:
    chance = random.Random(seed)
    rows: list[Vector] = []
    labels = []
    for _ in range(size):
        big, visits = chance.random() < 0.5, float(chance.randrange(6))
        rows.append({"size": "large" if big else "small", "visits": visits, "noise": chance.gauss(0, 1)})
        labels.append(chance.random() < 1 / (1 + math.exp(2.4 - 1.2 * big - 0.5 * visits)))
    return sample_of(_KINDS, rows, labels, [NOW + timedelta(hours=number) for number in range(size)])


@pytest.mark.parametrize("method", ["logistic", "boosting"])
def test_what_a_prediction_adds_up_to_is_its_log_odds_to_the_last_bit(method: str) -> None:
    sample = _planted(1_500)
    for one in by_model(fit(sample, method, 90, 0), sample.vectors[:300]):
        told = one.document
        added = told["intercept"] + sum(factor["weight"] for factor in told["factors"]) + told["otherFactors"]
        assert added == told["logOdds"]
        backwards = told["otherFactors"] + sum(factor["weight"] for factor in told["factors"][::-1])
        assert backwards + told["intercept"] == told["logOdds"]


@given(st.integers(0, 100), st.lists(st.sampled_from(["clickedPricing", "demos", "salesCalls", "size"]), unique=True))
def test_the_formula_adds_up_to_the_last_bit_too(score: int, there: list[str]) -> None:
    (one,) = by_heuristic([dict.fromkeys(there, 1.0)], [score])
    told = one.document
    added = told["intercept"] + sum(factor["weight"] for factor in told["factors"]) + told["otherFactors"]
    assert added == told["logOdds"] == one.probability


def _tilted(chances: Array, by: float) -> Array:
    """Chances that rank as these do, and are further from the middle than they should be."""
    return np.asarray(1 / (1 + np.exp(-by * np.log(chances / (1 - chances)))), dtype=float)


def test_a_model_that_passes_is_not_lost_to_a_better_one_that_is_refused() -> None:
    random_ = np.random.default_rng(3)
    true = random_.beta(1.2, 1.2, 4_000).clip(0.02, 0.98)
    labels = random_.random(4_000) < true
    holdout = sample_of({}, [{}] * 4_000, labels.tolist(), None)
    base = np.full(4_000, 0.5)
    coarse = np.where(true > 0.5, labels[true > 0.5].mean(), labels[true <= 0.5].mean())
    sharp = _tilted(true, 1.8)
    assert best({"base rate": base, "logistic": coarse, "boosting": sharp}, holdout, 0) == ("logistic", [])
    assert best({"base rate": base, "logistic": coarse, "boosting": true}, holdout, 0) == ("boosting", [])
    assert best({"base rate": base}, holdout, 0) == (None, [])
    name, why = best({"base rate": base, "boosting": sharp}, holdout, 0)
    assert (name, why[0].startswith("calibration error")) == ("boosting", True)


@pytest.mark.parametrize("seed", [49, 275, 342, 452])
def test_noise_whose_holdout_looks_like_a_rule_by_luck_is_refused_too(seed: int) -> None:
    chance = random.Random(seed)
    kinds: dict[str, Kind] = {f"n{number}": "number" for number in range(4)}
    rows: list[Vector] = [{name: chance.gauss(0, 1) for name in kinds} for _ in range(400)]
    times = [NOW + timedelta(hours=number) for number in range(400)]
    noise = sample_of(kinds, rows, [chance.random() < 0.3 for _ in range(400)], times)
    assert propose(noise, None, 90).status == "refused"


def test_an_evaluation_says_what_training_would_do() -> None:
    for size in (400, 2_000):
        sample = _planted(size)
        assert evaluate_models(sample).promoted is (propose(sample, None, 90).status == "champion")


def test_confidence_rests_on_how_calibrated_the_later_examples_found_the_model() -> None:
    found = propose(_planted(2_000), None, 90)
    assert found.served is not None
    judged = found.metrics[found.served.model.method]
    assert found.served.calibration_error == judged["calibration_error"]


def test_of_few_conversions_chance_alone_raises_no_alarm_and_a_real_change_does() -> None:
    random_ = np.random.default_rng(0)

    def alarmed(rate: float, size: int) -> bool:
        labels = (random_.random(size) < rate).tolist()
        return bool(alarms({}, 0.05, [], sample_of({}, [{}] * size, labels, None)))

    assert sum(alarmed(0.05, 60) for _ in range(300)) <= 3
    assert all(alarmed(0.12, 2_000) for _ in range(20))


def test_numbers_that_nobody_can_reckon_with_count_as_missing() -> None:
    rows = [{"x": str(number % 7), "won": str(int(number % 3 == 0))} for number in range(300)]
    rows[5]["x"], rows[6]["x"] = "inf", "1e999"
    sample = read_lead_table(rows, "won", None, []).sample
    assert [one["x"] for one in sample.vectors[4:8]] == [4.0, None, None, 0.0]
    assert evaluate_models(sample).by_model


def test_times_of_different_zones_are_ordered_as_they_happened() -> None:
    times = ["2026-03-02T12:00+09:00", "2026-03-02T05:00Z", "2026-03-02T04:00"]
    rows = [{"x": str(number), "won": "1", "at": at} for number, at in enumerate(times)]
    ordered = read_lead_table(rows, "won", "at", []).sample.times
    assert ordered == [datetime(2026, 3, 2, hour, tzinfo=UTC) for hour in (3, 4, 5)]
