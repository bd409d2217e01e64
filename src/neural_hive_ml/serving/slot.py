"""A model slot: what serves now, swapped whole, after verification, while the old one goes on serving."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import structlog

from neural_hive_ml.clock import Clock
from neural_hive_ml.conventions import CHAMPION
from neural_hive_ml.errors import ArtifactRefused, HiveError, NotFound, RegistryUnavailable, StoreUnavailable
from neural_hive_ml.features.spec import FEATURE_SET_VERSION
from neural_hive_ml.registry.cache import LastKnownGood
from neural_hive_ml.registry.files import Checked
from neural_hive_ml.registry.port import Published
from neural_hive_ml.registry.published import ModelSource
from neural_hive_ml.registry.verify import VerifiedArtifact, verify_checked
from neural_hive_ml.scoring.load_scorer import load_scorer

if TYPE_CHECKING:
    from neural_hive_ml.registry.sign import VerifyKey

log = structlog.get_logger("serving")
Source = Literal["registry", "last_known_good"]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A verified model that serves: `source` says whether the registry named it or only our own disk."""

    artifact: VerifiedArtifact
    published: Published
    source: Source
    loaded_at_ms: int


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """What one look at the source did: swapped, unchanged, withdrawn, or failed with the reason and its kind."""

    outcome: Literal["swapped", "unchanged", "withdrawn", "failed"]
    reason: str = ""
    kind: str = ""


def nothing(_: LoadedModel) -> None:
    """A model needs nothing else."""


@dataclass(slots=True)
class ModelSlot:
    """What an alias of one registered model points to. `current` is read without a lock; `refresh` runs in one thread at
    a time.

    A champion stays when nothing is published any more, and starts from this disk when the source is away. Any other
    alias (the challenger) follows the publication: none published, none held.

    `follow` says which name to hold from now on, at each look: what a family's gate chose. The model of the name before
    answers until the other's has been verified.
    """

    name: str
    source: ModelSource
    cache: LastKnownGood
    clock: Clock
    keys: "Sequence[VerifyKey]" = ()
    alias: str = CHAMPION
    follow: Callable[[], str] | None = None
    current: LoadedModel | None = None
    failure: str = ""
    refused: frozenset[str] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self, prepare: Callable[[LoadedModel], None] = nothing) -> RefreshResult:
        """Look at the source and swap when another version is published and verifies. Never raises for the expected.

        `prepare` gets a model that is about to answer, so that what it needs is there before its first answer.

        A version that was refused is not tried again until another is published. When nothing serves yet, the last known
        good artifact of this disk serves while the source is asked: one that says nothing must not delay the start.
        """
        with self._lock:
            self._turn()
            started = self.current is None and self.alias == CHAMPION and self._start_from_disk(prepare)
            try:
                published = self.source.current(self.name, self.alias)
            except RegistryUnavailable as error:
                return self._failed(str(error), "unreachable")
            except ArtifactRefused as error:
                return self._failed(str(error), error.kind)
            if published is None:
                return self._nothing_published()
            serving = self.current
            if serving is not None and serving.artifact.digest == published.digest:
                self.failure = ""
                if serving.published != published or serving.source != "registry":
                    self.current = LoadedModel(serving.artifact, published, "registry", serving.loaded_at_ms)
                return RefreshResult("swapped" if started else "unchanged")
            if published.digest in self.refused:
                return RefreshResult("failed", self.failure, "refused_before")
            return self._load(published, prepare)

    def _turn(self) -> None:
        """Take the name to follow, once a champion is published under it and while the stores answer."""
        if self.follow is None:
            return
        try:
            wanted = self.follow()
            if wanted == self.name or self.source.current(wanted) is None:
                return
        except (StoreUnavailable, RegistryUnavailable, ArtifactRefused) as error:
            log.warning("serving.choice_not_read", model=self.name, reason=str(error))
            return
        log.info("serving.model_chosen", model=wanted, before=self.name, alias=self.alias)
        self.name = wanted

    def _nothing_published(self) -> RefreshResult:
        if self.alias == CHAMPION:
            return self._failed(f"{self.name} has no version in Production", "not_found")
        held, self.current, self.failure = self.current, None, ""
        return RefreshResult("unchanged" if held is None else "withdrawn")

    def _load(self, published: Published, prepare: Callable[[LoadedModel], None]) -> RefreshResult:
        try:
            obtained = self.cache.obtain(self.source, published)
            artifact = self._verify(obtained.checked)
        except ArtifactRefused as error:
            self.refused |= {published.digest}
            return self._failed(f"version {published.version} refused: {error}", error.kind)
        except NotFound as error:
            return self._failed(str(error), "not_found")
        except HiveError as error:
            return self._failed(str(error), "unreachable")
        if obtained.reason:
            log.warning("serving.cache_not_written", model=self.name, reason=obtained.reason)
        now_ms = self.clock.now_ms()
        loaded = LoadedModel(artifact, published, "registry", now_ms)
        prepare(loaded)
        self.current = loaded
        self.failure = ""
        note = self.cache.confirm(published, now_ms=now_ms)
        if note:
            log.warning("serving.cache_not_written", model=self.name, reason=note)
        log.info(
            "serving.model_swapped",
            model=self.name,
            alias=self.alias,
            version=published.version,
            digest=published.digest[:16],
        )
        return RefreshResult("swapped")

    def _start_from_disk(self, prepare: Callable[[LoadedModel], None]) -> bool:
        good = self.cache.last(self.name)
        if good is None:
            return False
        try:
            artifact = self._verify(self.cache.read(good.digest))
        except ArtifactRefused as error:
            log.warning("serving.last_known_good_refused", model=self.name, reason=str(error))
            return False
        published = Published(good.name, good.version, good.digest, good.alias, "last known good")
        loaded = LoadedModel(artifact, published, "last_known_good", good.kept_at_ms)
        prepare(loaded)
        self.current = loaded
        log.info(
            "serving.from_last_known_good",
            model=self.name,
            version=good.version,
            age_s=good.age_ms(self.clock.now_ms()) // 1000,
        )
        return True

    def _verify(self, checked: Checked) -> VerifiedArtifact:
        return verify_checked(
            checked,
            load_scorer=load_scorer,
            keys=self.keys,
            expected_name=self.name,
            feature_set_version=FEATURE_SET_VERSION,
        )

    def _failed(self, reason: str, kind: str) -> RefreshResult:
        if reason != self.failure:
            # The guide's words, so that whoever greps for them finds the cause and the next step.
            log.error(
                "Failed to load model from MLflow",
                model=self.name,
                alias=self.alias,
                cause=reason,
                serving=self.current.published.version if self.current else None,
                next_step=f"hive-ml models show {self.name}; train_predictive_models.py --promote-if-better",
            )
        self.failure = reason
        return RefreshResult("failed", reason, kind)
