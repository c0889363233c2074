"""A report as one self-contained HTML file: no script, no request to another server."""

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from services.gateway.dashboard.palette import palette
from services.gateway.report.domain.content import Report
from services.gateway.report.domain.drawing import PLOT_PX, ROW_PX
from services.gateway.report.domain.formatting import MISSING

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.update(plot_px=PLOT_PX, row_px=ROW_PX, missing=MISSING, palette=palette)


def render_report(report: Report, *, paper: bool) -> str:
    """Return the report for a screen, or for `paper`: A4, black on white, tables included."""
    style = _environment.get_template("sheets.jinja").render(report=report)
    # The policy allows only this style, by its hash.
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    template = _environment.get_template("report.html")
    return template.render(report=report, paper=paper, policy=policy, style=Markup(style))  # noqa: S704 - our own file
