"""The pages' figures are a benchmark's output, with its commit and machine."""

from tests.benchmarks.publishing import PUBLISHED, RESULTS, pages
from tests.benchmarks.table import from_json


def test_the_figures_of_the_pages_are_those_of_the_published_results() -> None:
    assert {str(page): page.read_text() for page in pages()} == {str(page): text for page, text in pages().items()}


def test_published_results_name_a_commit_that_everybody_has_the_machine_and_the_versions() -> None:
    rows, about = from_json(RESULTS.read_text())
    assert rows
    assert {name for name, value in about.items() if value} == {
        "commit",
        "date",
        "machine",
        "load",
        "servers",
        "ours",
        "peers",
    }
    assert "with changes" not in about["commit"]


def test_each_published_plot_is_on_the_page_and_has_no_script() -> None:
    page = next(text for page, text in pages().items() if page.parent == PUBLISHED.parent)
    plots = sorted(PUBLISHED.glob("*.svg"))
    assert plots
    for plot in plots:
        assert f"(published/{plot.name})" in page
        assert "<script" not in plot.read_text()
