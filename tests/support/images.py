"""Images really built and really run where there is no container engine: Debian bootstrapped, buildah in a chroot.

A container here is the image's root, mounted read-only into mount and process namespaces of its own, entered as the
image's user without any capability. What that does not prove: limits of memory and CPU, seccomp, the network policy, and
that a container runtime reads the image's configuration as we do.
"""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = "python3,python3-venv,python3-dev,python-is-python3,ca-certificates,gcc,libc6-dev"
USER = 10001
_ENTER = """
mount --bind "$ROOTFS" "$ROOTFS"
mount -o remount,ro,bind "$ROOTFS"
mount -t proc proc "$ROOTFS/proc"
mount --rbind /dev "$ROOTFS/dev"
mount --bind "$DATA" "$ROOTFS/var/lib/neural-hive-ml"
mount -t tmpfs tmpfs "$ROOTFS/tmp"
exec chroot --userspec=10001:10001 "$ROOTFS" /usr/bin/env -i "$@"
"""


@dataclass(frozen=True, slots=True)
class Store:
    """Where buildah keeps images; HIVE_IMAGE_STORE keeps it for the next run."""

    folder: Path

    def buildah(self, *words: str) -> str:
        """Run buildah and return what it says."""
        command = ["buildah", "--storage-driver", "vfs", "--root", str(self.folder / "store")]
        command += ["--runroot", str(self.folder / "run"), *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout.strip()

    def base(self) -> str:
        """Return the name of a bootstrapped Debian with Python and a compiler, made at the first call."""
        name = "localhost/python:bootstrapped"
        if name not in self.buildah("images", "--format", "{{.Name}}:{{.Tag}}"):
            tar = self.folder / "base.tar"
            command = ["mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", f"--include={PACKAGES}"]
            _fetched([*command, '--aptopt=Acquire::Retries "10"', "bookworm", str(tar)])
            container = self.buildah("from", "scratch")
            self.buildah("add", "--quiet", container, str(tar))
            self.buildah("commit", "--quiet", "--rm", container, name)
            tar.unlink()
        return name

    def build(self, dockerfile: str, wheels: Path, name: str) -> None:
        """Build an image without network: the base brings the compiler, the folder the packages."""
        self.buildah(
            "bud", "--quiet", "--isolation", "chroot", "--format", "docker", "--volume", f"{wheels}:/wheels:ro",
            "--build-arg", f"BASE={self.base()}", "--build-arg", "PIP_FIND_LINKS=/wheels",
            "--build-arg", "PIP_NO_INDEX=1", "--file", f"docker/{dockerfile}", "--tag", name, ".",
        )  # fmt: skip

    @contextmanager
    def mounted(self, name: str) -> Iterator[Path]:
        """Yield the root folder of a container of this image."""
        container = self.buildah("from", name)
        try:
            yield Path(self.buildah("mount", container))
        finally:
            self.buildah("rm", container)


def wheelhouse(folder: Path, lock: str) -> Path:
    """Download the wheels of a lock file, and what builds ours. Markers are cut: the base's Python may be another patch."""
    pinned = re.findall(r"^([A-Za-z0-9_.\-\[\]]+==[^\s;\\]+)", (ROOT / lock).read_text(), re.MULTILINE)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "10"]
    command += ["--only-binary", ":all:", "--dest", str(folder)]
    _fetched([*command, "--no-deps", *pinned])
    _fetched([*command, "setuptools>=80,<83", "wheel"])
    return folder


def _fetched(command: list[str]) -> None:
    """Run what fetches from elsewhere; say what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[:4]}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def entered(rootfs: Path, data: Path, words: list[str], environment: Mapping[str, str]) -> list[str]:
    """Return the command that runs `words` inside, as the image's user on a read-only root."""
    known = {
        "PATH": "/app/.venv/bin:/usr/bin:/bin",
        "HIVE_DATA_DIR": "/var/lib/neural-hive-ml",
        "OMP_NUM_THREADS": "1",
    }
    given = [f"{name}={value}" for name, value in {**known, **environment}.items()]
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "env", f"ROOTFS={rootfs}", f"DATA={data}"]
    return [*inside, "sh", "-ec", _ENTER, "sh", *given, *words]


@dataclass(frozen=True, slots=True)
class Started:
    """A service in a container: seconds from its start until it was ready, and its process as the host sees it."""

    url: str
    ready_seconds: float
    pid: int

    def status(self, field: str) -> str:
        """Return a field of /proc/PID/status."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return next(line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(field + ":"))


@contextmanager
def started(rootfs: Path, data: Path, service: str, log: Path, **environment: str) -> Iterator[Started]:
    """Run a service inside until the block ends."""
    port = free_port()
    words = ["hive-ml", "serve", service, "--host", "127.0.0.1", "--port", str(port)]
    url, begin = f"http://127.0.0.1:{port}", time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(entered(rootfs, data, words, environment), stdout=out, stderr=out)
        try:
            while not _answers(f"{url}/health/readiness"):
                assert process.poll() is None, log.read_text()[-2000:]
                assert time.monotonic() - begin < 120, log.read_text()[-2000:]
                time.sleep(0.01)
            ready = time.monotonic() - begin
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            yield Started(url, ready, int(children[0]))
        finally:
            # To the service itself: the process around it passes no signal on.
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), 15)
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
