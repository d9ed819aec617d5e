"""The packages that training needs and the bot does not: whether they are there, and getting them.

Tk's thread alone, but for `missing`.
"""

from __future__ import annotations

import importlib
import importlib.util

from gui.app_model import AppModel
from gui.models.outlasting import Outlasting
from gui.script_run import ScriptRun

SCRIPT = "install.py"
PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "gguf")
NEED = (
    "Training needs packages that the bot does without, about 2 GB: PyTorch, TRL and others. They "
    "are installed once, beside Mynah's own. What is installed stays if you stop it."
)


def missing(packages: tuple[str, ...] = PACKAGES) -> tuple[str, ...]:
    """Those that are not installed. Imports none of them; for a worker."""
    importlib.invalidate_caches()
    return tuple(name for name in packages if importlib.util.find_spec(name) is None)


class PackagesRun(Outlasting):
    """The window's one installation."""

    def __init__(self) -> None:
        super().__init__()
        self.is_busy = False
        self.said = ""
        """The last line that it printed."""
        self.failure = ""
        self._run: ScriptRun | None = None

    def start(self, app: AppModel) -> None:
        """Install them."""
        if self.is_busy:
            return
        self.is_busy, self.said, self.failure = True, "", ""
        self._run = app.run_script(
            SCRIPT,
            "--train",
            on_said=self._heard,
            done=lambda result: self._end(app, ""),
            failed=lambda reason: self._end(app, reason),
        )
        self.tell()

    def cancel(self) -> None:
        """Leave it off; what is installed stays."""
        if self._run is not None:
            self._run.cancel()

    def _heard(self, line: str) -> None:
        self.said = line
        self.tell()

    def _end(self, app: AppModel, reason: str) -> None:
        was_cancelled = self._run is not None and self._run.is_cancelled
        self.is_busy, self._run = False, None
        self.failure = "" if was_cancelled else reason
        app.tell("data")
        self.tell()
