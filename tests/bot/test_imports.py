"""The bot's process stays light: nothing of training and no widgets, by any road."""

from __future__ import annotations

import subprocess
import sys

from storage.paths import PROGRAM_DIR

HEAVY = ("torch", "transformers", "trl", "peft", "datasets", "sentence_transformers", "tkinter")


def test_no_heavy_module_is_imported() -> None:
    script = (
        "import sys, bot.composition, bot.pipeline, bot.platforms.local, storage.vectordb\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROGRAM_DIR,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert out.stdout.strip() == "[]"
