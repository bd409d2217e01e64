"""The review page in a real Chromium over a running approval-service: judged by keys, at a phone's width."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from tests.services.test_approval import FEEDBACK, KEYS, ask_for_reviews, serving
from tests.support.browser import findings, running_browser, shot
from tests.support.tickets import ticket

from neural_hive_ml.clock import HOUR_MS
from neural_hive_ml.tickets.embedded import EmbeddedTicketStore

pytestmark = [
    pytest.mark.services,
    pytest.mark.browser,
]
JUDGE = {"x-api-key": "judge"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as running:
        yield running


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    with serving(tmp_path, HIVE_API_KEYS=KEYS) as client:
        ask_for_reviews(tmp_path, 6)
        remember_tickets(tmp_path)
        yield client


@pytest.fixture
def page(browser: Browser, client: httpx.Client) -> Iterator[Page]:
    """The page after its key was given; at the end nothing was loaded from elsewhere and nothing failed."""
    faults: list[str] = []
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
    opened.goto(str(client.base_url))
    opened.fill("#key", "judge")
    opened.keyboard.press("Enter")
    opened.wait_for_selector("#item:visible")
    yield opened
    context.close()
    # A request refused for want of a key, about a ticket that is gone, or cut off on purpose is told to the console too.
    known = ("401", "404", "ERR_INTERNET_DISCONNECTED")
    assert not [fault for fault in faults if not any(one in fault for one in known)], faults
    assert all(url.startswith((str(client.base_url), "data:")) for url in asked), asked


def remember_tickets(folder: Path) -> None:
    """Twelve earlier runs of one task, two of them failed, then the tickets under review: they took nine times as long."""
    now_ms = int(time.time() * 1000)
    store = EmbeddedTicketStore(folder / "tickets")
    earlier = [(f"earlier-{i}", now_ms - (20 - i) * HOUR_MS, 60_000 + 1_000 * i) for i in range(12)]
    reviewed = [(f"ticket-{i}", now_ms - HOUR_MS + i, 540_000) for i in range(1, 6)]
    store.upsert(
        ticket(
            ticket_id, at, task_id="<b>task</b>", started_at=at + 1, completed_at=at + 1 + took, actual_duration_ms=took,
            status="FAILED" if ticket_id in {"earlier-3", "earlier-7"} else "COMPLETED",
        )
        for ticket_id, at, took in earlier + reviewed
    )  # fmt: skip
    store.close()


def verdicts(client: httpx.Client) -> list[tuple[str, str, str, str]]:
    found = client.get(FEEDBACK, headers=JUDGE).json()["verdicts"][::-1]
    return [(one["ticket_id"], one["verdict"], one["author"], one["note"]) for one in found]


def test_a_person_judges_by_keys(page: Page, client: httpx.Client) -> None:
    shown, rate = page.locator("#ticket"), page.locator("#rate")
    expect(shown).to_have_text("ticket-5")
    expect(rate).to_contain_text("0 of 6 judged in 7 days: 0 %, target 10 % not met")
    # What a ticket says is text.
    expect(page.locator("#explanation")).to_have_text("<img src=x onerror=alert(5)> took 9 times as long")
    expect(page.locator("#reasons li")).to_have_text("<b>9 times</b> its usual time")
    assert page.locator("main img, main li b").count() == 0
    # The task's runs are drawn, this ticket's own marked.
    expect(page.locator("#caption")).to_contain_text("earlier runs of task <b>task</b>: half took up to")
    expect(page.locator("#caption")).to_contain_text("2 failed (red); this ticket took 9 min (ring).")
    assert page.locator("#chart circle.run").count() == 16
    assert page.locator("#chart circle.failed").count() == 2
    own, usual = page.locator("#chart circle.own").bounding_box(), page.locator("#chart line.usual").bounding_box()
    assert own is not None
    assert usual is not None
    assert own["y"] < usual["y"]
    shot(page, "review")
    page.fill("#author", "ana")
    # Letters of a note are no verdicts.
    page.fill("#note", "")
    page.locator("#note").press_sequentially("a nun")
    assert verdicts(client) == []
    page.locator("#note").press("Tab")
    page.keyboard.press("n")
    expect(shown).to_have_text("ticket-4")
    expect(page.locator("#about")).to_contain_text("Random audit")
    expect(rate).to_contain_text("1 of 6 judged in 7 days: 16.7 %, target 10 % met")
    expect(page.locator("#back")).to_be_enabled()
    page.keyboard.press("a")
    expect(shown).to_have_text("ticket-3")
    page.keyboard.press("s")
    expect(shown).to_have_text("ticket-2")
    page.keyboard.press("u")
    expect(shown).to_have_text("ticket-1")
    # A mistake is put right by another verdict, the first stays on record.
    page.keyboard.press("z")
    expect(shown).to_have_text("ticket-2")
    page.keyboard.press("n")
    expect(shown).to_have_text("ticket-1")
    assert verdicts(client) == [
        ("ticket-5", "normal", "ana", "a nun"),
        ("ticket-4", "anomaly", "ana", ""),
        ("ticket-2", "unsure", "ana", ""),
        ("ticket-2", "normal", "ana", ""),
    ]
    for left in ("ticket-1", "ticket-0", "ticket-3"):
        expect(shown).to_have_text(left)
        if left == "ticket-0":
            expect(page.locator("#caption")).to_contain_text("No history of this task: No such ticket")
            expect(page.locator("#chart")).to_be_hidden()
        page.keyboard.press("n")
    expect(page.locator("#told")).to_contain_text("Nothing else waits")
    expect(page.locator("#item")).to_be_hidden()


def test_a_phone_shows_all_and_every_button_can_be_hit(page: Page, client: httpx.Client) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    expect(page.locator("#chart")).to_be_visible()
    chart = page.locator("#chart").bounding_box()
    assert chart is not None
    assert 250 < chart["width"] <= 360
    for verdict in ("anomaly", "normal", "unsure"):
        box = page.locator(f"[data-verdict={verdict}]").bounding_box()
        assert box is not None
        assert 44 <= box["height"] < 60, "its word on one line"
        assert box["width"] >= 44
    shot(page, "review-phone")
    page.click("[data-verdict=anomaly]")
    expect(page.locator("#ticket")).to_have_text("ticket-4")
    assert verdicts(client) == [("ticket-5", "anomaly", "judge", "")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert findings(page) == []


def test_a_verdict_that_could_not_be_stored_keeps_its_ticket(page: Page, client: httpx.Client) -> None:
    page.context.set_offline(True)
    page.keyboard.press("n")
    expect(page.locator("#told.error")).to_be_visible()
    expect(page.locator("#ticket")).to_have_text("ticket-5")
    page.context.set_offline(False)
    page.keyboard.press("n")
    expect(page.locator("#ticket")).to_have_text("ticket-4")
    assert len(verdicts(client)) == 1


def test_the_policy_allows_nothing_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/", "/static/review.js", "/static/history.js", "/static/review.css"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-frame-options"] == "DENY"
    assert client.get("/static/../app.py").status_code == 404
