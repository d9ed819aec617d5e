"""What a model needs, reckoned from its header, against what a process with it takes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model.fit import (
    Need,
    available_bytes,
    cells_of,
    need_of,
    refuse_what_does_not_fit,
)
from model.gguf_check import GgufHeader, check
from model.gguf_figures import Numbers, Scalar
from model.llama_runtime import LoadError
from storage.paths import DEMO_BASE_DIR

DEMO_GGUF = next(DEMO_BASE_DIR.glob("*.gguf"))

QWEN_3B = GgufHeader(
    architecture="qwen2",
    name="",
    size_bytes=1_927_397_920,
    tensor_count=434,
    parameter_count=3_085_938_688,
    metadata={
        "qwen2.block_count": 36,
        "qwen2.context_length": 32_768,
        "qwen2.embedding_length": 2048,
        "qwen2.feed_forward_length": 11_008,
        "qwen2.attention.head_count": 16,
        "qwen2.attention.head_count_kv": 2,
    },
    array_lengths={"tokenizer.ggml.tokens": 151_936, "tokenizer.ggml.merges": 3837},
    bytes_by_type={0: 1_000_000, 12: 1_327_000_000, 14: 595_000_000},
)
"""What scripts/make_shape_gguf.py --shape qwen2.5-3b writes."""

MEASURED_MB = [
    # conversation, channels, mmap, Pss of a process less what it took before it loaded the model
    (2048, 0, True, 3448),
    (2048, 0, False, 2124),
    (2048, 4, True, 3724),
    (2048, 4, False, 2397),
    (4096, 16, False, 4567),
]


@pytest.mark.parametrize(("context", "channels", "use_mmap", "measured"), MEASURED_MB)
def test_agrees_with_what_was_measured_at_3b(
    context: int, channels: int, use_mmap: bool, measured: int
) -> None:
    need = need_of(QWEN_3B, context_tokens=context, channels=channels, use_mmap=use_mmap)
    shown = (need.total_bytes + need.mapped_twice_bytes) / 1e6
    assert shown == pytest.approx(measured, rel=0.02)


def test_a_token_of_qwen_3b_costs_36_kb() -> None:
    need = need_of(QWEN_3B, context_tokens=2048, channels=0)
    assert need.cache_bytes == 2048 * 36 * 1024
    assert need.total_bytes == need.weights_bytes + need.cache_bytes + need.beside_bytes


def test_mmap_shows_more_and_needs_no_more() -> None:
    mapped = need_of(QWEN_3B, context_tokens=2048, channels=2, use_mmap=True)
    read = need_of(QWEN_3B, context_tokens=2048, channels=2, use_mmap=False)
    assert mapped.total_bytes == read.total_bytes
    assert (mapped.mapped_twice_bytes, read.mapped_twice_bytes) == (1_327_000_000, 0)


def test_no_more_context_than_the_model_was_made_for() -> None:
    short = replace(QWEN_3B, metadata={**QWEN_3B.metadata, "qwen2.context_length": 512})
    assert need_of(short, context_tokens=2048, channels=0).cache_bytes == 512 * 36 * 1024


def cache_of(metadata: dict[str, int], **lists: tuple[int, ...]) -> int:
    """A model of 2 layers and width 64; 256 cells."""
    figures: dict[str, Scalar] = {"qwen2.block_count": 2, "qwen2.embedding_length": 64}
    figures |= {f"qwen2.{name}": value for name, value in metadata.items()}
    listed: dict[str, Numbers] = {
        f"qwen2.attention.{name}": values for name, values in lists.items()
    }
    header = replace(QWEN_3B, metadata=figures, lists=listed)
    return need_of(header, context_tokens=256, channels=0).cache_bytes // 256


def test_heads_may_be_told_in_many_ways() -> None:
    heads = {"attention.head_count": 4}
    assert cache_of({**heads, "attention.head_count_kv": 1}) == 2 * 1 * 32 * 2
    assert cache_of(heads) == 2 * 4 * 32 * 2
    assert cache_of(heads, head_count_kv=(1, 2)) == 3 * 32 * 2
    assert cache_of({}, head_count=(4, 4), head_count_kv=(4, 0)) == 4 * 32 * 2
    lengths = {"attention.key_length": 24, "attention.value_length": 8}
    assert cache_of({**heads, **lengths}) == 2 * 4 * 32 * 2
    assert cache_of({**heads, "attention.key_length": 32}) == 2 * 4 * 48 * 2
    assert cache_of({}) == 0


def test_cells_are_those_that_the_engine_makes() -> None:
    assert cells_of(2048, 0) == 2048
    assert cells_of(2048, 4) == 9216
    assert cells_of(100, 1) == 256


MEASURE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import llama_cpp, numpy
from model.fit import cells_of
from model.llama_runtime import load_model
llama_cpp.llama_backend_init()
def anonymous():  # not the libraries' pages, which count as this process's own or not as it happens
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
before = anonymous()
model, _ = load_model(Path(sys.argv[2]), use_mmap=False)
params = llama_cpp.llama_context_default_params()
params.n_ctx, params.n_batch, params.n_ubatch = cells_of(512, 8), 512, 512
params.n_seq_max, params.kv_unified, params.n_threads_batch = 16, True, 1
params.n_outputs_max = 16
context = llama_cpp.llama_init_from_model(model, params)
ids = (llama_cpp.llama_token * 512)(*range(512))
for _ in range(8):
    assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(ids, 512)) == 0
print(anonymous() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what a process is charged with differs")
def test_agrees_with_a_process_that_has_loaded_the_demo_base() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", MEASURE, str(root), str(DEMO_GGUF)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    need = need_of(check(DEMO_GGUF), context_tokens=512, channels=8, use_mmap=False)
    # Small enough that the parts that do not grow with a model count.
    assert need.total_bytes == pytest.approx(int(done.stdout), rel=0.25)


def test_what_fits_is_let_through() -> None:
    need = Need(weights_bytes=3_000_000_000, cache_bytes=500_000_000, beside_bytes=100_000_000)
    refuse_what_does_not_fit("big.gguf", need, need.total_bytes)
    assert available_bytes() > 0


def test_what_does_not_fit_is_refused_with_figures_and_what_helps() -> None:
    need = Need(weights_bytes=3_000_000_000, cache_bytes=500_000_000, beside_bytes=100_000_000)
    with pytest.raises(LoadError) as refused:
        refuse_what_does_not_fit("big.gguf", need, 2_000_000_000)
    said = str(refused.value)
    assert "big.gguf needs 3.6 GB" in said
    assert "2.0 GB is free" in said
    assert "smaller model" in said
    with pytest.raises(LoadError, match=r"context_tokens or channels_read_along"):
        refuse_what_does_not_fit("big.gguf", need, 3_200_000_000)
