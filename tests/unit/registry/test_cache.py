"""The last known good artifact: fetched once, checked always, and never in the way of serving."""

import os
from pathlib import Path

import pytest
from tests.support.registry import NAME, linear_model

from neural_hive_ml.conventions import CHALLENGER, CHAMPION
from neural_hive_ml.errors import ArtifactRefused, NotFound, RegistryUnavailable
from neural_hive_ml.registry.cache import LastKnownGood
from neural_hive_ml.registry.files import Checked, write_artifact
from neural_hive_ml.registry.port import Published
from neural_hive_ml.registry.published import KEPT_SECONDS, FilePointerSource, PublishedFolder


class CountingSource:
    """The file source, counting what it is asked for, and able to vanish."""

    def __init__(self, data_dir: Path) -> None:
        self._real = FilePointerSource(data_dir)
        self.reads = 0
        self.gone = False

    def describe(self) -> str:
        return self._real.describe()

    def current(self, name: str, alias: str = CHAMPION) -> Published | None:
        if self.gone:
            raise RegistryUnavailable("gone")
        return self._real.current(name, alias)

    def read(self, published: Published) -> Checked:
        if self.gone:
            raise RegistryUnavailable("gone")
        self.reads += 1
        return self._real.read(published)


@pytest.fixture
def source(tmp_path: Path) -> CountingSource:
    publish(tmp_path, seed=1, version=1)
    return CountingSource(tmp_path)


@pytest.fixture
def cache(tmp_path: Path) -> LastKnownGood:
    return LastKnownGood(tmp_path / "cache")


def publish(data_dir: Path, seed: int, version: int) -> None:
    write_artifact(linear_model(seed=seed), data_dir / f"made-{version}")
    PublishedFolder(data_dir / "published").publish(NAME, CHAMPION, version, data_dir / f"made-{version}")


def current(source: CountingSource) -> Published:
    found = source.current(NAME)
    assert found is not None
    return found


def test_an_artifact_is_fetched_once(source: CountingSource, cache: LastKnownGood) -> None:
    first, second = (cache.obtain(source, current(source)) for _ in range(2))

    assert source.reads == 1
    assert first.cached
    assert second.cached
    assert first.checked.manifest == second.checked.manifest


def test_it_is_served_when_the_source_is_gone_with_its_age(source: CountingSource, cache: LastKnownGood) -> None:
    published = current(source)
    cache.obtain(source, published)
    assert cache.last(NAME) is None
    assert cache.confirm(published, now_ms=1_000) == ""
    source.gone = True

    good = cache.last(NAME)

    assert good is not None
    assert (good.version, good.digest, good.alias, good.age_ms(61_000)) == (1, published.digest, CHAMPION, 60_000)
    assert good.age_ms(0) == 0
    assert cache.read(good.digest).manifest.name == NAME
    assert cache.last(NAME, "challenger") is None


def test_a_spoilt_copy_is_fetched_anew(source: CountingSource, cache: LastKnownGood, tmp_path: Path) -> None:
    published = current(source)
    cache.obtain(source, published)
    (tmp_path / "cache" / "artifacts" / published.digest / "policy.json").write_bytes(b"{}")

    assert cache.obtain(source, published).cached

    assert source.reads == 2
    assert cache.read(published.digest).manifest.digest == published.digest


def test_a_spoilt_copy_is_refused_when_there_is_nothing_else(
    source: CountingSource, cache: LastKnownGood, tmp_path: Path
) -> None:
    published = current(source)
    cache.obtain(source, published)
    (tmp_path / "cache" / "artifacts" / published.digest / "policy.json").unlink()

    with pytest.raises(ArtifactRefused):
        cache.read(published.digest)


def test_a_disk_that_cannot_be_written_costs_the_cache_only(
    source: CountingSource, cache: LastKnownGood, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)

    got = cache.obtain(source, current(source))

    assert not got.cached
    assert "No space left" in got.reason
    assert got.checked.manifest.name == NAME


