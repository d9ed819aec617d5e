"""The folder of a training that is not finished: models/checkpoints/NAME.running. Needs no torch.

    inputs.json            what the adapter's manifest will name; no text of anybody
    trained_on.npz         whose words it learns from, as it began (model/trained_on.py): what is
                           erased meanwhile is taken out there, and the adapter says so
    checkpoint-STEP/       as transformers leaves them, with a manifest that is written last

The same inputs: it goes on from the last whole checkpoint. Others: it begins anew. What has no
manifest, or another size or hash than that says, was cut off while it was written, and is removed.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from model import trained_on
from model.trained_on import TrainedOn
from model.training.errors import TrainingError
from storage import manifest
from storage.manifest import ManifestError

log = logging.getLogger(__name__)

SUFFIX = ".running"
INPUTS = "inputs.json"


class Running:
    """Beside the folder that the finished adapter gets."""

    begun_at: Path | None = None
    """The checkpoint to go on from, once it is open; None to begin."""

    def __init__(self, out_dir: Path) -> None:
        self.folder = out_dir.with_name(out_dir.name + SUFFIX)
        self._lock = FileLock(out_dir.with_name(f".{out_dir.name}.lock"), timeout=0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """By this process alone. Raises TrainingError where another one trains the same."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock:
                yield
        except Timeout:
            name = self.folder.name.removesuffix(SUFFIX)
            raise TrainingError(
                f'"{name}" is being trained by another process: let it finish, or give this '
                "training another --name."
            ) from None

    def is_of(self, inputs: Mapping[str, object]) -> bool:
        """Whether it was begun with just these inputs."""
        try:
            found = json.loads((self.folder / INPUTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(found == json.loads(json.dumps(dict(inputs))))

    def open(self, inputs: Mapping[str, object], learned: Callable[[], TrainedOn]) -> None:
        """Find the checkpoint to go on from; what is not whole is removed. `learned` is asked for
        whose words it learns from where it begins."""
        if not self.is_of(inputs):
            if steps := self.steps():
                log.warning(
                    f"{self.folder.name}, begun with other numbers or another training set, is "
                    f"removed at step {max(steps)}: the training begins anew."
                )
            self.remove()
            self.folder.mkdir(parents=True)
            manifest.write_text_atomically(self.folder / INPUTS, json.dumps(dict(inputs)))
        whole = []
        for step, folder in self._checkpoints():
            try:
                manifest.verify_manifest(folder)
                whole.append((step, folder))
            except ManifestError:
                shutil.rmtree(folder)
        self.begun_at = max(whole)[1] if whole else None
        if trained_on.read(self.folder) is None:
            trained_on.write(self.folder / trained_on.NAME, learned())

    def checkpoint(self, step: int) -> Path:
        return self.folder / f"checkpoint-{step}"

    def seal(self, step: int) -> None:
        """All of that checkpoint is on the disk. Raises OSError."""
        manifest.write_manifest(self.checkpoint(step), "checkpoint", {}, {"step": step})

    def keep_only(self, *steps: int | None) -> None:
        """The last one and the best one."""
        for step, folder in self._checkpoints():
            if step not in steps:
                shutil.rmtree(folder, ignore_errors=True)

    def steps(self) -> list[int]:
        """Of the checkpoints that are there."""
        return [step for step, _ in self._checkpoints()]

    def remove(self) -> None:
        """Once the adapter is there."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def _checkpoints(self) -> list[tuple[int, Path]]:
        found = [(f.name.rpartition("-")[2], f) for f in self.folder.glob("checkpoint-*")]
        return sorted((int(step), folder) for step, folder in found if step.isdigit())
