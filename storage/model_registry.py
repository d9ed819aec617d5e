"""The registry of models: candidate -> judged -> deployed -> retired, with lineage and rollback.

A version is one GGUF file and where it came from. What is deployed has been compared with its
SHA-256 right before; a version whose file is missing or differs is never deployed. Nor is one that
did not pass its gates (storage/gates.py), unless somebody takes that on them, which stays on
record. A way back (rollback, fall_back, deploy_again) has no gates: it once answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from storage.before_deploy import keep_before
from storage.database import Database, DatabaseError
from storage.errors import MynahError
from storage.gates import (
    AUDIT,
    PEOPLE,
    PERSONALITY,
    Gate,
    Latest,
    force_command,
    gates_of,
    is_forced,
    lacking,
    latest_of,
    refusal,
    said_of_scores,
)
from storage.manifest import sha256_file
from storage.paths import Home
from storage.records import (
    DEPLOYED,
    FELL_BACK,
    FORCED,
    ROLLED_BACK,
    Evaluation,
    ModelVersion,
)


class RegistryError(MynahError):
    """A model version is unknown, its file is not what was registered, or it may not answer."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ModelRegistry:
    """The versions of one home.

    Any thread; `deploy`, `rollback` and `verify` read the whole file.
    """

    def __init__(self, db: Database, home: Home, clock_ms: Callable[[], int] = _now_ms) -> None:
        self._db = db
        self._home = home
        self._clock_ms = clock_ms

    def register(self, version: ModelVersion) -> ModelVersion:
        """Add a version as a candidate (or judged).

        The same file under the same id again is no error: then only its place is brought up to
        date: a file that ships with the program moves with it. Raises RegistryError where the id
        belongs to another file.
        """
        known = self._find(version.version_id)
        if known is not None:
            if known.sha256 != version.sha256:
                raise RegistryError(
                    f"{version.version_id} is already the name of another file; choose another id."
                )
            if known.gguf_path != version.gguf_path:
                self._db.set_model_path(version.version_id, version.gguf_path)
            return replace(known, gguf_path=version.gguf_path)
        self._db.add_model_version(version)
        return version

    def list(self) -> list[ModelVersion]:
        """All versions, oldest first."""
        return self._db.model_versions()

    def get(self, version_id: str) -> ModelVersion:
        """One version. Raises RegistryError that names the known ones."""
        version = self._find(version_id)
        if version is None:
            known = ", ".join(v.version_id for v in self.list()) or "none yet"
            raise RegistryError(f"There is no model version {version_id}; there are: {known}.")
        return version

    def deployed(self) -> ModelVersion | None:
        """The version that the bot answers with, or None."""
        return next((v for v in self.list() if v.status == "deployed"), None)

    def how_rehearsed(self, version_id: str) -> str:
        """Such as "accepted 34 of 40 (71-93%)"; "" where its owner did not let it speak after a
        rehearsal yet."""
        return self._db.how_rehearsed(version_id)

    def path(self, version: ModelVersion) -> Path:
        """Where its GGUF lies on this machine."""
        return self._home.absolute(version.gguf_path)

    def verify(self, version_id: str) -> ModelVersion:
        """The version, after its file's size and SHA-256 agreed.

        Raises RegistryError naming what differs.
        """
        version = self.get(version_id)
        path = self.path(version)
        if not path.is_file():
            raise RegistryError(f"{version_id}: {_why_missing(version, path)}")
        size_bytes = path.stat().st_size
        if size_bytes != version.size_bytes:
            raise RegistryError(
                f"{version_id}: {path} has {size_bytes} bytes, registered with "
                f"{version.size_bytes}; copy it again or export it anew."
            )
        found = sha256_file(path)
        if found != version.sha256:
            raise RegistryError(
                f"{version_id}: {path} has the SHA-256 {found}, registered with {version.sha256}; "
                "copy it again or export it anew."
            )
        return version

    # -- judging -------------------------------------------------------------------------------

    def gates(self, version_id: str) -> tuple[Gate, ...]:
        """What is asked of a version before it answers, and whether that is met. Raises
        RegistryError."""
        return gates_of(self.get(version_id), self._latest(), self.list())

    def evaluations(self, version_id: str | None = None) -> tuple[Evaluation, ...]:
        """How a version did, or all, oldest first."""
        return tuple(self._db.evaluations(version_id))

    def record_evaluation(
        self,
        version_id: str,
        kind: str,
        score: float | None,
        needed: float | None,
        passed: bool,
        figures: Mapping[str, Any],
        report: str | Path = "",
    ) -> Evaluation:
        """Keep how a version did: figures alone, nobody's words. What has passed all its gates is
        judged from then on, and what has not a candidate.

        `kind` is personality, audit or people; `report` the file or folder of the page about it.
        Raises RegistryError for a version or a kind that there is not, and figures that JSON has
        not (NaN).
        """
        self.get(version_id)
        if kind not in (PERSONALITY, AUDIT, PEOPLE):
            raise RegistryError(f'There is no evaluation of the kind "{kind}".')
        try:
            made = self._db.add_evaluation(
                version_id,
                kind,
                at_ms=self._clock_ms(),
                score=score,
                needed=needed,
                passed=passed,
                figures=figures,
                report=self._home.relative(Path(report)) if report else "",
            )
        except (TypeError, ValueError) as error:
            raise RegistryError(f"The figures of {version_id} are none ({error}).") from error
        self._judge(version_id)
        return made

    def lower_than_deployed(self, version_id: str) -> str:
        """A sentence where it scores less than what answers now, else "". That bars nothing."""
        return said_of_scores(self.get(version_id), self.deployed(), self._latest())

    def _judge(self, version_id: str) -> None:
        version = self.get(version_id)
        if version.status in ("candidate", "judged"):
            status = "candidate" if lacking(self.gates(version_id)) else "judged"
            self._db.set_model_status(version_id, status, self._clock_ms())

    def _latest(self) -> Latest:
        return latest_of(self._db.evaluations())

    # -- deploying -----------------------------------------------------------------------------

    def deploy(self, version_id: str, force_by: str = "", force_why: str = "") -> ModelVersion:
        """Verify the file, then let this version answer; the one before it is retired.

        `force_by` and `force_why`: who takes it on them where it has not passed its gates, and why.
        Raises RegistryError that names what is missing, and nothing has changed then. A running bot
        follows at its next start.
        """
        self.check_may_answer(version_id, force_by, force_why)
        self.verify(version_id)
        return self.record_deployed(version_id, force_by, force_why)

    def check_may_answer(self, version_id: str, force_by: str = "", force_why: str = "") -> None:
        """Raise RegistryError where `deploy` would, but for the file."""
        version = self.get(version_id)
        self._refuse_barred(version)
        if version.status == "deployed" or is_forced(version, self._latest()):
            return
        lacks = refusal(version_id, self.gates(version_id))
        if lacks and not force_why.strip() and not force_by.strip():
            raise RegistryError(lacks)
        if lacks and not (force_by.strip() and force_why.strip()):
            raise RegistryError(
                "To let a version answer that has not passed takes a name and a reason, in your "
                f"own words: {force_command(version_id)}"
            )

    def check_file_may_answer(self, path: Path) -> None:
        """The same for a file that is named in the settings: a version that lies there has to pass
        as if it were deployed. What is not registered is nobody's business here."""
        for version in self.list():
            if version.kind != "base" and self.path(version).resolve() == path.resolve():
                self.check_may_answer(version.version_id)

    def record_deployed(
        self, version_id: str, force_by: str = "", force_why: str = ""
    ) -> ModelVersion:
        """The second half of `deploy`, for who verified the file and tried it out in between.

        What stands in the registry and the settings before is kept (storage/before_deploy.py).
        Raises RegistryError.
        """
        self.check_may_answer(version_id, force_by, force_why)
        how: dict[str, str] = {"how": DEPLOYED}
        if force_why and lacking(self.gates(version_id)):
            how = {"how": FORCED, "who": force_by.strip(), "why": force_why.strip()}
        return self._deploy(version_id, **how)

    def deploy_again(self, version_id: str) -> ModelVersion:
        """Let a version answer as it did before, where what was to follow it could not. Raises
        RegistryError."""
        self._refuse_barred(self.get(version_id))
        return self._deploy(version_id, how=ROLLED_BACK)

    def _deploy(self, version_id: str, **how: str) -> ModelVersion:
        now_ms = self._clock_ms()
        present = self.deployed()
        if present is not None and present.version_id != version_id:
            keep_before(self._home, self._db, version_id, now_ms)
        self._db.deploy_model(version_id, now_ms, **how)
        return self.get(version_id)

    def rollback(self, how: str = ROLLED_BACK, why: str = "") -> ModelVersion:
        """Verify the previously deployed version and deploy it again: one row. Raises
        RegistryError."""
        previous = self._db.previous_model()
        if previous is None or self.deployed() is None:
            raise RegistryError("There is no earlier deployed model to roll back to.")
        self._refuse_barred(previous)
        self.verify(previous.version_id)
        try:
            return self._db.roll_back_model(self._clock_ms(), how=how, why=why)
        except DatabaseError as error:
            raise RegistryError(str(error)) from error

    def fall_back(self, base: ModelVersion | None) -> ModelVersion | None:
        """Where the deployed version may not answer any more: deploy the newest that was deployed
        before it and may, else a base, else `base`, which is registered then.

        Returns what answers now; None where the deployed version stays, be it that it may answer or
        that there is nothing else whose file is what was registered.
        """
        present = self.deployed()
        if present is None or not present.is_barred:
            return None
        bases = [v for v in self.list() if v.kind == "base" and v.tainted_at_ms is None]
        others = [v for v in self._db.deployments() if v.tainted_at_ms is None]
        known = {v.version_id: v for v in (*others, *reversed(bases))}
        for version in (*known.values(), *([] if base is None else [base])):
            try:
                version = self.verify(self.register(version).version_id)
                return self._deploy(version.version_id, how=FELL_BACK)
            except MynahError:
                continue  # its file is gone, or another
        return None

    def _refuse_barred(self, version: ModelVersion) -> None:
        if version.is_barred:
            raise RegistryError(
                f"{version.version_id} learned from {version.tainted_because}, so it does not "
                "answer; train a new version, or take it on you: python scripts/privacy.py defer "
                f'{version.version_id} --why "..."'
            )

    def _find(self, version_id: str) -> ModelVersion | None:
        return next((v for v in self._db.model_versions() if v.version_id == version_id), None)


def _why_missing(version: ModelVersion, path: Path) -> str:
    if version.pruned_at_ms is None:
        return f"its file {path} is missing."
    day = time.strftime("%Y-%m-%d", time.gmtime(version.pruned_at_ms / 1000))
    return (
        f"its files were cleared away on {day} (6_manage_models.py prune), so it cannot answer. "
        "Train it again from its data set, or restore a backup that holds it."
    )
