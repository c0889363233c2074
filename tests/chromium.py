"""The browser of this machine that the tests take."""

import shutil

# Without windows to draw, the headless shell takes a sixth of the time that the whole browser takes for a new page.
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), None)
"""The path of a browser of Chromium's family; None if there is none."""
