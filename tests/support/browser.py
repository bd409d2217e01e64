"""A real Chromium, and axe-core's judgement of a page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = which("chromium") or which("chromium-browser") or "/usr/bin/chromium"
AXE = Path(__file__).parents[2] / ".tools" / "node" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield Chromium, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


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
