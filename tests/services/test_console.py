"""The console in a real browser, over a real Prometheus with a week of data, a real store and a real registry."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page
from tests.support.browser import SHOTS, findings, running_browser, shot
from tests.support.demo_records import DETECTOR, write_records
from tests.support.ports import free_port
from tests.support.prometheus_server import running_demo
from tests.support.registry import evaluation, linear_model, verdict

from neural_hive_ml.conventions import CHAMPION, GUIDE_MODELS, PREVIOUS
from neural_hive_ml.dashboards.files import dashboards
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.slo.spec import load_objectives
from neural_hive_ml.state.embedded import EmbeddedStateStore

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
    pytest.mark.xdist_group("prometheus"),
]
OBJECTIVES = load_objectives()
PAGES = {dashboard.uid: dashboard for dashboard in dashboards(OBJECTIVES)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    """A data folder as a running system leaves it."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db", folder)
    for seed in (1, 2):
        registry.register(linear_model(DETECTOR, seed=seed), evaluation(DETECTOR), verdict(), {})
    registry.move_alias(DETECTOR, CHAMPION, 2)
    registry.move_alias(DETECTOR, PREVIOUS, 1)
    state = EmbeddedStateStore(folder / "state.db")
    write_records(state, Ledger(state), int(time.time() * 1000))
    state.close()
    return folder


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_demo(tmp_path_factory.mktemp("prometheus"), recorded=bool(SHOTS)) as url:
        yield url


def serving(data: Path, prometheus: str, **environment: str) -> Iterator[str]:
    """Run `hive-ml console` as people do, and end it as they do."""
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-m", "neural_hive_ml", "console", "--port", str(port), "--prometheus", prometheus]
    process = subprocess.Popen(
        command, env={**kept, "HIVE_DATA_DIR": str(data), **environment}, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        give_up = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/health/readiness", timeout=1).close()
                break
            except OSError:
                assert process.poll() is None, "the console did not start"
                assert time.monotonic() < give_up, "the console is not ready"
                time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) in {0, 130, -signal.SIGINT}


@pytest.fixture(scope="module")
def console(data: Path, prometheus: str) -> Iterator[str]:
    yield from serving(data, prometheus)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    faults: list[str] = []
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert not [fault for fault in faults if "503" not in fault and "401" not in fault], faults


def read_all(page: Page) -> None:
    """Scroll through, so that every panel comes into sight, and wait until each was read."""
    at = 0
    while at < page.evaluate("document.documentElement.scrollHeight"):  # grows while panels are drawn
        page.evaluate(f"scrollTo(0, {at})")
        page.wait_for_timeout(120)
        at += 500
    give_up = time.monotonic() + 40
    while page.locator("main .loading").count():  # asked from here: the page's policy allows no code from outside
        assert time.monotonic() < give_up, "some panels were never read"
        # One may have been passed over faster than the browser drew.
        page.evaluate("document.querySelector('main .loading')?.scrollIntoView()")
        page.wait_for_timeout(100)
    page.evaluate("scrollTo(0, 0)")


def test_the_overview_shows_what_the_stores_know(page: Page, console: str):
    page.goto(console)
    page.wait_for_selector("h2:text('Overview')", timeout=30_000)
    text = page.inner_text("main")
    assert re.search(r"F1 Score\s+kept\s+8\d\.\d+%\s+>= 0.75 over 7d", text), text
    assert re.search(rf"{DETECTOR}\s+2 champion\s+Production", text), text
    assert "f1 0.812, precision 0.86, recall 0.77" in text
    assert "too few labels" in text
    assert "drift in 2 checks in a row, score 0.412 > 0.2 (retry_count)" in text
    assert "did promote to version 7, was 6" in text
    # A name of a store's document is text, never markup.
    assert "<b>MongoDB</b> did not answer" in text
    for name in GUIDE_MODELS:
        assert page.locator(f"section[aria-label='{name}'] td.h0").count() > 10
    # Six checks found drift: the score of all, and the feature behind it, in the darkest colour.
    assert page.locator(f"section[aria-label='{DETECTOR}'] td.h3").count() == 12
    shot(page, "overview")


