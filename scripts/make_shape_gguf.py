"""Writes a GGUF of random weights with the shape of a real model: to measure speed and memory.

Neither depends on the weights' values, so such a file stands in for a model that one need not have.
What it writes is nonsense. The vocabulary is a real one, so prompts cost what they cost elsewhere.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model.gguf_check import check
from scripts.edge import add_json, ending_in_a_sentence
from storage.errors import MynahError
from storage.paths import DEMO_BASE_DIR

CHUNK_BYTES = 8 << 20
UNUSED_TOKEN = 5
"""llama.h's LLAMA_TOKEN_TYPE_UNUSED; 1 is a normal word."""
EMBEDDING_SPREAD = 0.02
LOGIT_SPREAD = 3.0
"""Standard deviations. The logits' is a real model's by order of magnitude: neither one word for
ever nor all words alike."""

ATTENTION_STRENGTH = 0.25
"""Random attention looks at everything alike: at full strength all tokens would soon be the same
to the layers above, and a reply one word over and over."""


class ShapeError(MynahError):
    """The file asked for cannot be made."""


@dataclass(frozen=True)
class Shape:
    """The sizes of one model, as its GGUF states them. `vocabulary` 0: the tokenizer's own size."""

    summary: str
    architecture: str
    blocks: int
    width: int
    feed_forward: int = 0
    heads: int = 0
    kv_heads: int = 0
    vocabulary: int = 0
    context: int = 32_768
    rope_base: float = 1e6
    sliding_window: int = 0
    state: int = 0
    """Of a recurrent model: values a channel; it has neither heads nor feed-forward."""


SHAPES = {
    "qwen2.5-3b": Shape(
        "Qwen2.5-3B as Q4_K_M, 1.9 GB", "qwen2", 36, 2048, 11_008, 16, 2, vocabulary=151_936
    ),
    "qwen2.5-1.5b": Shape(
        "Qwen2.5-1.5B as Q4_K_M, 1.0 GB", "qwen2", 28, 1536, 8960, 12, 2, vocabulary=151_936
    ),
    "tiny": Shape("for tests", "qwen2", 2, 64, 128, 2, 1),
    "gemma3-tiny": Shape(
        "a sliding attention window, for tests", "gemma3", 2, 64, 128, 2, 1, sliding_window=64
    ),
    "mamba-tiny": Shape("recurrent, for tests", "mamba", 2, 64, state=16),
}
"""Published shapes: the `config.json` of each model."""


@dataclass(frozen=True)
class Tensor:
    """One tensor to write: `shape` as in NumPy (rows last but one), `kind` ggml's type's name."""

    name: str
    shape: tuple[int, ...]
    kind: str = "F32"
    mean: float = 0.0
    spread: float = 0.0
    """Standard deviation of its values."""


def main() -> int:
    """Exit status 0 written, 2 not, with a sentence."""
    arguments = _parser().parse_args()
    began_s = time.perf_counter()
    out = make(
        SHAPES[arguments.shape],
        arguments.out.expanduser(),
        tokenizer=arguments.tokenizer.expanduser(),
        seed=arguments.seed,
        quiet=arguments.json,
    )
    header = check(out)
    told = {
        "path": str(out),
        "shape": arguments.shape,
        "size_bytes": header.size_bytes,
        "parameters": header.parameter_count,
        "took_s": round(time.perf_counter() - began_s, 1),
    }
    if arguments.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(
            f"{arguments.shape}: {header.parameter_count / 1e6:,.1f} million random parameters, "
            f"{header.size_bytes / 1e6:,.1f} MB, in {told['took_s']} s, written to {out}"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    shapes = "\n".join(f"  {name:<14}{shape.summary}" for name, shape in SHAPES.items())
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"shapes:\n{shapes}\n\nexample:\n  python scripts/make_shape_gguf.py --shape "
        "qwen2.5-3b --out shape-3b.gguf\n\nExit status: 0 written, 2 not, with a sentence.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shape", choices=SHAPES, required=True, metavar="NAME", help="see below")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="replaced if there")
    parser.add_argument(
        "--tokenizer",
        type=Path,
        default=DEMO_BASE_DIR,
        metavar="PATH",
        help="a GGUF, or a folder with one, whose vocabulary is taken (default: models/demo-base); "
        "unused tokens fill it up to the shape's size",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same file (1)")
    add_json(parser, "print one JSON object, no progress")
    return parser


def make(
    shape: Shape, out: Path, *, tokenizer: Path = DEMO_BASE_DIR, seed: int = 1, quiet: bool = True
) -> Path:
    """Write one GGUF, beside `out` first; returns `out`. Needs little memory however large it is.

    Raises ShapeError where the tokenizer cannot be had or the package `gguf` is missing.
    """
    words = _tokenizer_keys(tokenizer, shape.vocabulary)
    kinds: list[int] = words["tokenizer.ggml.token_type"][0]
    tensors = list(_tensors(shape, len(kinds)))
    unfinished = out.with_name(f".{out.name}.part")
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        _write_head(shape, words, tensors, unfinished)
        _write_weights(tensors, kinds, unfinished, seed, quiet=quiet)
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)
    return out


