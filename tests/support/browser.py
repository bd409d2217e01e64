"""A real Chromium, and axe-core's judgement of a page."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = which("chromium") or which("chromium-browser") or "/usr/bin/chromium"
# The folder for pictures of the documents; without it none is taken.
SHOTS = os.environ.get("HIVE_SCREENSHOTS")
AXE = Path(__file__).parents[2] / ".tools" / "node" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield Chromium, closed at the end."""
    if not Path(CHROMIUM).exists():
        raise RuntimeError("chromium is missing; next: scripts/install_test_servers.sh")
    # What a page shows is waited for as long as a busy machine needs; no test is about the time.
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def shot(page: Page, name: str) -> None:
    """Take a picture of a whole page for the documents, where a run is asked for them."""
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def findings(page: Page) -> list[str]:
    """Return axe-core's serious and critical findings on a page, each in a sentence."""
    if not AXE.exists():
        raise RuntimeError(f"{AXE} is missing; next: scripts/install_test_servers.sh")
    page.evaluate(AXE.read_text())  # by the debugger, which the page's own policy does not bind
    answer = page.evaluate("async () => JSON.stringify((await axe.run()).violations)")
    return [
        f"{one['id']}: {one['help']} at {one['nodes'][0]['html'][:160]} ({len(one['nodes'])} places)"
        for one in json.loads(answer)
        if one["impact"] in {"serious", "critical"}
    ]
