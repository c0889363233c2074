"""A report as one HTML file that needs nothing else: no script, no request to anybody."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.gateway.report.content import Report
from services.gateway.report.drawing import PLOT_PX, ROW_PX
from services.gateway.report.words import MISSING

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(plot_px=PLOT_PX, row_px=ROW_PX, missing=MISSING)


def page(report: Report, *, paper: bool) -> str:
    """The report for a screen, light or dark, or for `paper`: A4, black on white, every figure as a table as well."""
    style = _environment.get_template("report.css").render(report=report)
    # The policy lets in this style and nothing else; it is known by its hash.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    template = _environment.get_template("report.html")
    return template.render(report=report, paper=paper, policy=policy, style=Markup(style))  # noqa: S704 - our own file