def _gguf() -> Any:
    try:
        import gguf
    except ImportError:
        raise ShapeError(
            "The package gguf is missing: pip install -r requirements-train.txt"
        ) from None
    return gguf


def _tokenizer_keys(path: Path, vocabulary: int) -> dict[str, tuple[Any, Any, Any]]:
    """The keys of a GGUF's tokenizer (value, type, type of its items), padded to `vocabulary`."""
    gguf = _gguf()
    file = next(iter(sorted(path.glob("*.gguf"))), path) if path.is_dir() else path
    check(file)
    keys = {
        name: (field.contents(), *[*field.types, None][:2])
        for name, field in gguf.GGUFReader(file).fields.items()
        if name.startswith("tokenizer.")
    }
    try:
        tokens = keys["tokenizer.ggml.tokens"][0]
        kinds = keys["tokenizer.ggml.token_type"][0]
    except KeyError:
        raise ShapeError(f"{file} holds no vocabulary with token types: name another") from None
    missing = vocabulary - len(tokens) if vocabulary else 0
    if missing < 0:
        raise ShapeError(f"{file} has {len(tokens)} tokens, more than the shape's {vocabulary}")
    tokens += [f"[PAD{number}]" for number in range(len(tokens), len(tokens) + missing)]
    kinds += [UNUSED_TOKEN] * missing
    return keys


def _tensors(shape: Shape, vocabulary: int) -> Iterator[Tensor]:
    """Every tensor that llama.cpp asks for, with the types that its Q4_K_M gives."""
    width = shape.width
    gain = LOGIT_SPREAD / (EMBEDDING_SPREAD * math.sqrt(width))
    embedding = _kind(width, "Q6_K")
    yield Tensor("token_embd.weight", (vocabulary, width), embedding, spread=EMBEDDING_SPREAD)
    yield Tensor("output_norm.weight", (width,), mean=gain)
    block = _mamba_block if shape.architecture == "mamba" else _attention_block
    for number in range(shape.blocks):
        for tensor in block(shape, "Q6_K" if _more_bits(number, shape.blocks) else "Q4_K"):
            yield Tensor(f"blk.{number}.{tensor.name}", *list(vars(tensor).values())[1:])


def _attention_block(shape: Shape, larger: str) -> Iterator[Tensor]:
    width, head = shape.width, shape.width // shape.heads
    kv_width = shape.kv_heads * head
    yield Tensor("attn_norm.weight", (width,), mean=1.0)
    yield _matrix("attn_q.weight", width, width)
    yield _matrix("attn_k.weight", kv_width, width)
    yield _matrix("attn_v.weight", kv_width, width, larger)
    yield _matrix("attn_output.weight", width, width, strength=ATTENTION_STRENGTH)
    yield Tensor("ffn_norm.weight", (width,), mean=1.0)
    yield _matrix("ffn_gate.weight", shape.feed_forward, width)
    yield _matrix("ffn_up.weight", shape.feed_forward, width)
    yield _matrix("ffn_down.weight", width, shape.feed_forward, larger)
    if shape.architecture == "qwen2":
        for name, size in (("q", width), ("k", kv_width), ("v", kv_width)):
            yield Tensor(f"attn_{name}.bias", (size,), spread=0.1)
    if shape.architecture == "gemma3":
        for name, size in (("attn_q", head), ("attn_k", head), ("post_attention", width)):
            yield Tensor(f"{name}_norm.weight", (size,), mean=1.0)
        yield Tensor("post_ffw_norm.weight", (width,), mean=1.0)


def _mamba_block(shape: Shape, larger: str) -> Iterator[Tensor]:
    del larger  # llama.cpp gives these layers no larger type
    width, inner, rank = shape.width, 2 * shape.width, _rank(shape)
    yield Tensor("attn_norm.weight", (width,), mean=1.0)
    yield _matrix("ssm_in.weight", 2 * inner, width)
    yield Tensor("ssm_conv1d.weight", (inner, 4), spread=0.5)
    yield Tensor("ssm_conv1d.bias", (inner,), spread=0.1)
    yield _matrix("ssm_x.weight", rank + 2 * shape.state, inner)
    yield Tensor("ssm_dt.weight", (inner, rank), spread=0.5)
    yield Tensor("ssm_dt.bias", (inner,), mean=-2.0)
    yield Tensor("ssm_a", (inner, shape.state), mean=-1.0)
    yield Tensor("ssm_d", (inner,), mean=1.0)
    yield _matrix("ssm_out.weight", width, inner)


def _matrix(
    name: str, rows: int, columns: int, kind: str = "Q4_K", *, strength: float = 1.0
) -> Tensor:
    """A spread of 1 / sqrt(columns) keeps the size of what goes through it."""
    return Tensor(name, (rows, columns), _kind(columns, kind), spread=strength / math.sqrt(columns))


