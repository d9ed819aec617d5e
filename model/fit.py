"""Whether a model fits into the memory that is free: reckoned from its header, unloaded.

Measured against the memory of a process with a model of Qwen2.5-3B's shape and with
models/demo-base (docs/experiments.md). Any thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from model.gguf_check import GgufHeader
from model.llama_runtime import LoadError

BATCH_TOKENS = 512
"""The most that the engine evaluates at once."""
KEPT = 0.5
"""Of the room for a transcript, for its newest lines, where it is cut (bot/compose.py)."""
CACHE_CELLS_STEP = 256
"""llama.cpp rounds the context up to a multiple of this."""
CACHE_VALUE_BYTES = 2
"""Keys and values are kept as F16."""
TOKEN_BYTES = 180
MERGE_BYTES = 110
"""What llama.cpp keeps of a vocabulary, an entry; measured at 152,000 of each."""
RUNTIME_BYTES = 10_000_000
"""llama.cpp's own, and its threads'."""

_REPACKED_TYPES = (2, 10, 12, 20)
"""Q4_0, Q2_K, Q4_K, IQ4_NL: ggml's CPU backend multiplies by a rearranged copy of these."""


@dataclass(frozen=True)
class Need:
    """Bytes of memory that a loaded model takes, the process around it left out."""

    weights_bytes: int
    """The file's size, with mmap and without: what llama.cpp rearranges is not read again."""
    cache_bytes: int
    """Keys and values of all conversations."""
    beside_bytes: int
    """The vocabulary and what a batch is computed in."""
    mapped_twice_bytes: int = 0
    """With mmap, pages of the file that a rearranged copy stands beside. The system keeps them
    while there is room, so they show in the process's memory, and takes them back at no cost."""

    @property
    def total_bytes(self) -> int:
        """What must be free."""
        return self.weights_bytes + self.cache_bytes + self.beside_bytes


def need_of(
    header: GgufHeader, *, context_tokens: int, channels: int, use_mmap: bool = True
) -> Need:
    """What a model needs for `channels` conversations of `context_tokens`; 0 channels: one alone.

    weights  size of the file
    cache    cells x layers x key-value heads x (key length + value length) x 2 bytes;
             llama.cpp's src/llama-kv-cache.cpp, a head's length being width / heads unless stated.
             Layers with a sliding window count whole, as the engine opens them (swa_full)
    beside   tokens x 180 + merges x 110
             + 512 tokens at once x 4 bytes x (3 feed-forward + 4 width)      activations
             + 512 x cells x 2 bytes                                          attention's mask
             + 10 MB

    Against measured memory at Qwen2.5-3B's shape: within 2%. A recurrent model's state is not
    counted. Raises nothing: what a header does not say counts nothing.
    """
    cells = cells_of(_known_context(header, context_tokens), channels)

    entries = header.array_lengths.get("tokenizer.ggml.merges", 0) * MERGE_BYTES
    entries += header.vocabulary_size * TOKEN_BYTES
    width = header.embedding_length
    feed_forward = max(_each(header, "feed_forward_length", 1), default=0)
    batch = BATCH_TOKENS * (4 * (3 * feed_forward + 4 * width) + 2 * cells)
    repacked = sum(header.bytes_by_type.get(kind, 0) for kind in _REPACKED_TYPES)
    return Need(
        weights_bytes=header.size_bytes,
        cache_bytes=cells * _cell_bytes(header),
        beside_bytes=entries + batch + RUNTIME_BYTES,
        mapped_twice_bytes=repacked if use_mmap else 0,
    )


def cells_of(context_tokens: int, channels: int) -> int:
    """Tokens that the engine's cache has room for: a conversation a channel, and what will be left
    of one of them once it is cut."""
    tokens = round(context_tokens * (channels + KEPT)) if channels else context_tokens
    return -(-tokens // CACHE_CELLS_STEP) * CACHE_CELLS_STEP


def available_bytes() -> int:
    """Memory that can be had without swapping, now (psutil's `available`)."""
    import psutil

    return int(psutil.virtual_memory().available)


def refuse_what_does_not_fit(name: str, need: Need, available_bytes: int) -> None:
    """Raise LoadError with what is needed, what is free and what helps, where it does not fit."""
    if need.total_bytes <= available_bytes:
        return
    without_cache = need.total_bytes - need.cache_bytes
    smaller = "choose a smaller model or quantisation, or close other programs"
    if without_cache < available_bytes:
        smaller = "lower context_tokens or channels_read_along, or close other programs"
    raise LoadError(
        f"{name} needs {_gb(need.total_bytes)} of memory ({_gb(need.weights_bytes)} weights, "
        f"{_gb(need.cache_bytes)} for what it has read, {_gb(need.beside_bytes)} beside) and "
        f"{_gb(available_bytes)} is free: {smaller}"
    )


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e9:.2f} GB"


def _known_context(header: GgufHeader, context_tokens: int) -> int:
    """The engine never opens more than the model was made for."""
    return min(context_tokens, header.context_length or context_tokens)


def _cell_bytes(header: GgufHeader) -> int:
    """Keys and values of one token in all layers."""
    blocks = _figure(header, "block_count")
    heads = list(_each(header, "attention.head_count", blocks))
    shared = list(_each(header, "attention.head_count_kv", blocks)) or heads
    usual = header.embedding_length // max(heads[0], 1) if heads else 0
    key = _figure(header, "attention.key_length") or usual
    value = _figure(header, "attention.value_length") or usual
    return sum(shared) * (key + value) * CACHE_VALUE_BYTES


def _each(header: GgufHeader, name: str, blocks: int) -> Iterator[int]:
    """A figure of every layer: one for all, or a list; nothing where the header lacks it."""
    key = f"{header.architecture}.{name}"
    one = header.metadata.get(key)
    listed = header.lists.get(key, ()) if one is None else (one,) * blocks
    return (int(value) for value in listed)


def _figure(header: GgufHeader, name: str) -> int:
    value = header.metadata.get(f"{header.architecture}.{name}", 0)
    return value if isinstance(value, int) else 0