@pytest.mark.parametrize("uid", list(PAGES))
def test_every_panel_of_a_page_is_drawn(page: Page, console: str, uid: str):
    page.goto(f"{console}/#{uid}")
    page.wait_for_selector("main .card")
    read_all(page)
    titles = page.locator("main .card h4").all_inner_texts()
    assert titles == [panel.title for panel in PAGES[uid].panels]
    for panel in PAGES[uid].panels:
        drawn = page.locator(f'section[aria-label="{panel.title}"]').first
        assert not drawn.locator(".error").count(), drawn.inner_text()
        assert not drawn.locator(".empty").count(), panel.title
    assert page.locator(f"nav a[href='#{uid}'][aria-current='page']").count() == 1
    shot(page, uid)


def test_the_span_is_read_anew_and_pictures_have_words(page: Page, console: str):
    page.goto(f"{console}/#predictive-models")
    picture = page.locator("section[aria-label='Latency P50 / P95 / P99'] svg[role=img]")
    picture.wait_for()
    assert re.match(
        r"Latency P50 / P95 / P99\. P50: [\d.]+ ms; P95: [\d.]+ ms", picture.get_attribute("aria-label") or ""
    )
    with page.expect_response(lambda answer: "span=1h" in answer.url) as answer:
        page.select_option("#span", "1h")
    assert answer.value.json()["step"] == 15


@pytest.mark.parametrize("uid", ["overview", *PAGES])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, console: str, uid: str, scheme: str):
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(f"{console}/#{uid}")
    page.wait_for_selector("main .card", timeout=30_000)
    read_all(page)
    assert findings(page) == []


def test_it_is_usable_by_keyboard_and_on_a_narrow_screen(page: Page, console: str):
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{console}/#ml-slos-dashboard")
    page.wait_for_selector("main .card")
    read_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("h2:text('Overview')")


def test_without_prometheus_the_stores_are_shown_and_the_panels_say_why(data: Path, browser: Browser):
    for url in serving(data, "http://127.0.0.1:9"):
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("h2:text('Overview')", timeout=30_000)
        text = page.inner_text("main")
        assert "did not answer" in text
        assert "Next: set PROMETHEUS_URL, or start it" in text
        assert "did promote to version 7, was 6" in text
        page.goto(f"{url}/#ml-slos-dashboard")
        page.wait_for_selector(".error")
        shot(page, "without-prometheus")
        page.close()


def test_it_only_reads_and_asks_prometheus_only_what_a_panel_asks(console: str):
    with httpx.Client(base_url=console, timeout=20) as client:
        routes = ["/", "/api/v1/console", "/api/v1/console/stores", "/api/v1/console/predictive-models/0"]
        for route in routes:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert client.request(method, route).status_code == 405, (method, route)
        assert client.get("/api/v1/console/predictive-models/0?span=24h&query=up").status_code == 200
        assert client.get("/api/v1/console/predictive-models/0?span=2y").json()["field"] == "span"
        assert client.get("/api/v1/console/predictive-models/999").status_code == 404
        assert client.get("/api/v1/console/nothing/0").status_code == 404
        assert client.get("/static/../../app.py").status_code == 404
        policy = client.get("/").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_with_keys_nothing_is_read_without_one(data: Path, prometheus: str, browser: Browser):
    from hashlib import sha256

    keys = f"ops:operate:{sha256(b'open sesame').hexdigest()}"
    for url in serving(data, prometheus, HIVE_API_KEYS=keys):
        with httpx.Client(base_url=url, timeout=20) as client:
            for route in ("", "/stores", "/objectives", "/predictive-models/0"):
                assert client.get(f"/api/v1/console{route}").status_code == 401
        page = browser.new_page()
        page.goto(url)
        page.fill("#key", "open sesame")
        page.click("text=Read")
        page.wait_for_selector("h2:text('Overview')", timeout=30_000)
        page.close()
