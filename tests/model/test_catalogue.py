"""catalogue: what is listed is whole, and whether it runs here follows from memory and disk."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from model.catalogue import (
    CATALOGUE,
    DOES_NOT_FIT,
    FITS,
    OVERHEAD_BYTES,
    TIGHT,
    CatalogueModel,
    Computer,
    NoSuchModelError,
    find,
    fit,
    this_computer,
)

GB = 10**9


def the(model_id: str) -> CatalogueModel:
    return find(model_id)


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.model_id)
def test_each_is_named_licensed_and_pinned_by_hash_and_commit_or_by_neither(
    model: CatalogueModel,
) -> None:
    assert re.fullmatch(r"[a-z0-9.-]+", model.model_id)
    assert model.name
    assert model.licence
    assert model.licence_url.startswith("https://")
    assert model.repository.count("/") == 1
    assert model.file.lower().endswith("q4_k_m.gguf")
    if model.sha256:
        assert re.fullmatch("[0-9a-f]{64}", model.sha256)
        assert re.fullmatch("[0-9a-f]{40}", model.revision)
    else:
        assert model.revision == "main"
    bits = model.size_bytes * 8 / model.parameters
    assert 4.5 < bits < 8.5  # Q4_K_M, and the small ones' embeddings weigh more


def test_ids_are_unique_and_an_unknown_one_names_the_others() -> None:
    assert len({model.model_id for model in CATALOGUE}) == len(CATALOGUE)
    with pytest.raises(NoSuchModelError, match="qwen3-4b-instruct-2507"):
        find("gpt-9")


def test_memory_is_file_cache_and_overhead() -> None:
    model = the("qwen2.5-3b-instruct")
    assert model.kv_bytes_per_token == 36 * 1024  # what the help of context_tokens says
    need = model.memory_bytes(2048)
    assert need == model.size_bytes + 2048 * 36 * 1024 + OVERHEAD_BYTES
    assert model.memory_bytes(10**9) == model.memory_bytes(32_768)


@pytest.mark.parametrize(
    ("memory_gb", "model_id", "expected"),
    [
        (4, "qwen2.5-0.5b-instruct", FITS),
        (4, "qwen2.5-1.5b-instruct", FITS),
        (4, "qwen2.5-3b-instruct", TIGHT),
        (4, "qwen3-4b-instruct-2507", DOES_NOT_FIT),
        (8, "qwen3-4b-instruct-2507", FITS),
        (8, "qwen2.5-7b-instruct", TIGHT),
        (16, "qwen2.5-7b-instruct", FITS),
    ],
)
def test_what_fits(memory_gb: int, model_id: str, expected: str) -> None:
    computer = Computer(memory_gb * GB, 100 * GB)
    word, why = fit(the(model_id), computer, 2048, missing_bytes=None)
    assert word == expected
    assert bool(why) == (word != FITS)


def test_a_full_disk_does_not_fit_unless_the_file_is_there() -> None:
    model, computer = the("qwen3-4b-instruct-2507"), Computer(64 * GB, GB)
    word, why = fit(model, computer, 2048, missing_bytes=None)
    assert (word, "disk has 1.0 GB free" in why) == (DOES_NOT_FIT, True)
    assert fit(model, computer, 2048, missing_bytes=100_000_000)[0] == FITS  # the rest of a part
    assert fit(model, Computer(64 * GB, 0), 2048, missing_bytes=0)[0] == FITS


def test_this_computer_is_asked_where_the_folder_will_be(tmp_path: Path) -> None:
    computer = this_computer(tmp_path / "not" / "made" / "yet")
    assert computer.memory_bytes > GB / 4
    assert computer.disk_free_bytes > 0
