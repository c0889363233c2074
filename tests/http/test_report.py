"""Reports in a browser, opened as the files that they are: on any screen and on paper, whatever names they hold."""

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser

from services.gateway.report.domain.content import build_report
from services.gateway.report.page import render_report as page_of
from tests.builders import NOW
from tests.report import answers, leads

pytestmark = pytest.mark.asyncio(loop_scope="session")
_A4 = 794
_LONG = ("w" * 60, "\u0645\u0637\u0627\u0639\u0645 \u0648\u0645\u0642\u0627\u0647\u064a \u0641\u0627\u062e\u0631\u0629")
# A word of a chart that is cut off, or lies on another one.
_CUT = """() => [...document.querySelectorAll('.plot')].flatMap(plot => {
  const card = plot.closest('.card').getBoundingClientRect();
  const boxes = [...plot.querySelectorAll('text')].map(one => [one.textContent, one.getBoundingClientRect()]);
  const out = boxes.filter(([, one]) => one.left < card.left || one.right > card.right);
  const on = boxes.filter(([, a], n) => boxes.slice(n + 1).some(([, b]) =>
    a.left < b.right && b.left < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom));
  return [...out, ...on].map(([text]) => text);
})"""


def _file(folder: Path, *, paper: bool, timeframe: str = "month", times: int = 1) -> str:
    some = leads(400)
    for n, one in enumerate(some[::3]):
        one["company"]["industry"] = one["assignedTo"] = _LONG[n % 2]
    made = build_report(*answers(some, timeframe, times=times), NOW)
    file = folder / "report.html"
    file.write_text(page_of(made, paper=paper))
    return file.as_uri()


@pytest.mark.parametrize(
    ("timeframe", "times", "paper"),
    [("week", 1, False), ("month", 90_000, False), ("month", 90_000, True), ("quarter", 1, True)],
)
async def test_a_report_fits_every_screen_and_a_page(
    browser: Browser, tmp_path: Path, timeframe: str, times: int, *, paper: bool
) -> None:
    page = await browser.new_page()
    wrong: list[str] = []
    page.on("console", lambda line: wrong.append(line.text))
    url = _file(tmp_path, paper=paper, timeframe=timeframe, times=times)
    page.on("request", lambda asked: None if asked.url == url else wrong.append(asked.url))
    await page.goto(url)
    await page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for medium, width in (("screen", 1280), ("screen", 390), ("screen", 320), ("print", _A4 - 121)):
        await page.emulate_media(media=medium)  # type: ignore[arg-type]  # one of two words
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth") == width, (medium, width)
        assert await page.evaluate(_CUT) == [], (medium, width)
    await page.close()
    assert wrong == []


async def test_on_paper_it_is_black_on_white_with_each_figure_as_a_table_and_pages_are_numbered(
    browser: Browser, tmp_path: Path
) -> None:
    page = await browser.new_page(color_scheme="dark")
    await page.goto(_file(tmp_path, paper=True))
    for medium in ("screen", "print"):
        await page.emulate_media(media=medium)
        colours = await page.evaluate("(one => [one.color, one.backgroundColor])(getComputedStyle(document.body))")
        assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    assert await page.locator("section table:visible").count() == await page.locator("section").count() == 9
    written = await page.pdf(prefer_css_page_size=True)
    assert 3 <= written.count(b"/Type /Page\n") <= 7
    assert b"/MediaBox [0 0 594" in written or b"/MediaBox [0 0 595" in written
    await page.close()


@pytest.mark.parametrize("paper", [False, True], ids=["html", "print"])
async def test_a_report_is_accessible_in_light_and_dark(browser: Browser, tmp_path: Path, *, paper: bool) -> None:
    made = await browser.new_context(bypass_csp=True, viewport={"width": 390, "height": 844})
    page = await made.new_page()
    await page.goto(_file(tmp_path, paper=paper))
    for dark in (False,) if paper else (False, True):
        await page.emulate_media(color_scheme="dark" if dark else "light")
        found = (await Axe().run(page)).response["violations"]
        assert [one["id"] for one in found if one["impact"] in {"serious", "critical"}] == []
    assert await page.get_by_role("img", name="Funnel").count() == 1
    await made.close()
