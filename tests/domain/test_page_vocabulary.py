"""The words and rules that the dashboard's page carries for its scripts."""

import json
import re

from schemas.commands import Bant
from services.gateway.dashboard.domain.page_vocabulary import vocabulary
from services.gateway.dashboard.routes import files
from shared.domain.bant import CRITERIA, bant_score
from tests.builders import ATTRIBUTES, LOST_REASONS


def test_the_page_carries_the_words_and_rules_of_the_server() -> None:
    page = files(LOST_REASONS, ATTRIBUTES)["index.html"].content.decode()
    found = re.search(r'<script type="application/json" id="vocabulary">(.*?)</script>', page)
    assert found
    assert json.loads(found[1]) == vocabulary(LOST_REASONS, ATTRIBUTES).wire()


def test_a_move_is_given_only_where_a_status_allows_it() -> None:
    moves = vocabulary(LOST_REASONS, ATTRIBUTES).wire()["moves"]
    assert moves["convert"] == {"qualified": "converted"}
    assert moves["set contacted"] == dict.fromkeys(("new", "contacted", "unqualified"), "contacted")
    assert "lost" not in moves["found fit"]


def test_each_criterion_names_a_field_of_bant_that_gives_its_points() -> None:
    for one in CRITERIA:
        value = one.values[0] if one.values else ["waste"] if one.field == "painPoints" else True
        assert bant_score(Bant.model_validate({one.part: {one.field: value}})) == one.points
