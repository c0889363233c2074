"""The year of history of `pantry up --demo`: what it holds, and what a model can learn from it."""

from datetime import UTC, datetime, timedelta

from schemas.lead import Status
from schemas.topics import CAPTURED
from services.demo.year import end_of_year, generate_year
from services.demo.year_loading import LEADS
from services.prediction.domain.judging.evaluation import evaluate_models
from services.prediction.domain.learning.sample import sample_of

END = datetime(2026, 12, 1, tzinfo=UTC)
KINDS = {"source": "category", "size": "category", "industry": "category", "title": "category"}


def test_the_same_year_comes_again_and_lies_before_its_end() -> None:
    year = generate_year(300, END)
    assert year == generate_year(300, END)
    assert end_of_year(year[0].at) == END
    for one in year:
        CAPTURED.model.model_validate(one.capture)
        told = [deed.at for deed in one.deeds] + ([one.outcome.at] if one.outcome.at else [])
        assert END - timedelta(days=365) <= one.at < END
        assert all(one.at <= at < END for at in told)
    assert len({one.capture["contact"]["email"] for one in year}) == 300  # type: ignore[index]
    assert [one.at for one in year] == sorted(one.at for one in year)


def test_a_model_that_learns_from_the_year_is_promoted_and_is_not_perfect() -> None:
    year = [one for one in generate_year(LEADS, END) if one.at < END - timedelta(days=120)]
    won = [one.outcome.status is Status.CONVERTED for one in year]
    assert 0.15 < sum(won) / len(won) < 0.4
    facts = [{**one.capture["company"], **one.capture["contact"], **one.capture} for one in year]  # type: ignore[dict-item]
    vectors = [{name: str(fact[name]) for name in KINDS} for fact in facts]
    found = evaluate_models(sample_of(KINDS, vectors, won, [one.at for one in year]))  # type: ignore[arg-type]
    assert found.promoted, found.why
    auc = found.by_model[str(found.best)].auc
    assert auc
    assert 0.7 < auc < 0.92
