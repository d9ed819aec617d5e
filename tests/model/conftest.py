"""The tiny model of tests/model/tiny.py, made once per session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model import tiny


@pytest.fixture(scope="session")
def hf_dir() -> Path:
    return tiny.tiny_model_dir(tiny.session_folder())


@pytest.fixture(scope="session")
def f16_gguf() -> Path:
    return tiny.tiny_f16(tiny.session_folder())


@pytest.fixture(scope="session")
def q4_gguf() -> Path:
    return tiny.tiny_gguf(tiny.session_folder())


@pytest.fixture(scope="session")
def embedder_gguf() -> Path:
    return tiny.minilm_gguf(tiny.session_folder())