def _kind(columns: int, kind: str) -> str:
    """The K-quants want rows of a multiple of 256; narrow test shapes get Q8_0."""
    return kind if columns % 256 == 0 else "Q8_0"


def _more_bits(number: int, blocks: int) -> bool:
    """use_more_bits of llama.cpp's src/llama-quant.cpp."""
    eighth = blocks // 8
    return number < eighth or number >= 7 * blocks // 8 or (number - eighth) % 3 == 2


def _rank(shape: Shape) -> int:
    return max(1, shape.width // 16)


def _write_head(
    shape: Shape, words: dict[str, tuple[Any, Any, Any]], tensors: list[Tensor], out: Path
) -> None:
    """Keys and tensor table. The file then ends where the weights begin."""
    import numpy as np

    gguf = _gguf()
    writer = gguf.GGUFWriter(out, shape.architecture)
    writer.add_name(f"Random weights, {shape.summary}")
    writer.add_block_count(shape.blocks)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_layer_norm_rms_eps(1e-6)
    if shape.state:
        writer.add_ssm_conv_kernel(4)
        writer.add_ssm_inner_size(2 * shape.width)
        writer.add_ssm_state_size(shape.state)
        writer.add_ssm_time_step_rank(_rank(shape))
    else:
        writer.add_head_count_kv(shape.kv_heads)
        writer.add_rope_freq_base(shape.rope_base)
    if shape.sliding_window:
        writer.add_sliding_window(shape.sliding_window)
        writer.add_sliding_window_pattern(2)  # every second layer sees everything
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_K_M)
    for name, (value, kind, items) in words.items():
        writer.add_key_value(name, value, kind, sub_type=items)
    for tensor in tensors:
        kind = gguf.GGMLQuantizationType[tensor.kind]
        info = (tensor.name, tensor.shape, np.dtype("float32"), _bytes_of(tensor), kind)
        writer.add_tensor_info(*info)
    writer.write_header_to_file(out)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def _bytes_of(tensor: Tensor) -> int:
    block_values, block_bytes = _gguf().GGML_QUANT_SIZES[_gguf().GGMLQuantizationType[tensor.kind]]
    return int(math.prod(tensor.shape) // block_values * block_bytes)


def _write_weights(
    tensors: list[Tensor], token_kinds: list[int], out: Path, seed: int, *, quiet: bool
) -> None:
    """Append every tensor's values, a few rows at a time, each tensor on a multiple of 32 bytes."""
    import numpy as np
    from tqdm import tqdm

    chance = np.random.default_rng(seed)
    usual = np.array([kind == 1 for kind in token_kinds])
    total = sum(_bytes_of(tensor) for tensor in tensors)
    progress = tqdm(total=total, unit="B", unit_scale=True, desc="weights", disable=quiet)
    with progress, out.open("ab") as file:
        file.write(bytes(-file.tell() % 32))
        for tensor in tensors:
            rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
            row_bytes = _bytes_of(tensor) // rows
            step = max(1, CHUNK_BYTES // row_bytes)
            for first in range(0, rows, step):
                count = min(step, rows - first)
                # Nothing makes an unused or control token likely: its row is zero, so its logit is.
                seen = usual[first : first + count] if tensor.name == "token_embd.weight" else None
                file.write(_rows(tensor, count, row_bytes, chance, seen))
                progress.update(count * row_bytes)
            file.write(bytes(-file.tell() % 32))


def _rows(tensor: Tensor, rows: int, row_bytes: int, chance: Any, seen: Any) -> bytes:
    """Random values of one tensor in ggml's block layouts (ggml/src/ggml-common.h).

    The quants are random bytes; a block's scale is what makes their standard deviation `spread`.
    """
    import numpy as np

    if tensor.kind == "F32":
        values = tensor.mean + tensor.spread * chance.standard_normal(rows * row_bytes // 4)
        return bytes(values.astype("<f4").tobytes())
    block_bytes, at, parts = _SCALES[tensor.kind]
    raw = np.frombuffer(chance.bytes(rows * row_bytes), dtype=np.uint8)
    blocks = raw.reshape(rows, -1, block_bytes).copy()
    scales = np.array([tensor.spread * part for part in parts], dtype="<f2").view(np.uint8)
    blocks[:, :, at : at + len(scales)] = scales
    if seen is not None:
        blocks[~seen, :, at : at + len(scales)] = 0
    return blocks.tobytes()


_SCALES = {
    # value = d * q of -128..127, d first
    "Q8_0": (34, 0, (1 / 73.9,)),
    # value = d * scale(0..63) * q(0..15) - dmin * min(0..63), d and dmin first; dmin 7.5 d centres
    "Q4_K": (144, 0, (1 / 255.0, 7.5 / 255.0)),
    # value = d * scale(-128..127) * q(-32..31), d last
    "Q6_K": (210, 208, (1 / 1366.0,)),
}
"""Bytes a block, where its scales stand, and the scales for values of standard deviation 1."""


if __name__ == "__main__":
    sys.exit(ending_in_a_sentence(main))
