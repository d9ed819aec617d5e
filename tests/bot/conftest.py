"""Fixtures of the bot's tests: a database with a little history, and a tiny real model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.bot.scene import fill


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "home" / "mynah.db") as opened:
        fill(opened)
        yield opened


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF of random weights, real in every other way."""
    from tests.model.tiny import tiny_gguf

    return tiny_gguf(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def embedder_gguf() -> Path:
    from tests.model.tiny import minilm_gguf, session_folder

    return minilm_gguf(session_folder())
