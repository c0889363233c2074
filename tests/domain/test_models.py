"""Models: what was planted is found and calibrated, noise never passes, reasons add up, JSON says it all."""

import json
import math
import random
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.prediction.domain.judging.holdout import lower_bound, metrics
from services.prediction.domain.judging.promotion import promote, roll_back, run_as_shadow
from services.prediction.domain.judging.proposal import Champion, fit, propose
from services.prediction.domain.learning import models
from services.prediction.domain.learning.calibration import ModelRejected, bins, calibration_error, sigmoid_of
from services.prediction.domain.learning.drift import alarms, reference_of
from services.prediction.domain.learning.features import KINDS, Kind, Vector
from services.prediction.domain.learning.naive_bayes import naive_bayes
from services.prediction.domain.learning.registry import ServedModel, document_of, load_served
from services.prediction.domain.learning.sample import Sample, sample_of
from services.prediction.domain.serving.batch_prediction import by_model
from services.prediction.domain.serving.feature_words import _PHRASES, phrase, recommend_actions
from services.prediction.domain.serving.heuristic import by_heuristic
from services.prediction.domain.training_job import FitTask, result_without_outcomes
from services.prediction.fit import fit_model
from tests.builders import NOW

_KINDS: dict[str, Kind] = {"source": "category", "visits": "number", "noise": "number"}


def _row(chance: random.Random) -> tuple[Vector, float]:
    """A vector, and the log-odds that were planted for it."""
    source = chance.choice(("website", "trade_show", "referral"))
    visits = chance.gammavariate(2, 3) if chance.random() < 0.8 else None
    return {"source": source, "visits": visits, "noise": chance.gauss(0, 1)}, (
        -2.2 + 1.6 * (source == "referral") + 0.25 * (visits or 0)
    )


def planted(size: int, seed: int = 1, *, kinds: dict[str, Kind] = _KINDS, noise: bool = False) -> Sample:
    """Leads that convert by a rule, or (`noise`) whatever they are."""
    chance = random.Random(seed)
    rows = [_row(chance) for _ in range(size)]
    labels = [chance.random() < (0.3 if noise else 1 / (1 + math.exp(-odds))) for _, odds in rows]
    return sample_of(kinds, [row for row, _ in rows], labels, [NOW + timedelta(hours=n) for n in range(size)])


@pytest.fixture(scope="module")
def learned() -> dict[str, ServedModel]:
    """A model of each kind, of 2,500 leads."""
    sample = planted(2_500)
    return {name: fit(sample, name, 90, 0) for name in ("logistic", "boosting")}


def test_a_planted_rule_is_found_calibrated_and_promoted() -> None:
    found = propose(planted(4_000), None, 90)
    assert (found.status, found.why) == ("champion", ())
    assert found.served is not None
    method = found.served.model.method
    assert found.metrics[method]["calibration_error"] <= 0.05
    assert found.metrics[method]["log_loss"] < found.metrics["base rate"]["log_loss"] - 0.05
    fresh = planted(4_000, seed=2)
    chances = found.served.probabilities(fresh.vectors)
    assert calibration_error(bins(chances, fresh.labels)) <= 0.05
    assert (metrics(chances, fresh.labels).auc or 0) > 0.72


def test_a_planted_rule_is_found_among_a_few_hundred_leads_too() -> None:
    assert [propose(planted(700, seed), None, 90).status for seed in range(5)].count("champion") >= 3


@pytest.mark.parametrize("size", [100, 300, 1_200])
def test_noise_is_never_promoted(size: int) -> None:
    found = [propose(planted(size, seed, noise=True), None, 90).status for seed in range(6)]
    assert set(found) <= {"refused", "too_few"}


def test_too_few_outcomes_make_no_model() -> None:
    found = propose(planted(90), None, 90)
    assert (found.served, found.status) == (None, "too_few")