def test_a_read_only_disk_says_so(source: CountingSource, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")  # as good as read-only, and root cannot write it either
    cache = LastKnownGood(blocked)

    got = cache.obtain(source, current(source))

    assert not got.cached
    assert str(blocked) in got.reason
    assert str(blocked) in cache.confirm(current(source), now_ms=0)
    assert cache.last(NAME) is None


def test_old_artifacts_are_pruned_and_noted_ones_kept(
    source: CountingSource, cache: LastKnownGood, tmp_path: Path
) -> None:
    old = current(source)
    cache.obtain(source, old)
    publish(tmp_path, seed=2, version=2)
    new = current(source)
    cache.obtain(source, new)
    cache.confirm(new, now_ms=1)

    assert cache.prune() == (old.digest,)
    assert cache.prune() == ()
    cache.read(new.digest)


def test_a_torn_note_is_no_note_and_prunes_nothing(
    source: CountingSource, cache: LastKnownGood, tmp_path: Path
) -> None:
    published = current(source)
    cache.obtain(source, published)
    (tmp_path / "cache" / f"{NAME}@{CHAMPION}.json").write_text('{"name": "anom')

    assert cache.last(NAME) is None
    assert cache.prune() == ()


def test_no_partial_files_are_left(source: CountingSource, cache: LastKnownGood, tmp_path: Path) -> None:
    cache.obtain(source, current(source))
    cache.confirm(current(source), now_ms=1)

    assert not [name for _, _, files in os.walk(tmp_path) for name in files if name.endswith(".partial")]


def test_a_published_artifact_that_is_gone_is_not_found(source: CountingSource, tmp_path: Path) -> None:
    published = current(source)
    PublishedFolder(tmp_path / "published").withdraw(NAME, CHAMPION)
    PublishedFolder(tmp_path / "published").prune()

    with pytest.raises(NotFound, match="is gone"):
        source.read(published)


def test_a_torn_pointer_is_an_unavailable_registry(source: CountingSource, tmp_path: Path) -> None:
    (tmp_path / "published" / f"{NAME}.json").write_text('{"name": "anom')

    with pytest.raises(RegistryUnavailable, match="no pointer"):
        source.current(NAME)
    # Until it is mended nothing is let go, since what it names is not known; promoting mends it, as the error says.
    assert PublishedFolder(tmp_path / "published").prune() == ()
    write_artifact(linear_model(NAME, seed=9), tmp_path / "next")
    PublishedFolder(tmp_path / "published").publish(NAME, CHAMPION, 9, tmp_path / "next")
    mended = source.current(NAME)
    assert mended is not None
    assert mended.version == 9


def test_what_was_published_is_refused_once_it_changed(source: CountingSource, tmp_path: Path) -> None:
    published = current(source)
    (Path(published.location) / "policy.json").write_bytes(b'{"threshold":0.1}')

    with pytest.raises(ArtifactRefused):
        source.read(published)


def test_publishing_lets_go_what_was_superseded_a_while_ago(tmp_path: Path) -> None:
    folder = PublishedFolder(tmp_path / "published")
    held = [write_artifact(linear_model(NAME, seed=seed), tmp_path / str(seed)).digest for seed in range(5)]

    def there() -> set[str]:
        return {directory.name for directory in (folder.folder / "artifacts").iterdir()}

    def age(digest: str, seconds: float) -> None:
        then = (folder.folder / "artifacts" / digest).stat().st_mtime - seconds
        os.utime(folder.folder / "artifacts" / digest, (then, then))

    folder.publish(NAME, CHAMPION, 1, tmp_path / "0")
    folder.publish(NAME, CHALLENGER, 2, tmp_path / "1")
    age(held[0], 100 * KEPT_SECONDS)  # served for long, and read by a service this moment
    folder.publish(NAME, CHAMPION, 3, tmp_path / "2")
    assert there() == set(held[:3]), "a reader of the pointer before has time to fetch"
    age(held[0], KEPT_SECONDS + 1)
    age(held[1], 100 * KEPT_SECONDS)
    folder.publish(NAME, CHAMPION, 4, tmp_path / "3")
    assert there() == {held[1], held[2], held[3]}, "what an alias names stays, however old"
    folder.withdraw(NAME, CHALLENGER)
    age(held[1], KEPT_SECONDS + 1)
    age(held[2], KEPT_SECONDS + 1)
    folder.publish(NAME, CHAMPION, 5, tmp_path / "4")
    assert there() == {held[3], held[4]}
