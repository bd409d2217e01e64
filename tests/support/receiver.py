"""Stands where Slack and PagerDuty would: takes what a real Alertmanager sends, and when."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

from neural_hive_ml.slo.alertmanager import alertmanager_config
from tests.support.http_server import QuietHandler, running_http
from tests.support.ports import free_port
from tests.support.servers import running


@dataclass(frozen=True)
class Message:
    """One delivery: to whom, which alert (by its runbook), whether it fires or is over, when."""

    to: str
    alert: str
    firing: bool
    at: float
    body: dict


@dataclass
class Receiver:
    """What was delivered so far."""

    url: str = ""
    messages: list[Message] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, path: str, body: dict) -> None:
        text = json.dumps(body)
        found = re.search(r"/runbooks/(\w+)/", text)
        firing = body.get("event_action") == "trigger" if path == "/pagerduty" else "[FIRING]" in text
        with self.lock:
            self.messages.append(
                Message(path.strip("/"), found[1] if found else "", firing, time.monotonic(), body)
            )

    def first(self, alert: str, to: str, *, firing: bool, after: float) -> Message | None:
        with self.lock:
            return next(
                (
                    one
                    for one in self.messages
                    if (one.alert, one.to, one.firing) == (alert, to, firing) and one.at >= after
                ),
                None,
            )


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """Run the receiver; Slack's address is url/slack, PagerDuty's url/pagerduty."""
    receiver = Receiver()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            receiver.take(self.path, body)
            answer = json.dumps(
                {"status": "success", "message": "ok", "dedup_key": body.get("dedup_key", "")}
            ).encode()
            self.answer(202 if self.path == "/pagerduty" else 200, "application/json", answer)

    with running_http(Handler) as receiver.url:
        yield receiver


@contextmanager
def running_alertmanager(folder: Path, receiver: Receiver, time_scale: float) -> Iterator[str]:
    """Run Alertmanager with our routes, its waits shortened, and yield its host:port."""
    import urllib.request

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "slack_api_url").write_text(f"{receiver.url}/slack")
    (folder / "pagerduty_routing_key").write_text("0123456789abcdef0123456789abcdef")
    config = folder / "alertmanager.yml"
    config.write_text(
        alertmanager_config(str(folder), time_scale=time_scale, pagerduty_url=f"{receiver.url}/pagerduty")
    )
    address = f"127.0.0.1:{free_port()}"

    def ready() -> bool:
        try:
            urllib.request.urlopen(f"http://{address}/-/ready", timeout=1).close()
        except OSError:
            return False
        return True

    program = which("prometheus-alertmanager") or which("alertmanager") or "/usr/bin/prometheus-alertmanager"
    command = [
        program, f"--config.file={config}", f"--web.listen-address={address}", "--cluster.listen-address=",
        f"--storage.path={folder / 'data'}",
    ]  # fmt: skip
    with running(command, ready, folder / "alertmanager.log"):
        yield address