def test_a_new_model_must_be_certainly_better_than_the_champion_on_examples_that_the_champion_has_not_seen() -> None:
    sample = planted(3_000)
    rival = fit(sample.part(0, 2_200), "logistic", 90, 0)
    assert sample.times is not None
    as_good = propose(sample, Champion(rival, sample.times[2_199]), 90)
    assert as_good.status == "shadow"
    assert any("champion" in one for one in as_good.why)
    unseen = propose(sample, Champion(rival, sample.times[-5]), 90)
    assert unseen.why == ("too few outcomes since the champion was trained to compare both",)
    blind = planted(3_000, seed=3, noise=True)
    worse = fit(blind, "logistic", 90, 0) if _fits(blind) else rival
    assert propose(sample, Champion(worse, sample.times[2_199]), 90).status in ("champion", "shadow")


def _fits(sample: Sample) -> bool:
    try:
        fit(sample, "logistic", 90, 0)
    except ModelRejected:
        return False
    return True


@pytest.mark.parametrize("method", ["logistic", "boosting"])
def test_reasons_add_up_exactly_and_name_the_heaviest(learned: dict[str, ServedModel], method: str) -> None:
    sample = planted(200, seed=4)
    chances = learned[method].probabilities(sample.vectors)
    for one, chance in zip(by_model(learned[method], sample.vectors), chances, strict=True):
        prediction: Any = one.document
        total = (
            prediction["intercept"]
            + sum(factor["weight"] for factor in prediction["factors"])
            + prediction["otherFactors"]
        )
        assert total == pytest.approx(prediction["logOdds"], abs=1e-9)
        assert 1 / (1 + math.exp(-prediction["logOdds"])) == pytest.approx(prediction["probability"], abs=1e-9)
        assert prediction["probability"] == pytest.approx(chance, abs=1e-9)
        weights = [abs(factor["weight"]) for factor in prediction["factors"]]
        assert weights == sorted(weights, reverse=True)
        assert prediction["interval"][0] <= prediction["probability"] <= prediction["interval"][1]
        assert 0 < prediction["confidence"] < 1


@pytest.mark.parametrize("method", ["logistic", "boosting"])
def test_a_model_that_went_through_json_predicts_the_same(learned: dict[str, ServedModel], method: str) -> None:
    model = learned[method]
    document: Any = json.loads(json.dumps(document_of(model, planted(300), "champion", (), {})))
    document["version"] = 7
    again = load_served(document)
    vectors = planted(100, seed=5).vectors
    assert again.version == 7
    assert np.array_equal(again.probabilities(vectors), model.probabilities(vectors))


