"""Finds the files of ../shared that some tests read; elsewhere those are skipped with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.paths import PROGRAM_DIR

SHARED_DIR = PROGRAM_DIR.parent / "shared"


def shared_path(relative: str) -> Path:
    """`../shared/<relative>`. Skips the test where it does not exist (in CI that is a failure)."""
    path = SHARED_DIR / relative
    if not path.exists():
        pytest.skip(f"needs ../shared/{relative}, which is not on this machine")
    return path
