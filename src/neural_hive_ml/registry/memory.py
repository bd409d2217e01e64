"""The registry in memory: for tests, and the plainest statement of what a registry does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from neural_hive_ml.conventions import CHAMPION, STAGE_ARCHIVED, STAGE_PRODUCTION
from neural_hive_ml.errors import Conflict, NotFound
from neural_hive_ml.evaluation.trial import Trial
from neural_hive_ml.evaluation.verdict import Evaluation, Verdict
from neural_hive_ml.registry.files import check_directory, write_artifact, write_whole
from neural_hive_ml.registry.port import ModelVersion
from neural_hive_ml.registry.published import PublishedFolder
from neural_hive_ml.registry.run_record import tags as record_tags
from neural_hive_ml.scoring.packed import PackedModel

if TYPE_CHECKING:
    from neural_hive_ml.registry.sign import Signer


@dataclass(slots=True)
class _Held:
    version: ModelVersion
    files: dict[str, bytes]
    trials: tuple[Trial, ...] = ()


@dataclass(slots=True)
class MemoryRegistry:
    """`Registry` for one process. Published artifacts go to `<data_dir>/published`, as the embedded one's do."""

    data_dir: Path
    now_ms: Callable[[], int] = lambda: 0
    signer: "Signer | None" = None
    _held: dict[str, dict[int, _Held]] = field(default_factory=dict)
    _aliases: dict[str, dict[str, int]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        return "registry in memory"

    def register(
        self, model: PackedModel, evaluation: Evaluation, verdict: Verdict, files: Mapping[str, bytes]
    ) -> ModelVersion:
        number = self._numbers.get(model.name, 0) + 1
        manifest = write_artifact(model, self._folder(model.name, number), self.signer)
        self._numbers[model.name] = number
        labels = record_tags(model, evaluation, verdict, manifest, "")
        version = ModelVersion(
            model.name, number, f"run-{model.name}-{number}", manifest.digest, self.now_ms(), tags=labels
        )
        self._held.setdefault(model.name, {})[number] = _Held(version, dict(files))
        return version

    def log_trials(self, version: ModelVersion, trials: Sequence[Trial]) -> None:
        self._find(version.name, version.version).trials += tuple(trials)

    def trials(self, name: str, version: int) -> Sequence[Trial]:
        """Return the trials logged below a version."""
        return self._find(name, version).trials

    def resolve(self, name: str, alias: str) -> ModelVersion | None:
        number = self._aliases.get(name, {}).get(alias)
        return None if number is None else self.version(name, number)

    def version(self, name: str, version: int) -> ModelVersion:
        held = self._find(name, version)
        aliases = self._aliases.get(name, {})
        return replace(
            held.version, aliases=tuple(sorted(a for a, number in aliases.items() if number == version))
        )

    def versions(self, name: str) -> Sequence[ModelVersion]:
        return [self.version(name, number) for number in sorted(self._held.get(name, {}), reverse=True)]

    def names(self, like: str = "%") -> Sequence[str]:
        pattern = (
            like.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]").replace("%", "*").replace("_", "?")
        )
        return sorted(name for name in self._held if fnmatchcase(name, pattern))

    def move_alias(self, name: str, alias: str, version: int | None) -> None:
        before = self._aliases.get(name, {}).get(alias)
        if version is None:
            self._aliases.get(name, {}).pop(alias, None)
        else:
            self._find(name, version)
            self._aliases.setdefault(name, {})[alias] = version
        if alias == CHAMPION:
            self._stage(name, before, STAGE_ARCHIVED)
            self._stage(name, version, STAGE_PRODUCTION)

    def tag(self, name: str, version: int, tags: Mapping[str, str]) -> None:
        held = self._find(name, version)
        held.version = replace(held.version, tags={**held.version.tags, **tags})

    def publish(self, name: str, alias: str) -> None:
        folder = PublishedFolder(self.data_dir / "published")
        version = self.resolve(name, alias)
        if version is None:
            folder.withdraw(name, alias)
        else:
            folder.publish(name, alias, version.version, self._folder(name, version.version))

    def attached(self, version: ModelVersion, path: str) -> bytes | None:
        return self._find(version.name, version.version).files.get(path)

    def delete(self, name: str, version: int) -> None:
        found = self.version(name, version)
        if found.aliases:
            raise Conflict(
                f"{name} version {version} is {', '.join(found.aliases)}", remedy="move the alias first"
            )
        del self._held[name][version]

    def sweep(self, before_ms: int, *, dry_run: bool = False) -> Sequence[str]:
        return []  # a version is registered in one step here

    def download(self, version: ModelVersion, into: Path) -> Path:
        found = self._find(version.name, version.version).version
        folder = self._folder(found.name, found.version)
        write_whole(check_directory(folder, expected_digest=version.digest).files, into)
        return into

    def _folder(self, name: str, version: int) -> Path:
        return self.data_dir / "registered" / name / str(version)

    def _find(self, name: str, version: int) -> _Held:
        try:
            return self._held[name][version]
        except KeyError:
            raise NotFound(
                f"{name} version {version} is not in the registry", remedy="hive-ml models list"
            ) from None

    def _stage(self, name: str, version: int | None, stage: str) -> None:
        if version is not None and version in self._held.get(name, {}):
            held = self._held[name][version]
            held.version = replace(held.version, stage=stage)
