"""The registry of models: candidate -> judged -> deployed -> retired, with lineage and rollback.

A version is one GGUF file and where it came from. What is deployed has been compared with its
SHA-256 right before; a version whose file is missing or differs is never deployed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from storage.database import Database, DatabaseError
from storage.errors import MynahError
from storage.manifest import sha256_file
from storage.paths import Home
from storage.records import ModelVersion


class RegistryError(MynahError):
    """A model version is unknown, or its file is not what was registered."""


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
            raise RegistryError(f"{version_id}: its file {path} is missing.")
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

    def set_judged(self, version_id: str) -> ModelVersion:
        """A candidate passed its evaluation."""
        self.get(version_id)
        self._db.set_model_status(version_id, "judged", self._clock_ms())
        return self.get(version_id)

    def deploy(self, version_id: str) -> ModelVersion:
        """Verify the file, then let this version answer; the one before it is retired.

        Raises RegistryError, and nothing has changed then. A running bot follows at its next start.
        """
        self._refuse_barred(self.get(version_id))
        self.verify(version_id)
        return self.record_deployed(version_id)

    def record_deployed(self, version_id: str) -> ModelVersion:
        """The second half of `deploy`, for who verified the file and tried it out in between.

        Raises RegistryError.
        """
        self._refuse_barred(self.get(version_id))
        self._db.set_model_status(version_id, "deployed", self._clock_ms())
        return self.get(version_id)

    def rollback(self) -> ModelVersion:
        """Verify the previously deployed version and deploy it again: one row.

        Raises RegistryError.
        """
        previous = self._db.previous_model()
        if previous is None or self.deployed() is None:
            raise RegistryError("There is no earlier deployed model to roll back to.")
        self._refuse_barred(previous)
        self.verify(previous.version_id)
        try:
            return self._db.roll_back_model(self._clock_ms())
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
                return self.deploy(self.register(version).version_id)
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