def test_our_trees_say_what_the_library_says() -> None:
    sample = planted(1_500)
    made = models.fit_boosting(sample.vectors, sample.labels, sample.kinds, 0)
    matrix = made.model.encoder.matrix(sample.vectors)  # type: ignore[attr-defined]
    theirs = models._boosting(0).fit(matrix, sample.labels)
    unseen = planted(500, seed=6)
    assert np.allclose(
        models.log_odds(made.model, unseen.vectors),
        theirs.decision_function(made.model.encoder.matrix(unseen.vectors)),  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize("method", ["logistic", "boosting"])
def test_values_that_were_never_seen_and_missing_ones_are_predicted(
    learned: dict[str, ServedModel], method: str
) -> None:
    odd: list[Vector] = [{}, {"source": "pigeon", "visits": 1e12, "noise": -1e12}, {"source": None, "visits": None}]
    assert np.isfinite(learned[method].probabilities(odd)).all()


def test_a_calibrator_that_turns_what_a_model_says_is_refused() -> None:
    sample = planted(600)
    odds = np.where(sample.labels, -1.0, 1.0) + np.random.default_rng(0).normal(size=600)
    with pytest.raises(ModelRejected, match="slope"):
        sigmoid_of(odds, sample.labels)


def test_the_bootstrap_is_certain_of_a_gain_only_where_there_is_one() -> None:
    chance = np.random.default_rng(0)
    assert lower_bound(chance.normal(0.1, 1, 2_000), 0) > 0
    assert lower_bound(chance.normal(0.0, 1, 2_000), 0) < 0.02
    assert lower_bound(np.array([1.1, -0.9] * 10), 0) < 0


def test_calibration_is_judged_in_bins_large_enough() -> None:
    labels = np.array([True, False] * 300)
    assert [one.count for one in bins(np.linspace(0.1, 0.9, 600), labels)] == [200] * 3
    assert len(bins(np.full(60, 0.5), labels[:60])) == 1
    assert calibration_error(bins(np.full(600, 0.8), labels)) == pytest.approx(0.3)


def test_naive_bayes_finds_a_planted_rule() -> None:
    sample = planted(2_000)
    found = metrics(naive_bayes(sample).probabilities(planted(2_000, seed=8).vectors), planted(2_000, seed=8).labels)
    assert (found.auc or 0) > 0.7


def test_drift_alarms_where_leads_or_their_outcomes_changed_and_only_there() -> None:
    sample = planted(2_000)
    reference = reference_of(sample.vectors, sample.kinds)
    json.dumps(reference)
    later = planted(1_000, seed=9)
    assert alarms(reference, sample.base_rate, later.vectors, later) == []
    moved: list[Vector] = [{**one, "source": "pigeon", "visits": 50.0} for one in later.vectors]
    found = alarms(reference, sample.base_rate * 2, moved, later)
    assert [(one["what"], one["measure"]) for one in found] == [
        ("source", "psi"),
        ("visits", "psi"),
        ("base rate", "ratio"),
    ]
    few = sample_of(_KINDS, [], [], [])
    assert alarms(reference, sample.base_rate, moved[:100], few) == []


def test_promotion_and_rollback_move_one_row() -> None:
    first = promote({}, 1)
    second = promote(run_as_shadow(first, 2), 2)
    assert second == {"champion": 2, "previous": [1], "shadow": None}
    assert run_as_shadow(second, 3) == {"champion": 2, "previous": [1], "shadow": 3}
    assert roll_back(second) == {"champion": 1, "previous": [], "shadow": None}
    assert roll_back(roll_back(second)) == {"champion": None, "previous": [], "shadow": None}
    assert promote(second, 1) == {"champion": 1, "previous": [2], "shadow": None}
    with pytest.raises(LookupError):
        roll_back({})


def _vector(**changed: Any) -> Vector:
    return {**{name: 0.0 if kind == "number" else None for name, kind in KINDS.items()}, **changed}


def test_the_formula_ranks_by_what_was_done_and_claims_no_certainty() -> None:
    cold, warm = by_heuristic([_vector(), _vector(clickedPricing=2.0, salesCalls=1.0, size="large")], [0, 80])
    assert 0 <= cold.probability < warm.probability <= 1
    assert (warm.document["method"], warm.document["confidenceWords"]) == ("heuristic", "low")
    assert warm.document["interval"] is None
    named = [one["name"] for one in warm.document["factors"]]
    assert named == ["score 80 of 100", "looked at pricing 2 times", "one call"]
    assert "send_pricing" in cold.document["recommendedActions"]
    total = sum(one["weight"] for one in warm.document["factors"]) + warm.document["otherFactors"]
    assert total == pytest.approx(warm.probability)


def test_every_feature_has_words_for_any_value_it_can_have() -> None:
    assert _PHRASES.keys() >= KINDS.keys()
    for name, kind in KINDS.items():
        for value in (None, 0.0, 1.0, 12.4) if kind == "number" else (None, "yes", "no", "trade_show"):
            assert phrase(name, value)
    assert phrase("daysSinceContact", 41.2) == "sales were last in touch 41 days ago"
    assert phrase("source", "trade_show") == "came by trade show"


def test_what_is_worth_doing_follows_from_what_can_be_changed() -> None:
    assert recommend_actions([("size", -2.0, "small"), ("hasPhone", -1.0, "no")]) == ["ask_for_the_phone_number"]
    assert recommend_actions([("clickedPricing", 1.0, 2.0), ("daysSinceContact", -0.5, 40.0)]) == [
        "send_a_proposal",
        "call",
    ]
    assert recommend_actions([("source", -3.0, "website")]) == []


def test_without_an_outcome_nothing_is_learnt_whether_or_not_a_process_is_started_for_it() -> None:
    nothing: FitTask = {"vectors": [], "labels": [], "times": [], "recent": [{}], "champion": None, "horizonDays": 30}
    assert result_without_outcomes(nothing) == fit_model(nothing)
    one: FitTask = {**nothing, "vectors": [{}], "labels": [False], "times": [NOW.isoformat()]}
    assert result_without_outcomes(one) is None
