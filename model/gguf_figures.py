"""What a GGUF's header may say of its model: figures on which llama.cpp aborts are refused here.

llama.cpp answers most nonsense with an error, but some with GGML_ASSERT, which ends the whole
process, or with an exception where nothing catches it. Only architectures that were tried with
tens of thousands of such headers (docs/experiments.md) are taken: half of the others abort on some.
Pure functions; standard library alone. Written against the llama.cpp of llama-cpp-python 0.3.36:
src/llama-model.cpp (load_hparams), src/llama-vocab.cpp, src/models/*.cpp.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

Scalar = int | float | bool | str
Numbers = tuple[int | float | bool, ...]

MAX_BLOCKS = 512
"""LLAMA_MAX_LAYERS"""
MAX_EXPERTS = 1024
"""LLAMA_MAX_EXPERTS"""
MAX_FIGURE = 1 << 24
"""More than any width, head or feed-forward has; products of two stay far below overflow."""

RECURRENT = frozenset({"mamba", "mamba2"})
EMBEDDERS = frozenset({"bert", "nomic-bert", "modern-bert", "jina-bert-v3", "neo-bert", "eurobert"})
DECODERS = frozenset(
    "llama mistral3 qwen2 qwen2moe qwen3 qwen3moe gemma gemma2 gemma3 phi2 phi3 starcoder2 "
    "stablelm internlm2 minicpm smollm3 granite granitemoe olmo olmo2 exaone exaone4 command-r "
    "cohere2 glm4 chatglm ernie4_5 hunyuan-dense seed_oss nemotron falcon gpt2 arcee orion xverse "
    "baichuan bitnet mpt bloom".split()
)
OPENED = DECODERS | EMBEDDERS | RECURRENT
"""Architectures that are opened at all; `mistral` and most others' models call themselves llama."""

_ROPE_SCALINGS = {"none", "linear", "yarn", "longrope"}
_BYTE_TOKEN = 6
"""LLAMA_TOKEN_TYPE_BYTE"""


@dataclass
class Vocabulary:
    """The tokens of a header, as they are read."""

    tokens: set[bytes] = field(default_factory=set)
    kinds: frozenset[int | float | bool] = frozenset()
    """Token types that occur."""
    size: int = 0
    twice: bytes | None = None
    """A token that is there more than once."""

    def add(self, token: bytes) -> None:
        # llama.cpp takes a token up to its first NUL, and calls an empty one so.
        text = token.partition(b"\0")[0] or b"[EMPTY_%d]" % self.size
        if text in self.tokens:
            self.twice = text
        self.tokens.add(text)
        self.size += 1


def faults(
    architecture: str,
    metadata: Mapping[str, Scalar],
    lists: Mapping[str, Numbers],
    vocabulary: Vocabulary,
) -> Iterator[str]:
    """What is wrong with a header's figures, a clause each; nothing where llama.cpp can have it."""
    if architecture not in OPENED:
        yield (
            f"its architecture is {architecture[:40]!r}, which Mynah does not open "
            "(Qwen2.5, Qwen3, Llama, Mistral, Gemma and Granite are among those that it does)"
        )
    figures = _Figures(architecture, metadata, lists)
    yield from _vocabulary_faults(metadata, vocabulary)
    yield from _layer_faults(figures)
    yield from _head_faults(figures)
    yield from _expert_faults(figures)
    yield from _number_faults(figures)


def missing_attention(
    architecture: str,
    metadata: Mapping[str, Scalar],
    lists: Mapping[str, Numbers],
    tensors: Container[str],
) -> Iterator[str]:
    """No number of heads, or a layer without queries, keys and values: some graphs do not look.

    `tensors` are names; `metadata` has been through `faults`."""
    blocks = metadata.get(f"{architecture}.block_count", 0)
    if architecture in RECURRENT or "token_embd.weight" not in tensors:
        return
    heads = f"{architecture}.attention.head_count"
    if heads not in metadata and heads not in lists:
        yield "it does not say how many attention heads it has"
    for number in range(int(blocks)):
        parts = [f"blk.{number}.attn_{part}.weight" for part in ("q", "k", "v")]
        if f"blk.{number}.attn_qkv.weight" not in tensors and any(
            part not in tensors for part in parts
        ):
            yield f"its layer {number} lacks an attention tensor"
            return


class _Figures:
    """The keys of the model's own architecture."""

    def __init__(
        self, architecture: str, metadata: Mapping[str, Scalar], lists: Mapping[str, Numbers]
    ) -> None:
        self.architecture = architecture
        self._metadata = metadata
        self._lists = lists
        self.named = {
            key[len(architecture) + 1 :]: value
            for key, value in metadata.items()
            if key.startswith(f"{architecture}.")
        }

    def one(self, name: str) -> Scalar | None:
        return self.named.get(name)

    def names(self) -> list[str]:
        listed = [key for key in self._lists if key.startswith(f"{self.architecture}.")]
        return [*self.named, *(key[len(self.architecture) + 1 :] for key in listed)]

    def number(self, name: str, default: int = 0) -> int:
        value = self.named.get(name, default)
        return value if isinstance(value, int) else default

    def each(self, name: str) -> list[int]:
        """A figure's values: one for all layers, or one a layer. Others than whole: left out."""
        listed = self._lists.get(f"{self.architecture}.{name}", ())
        found = [self.named[name]] if name in self.named else listed
        return [value for value in found if isinstance(value, int)]


def _vocabulary_faults(metadata: Mapping[str, Scalar], vocabulary: Vocabulary) -> Iterator[str]:
    model = metadata.get("tokenizer.ggml.model")
    if vocabulary.twice is not None:
        yield f"its vocabulary holds {vocabulary.twice[:40]!r} twice"
    if model is not None and model not in ("gpt2", "gemma4", "llama", "bert", "t5"):
        yield f"its tokenizer is {str(model)[:40]!r}, which Mynah does not open"
    if metadata.get("tokenizer.ggml.pre") == "whitespace":
        yield "its tokenizer splits words in a way that Mynah does not open"
    if model == "bert" and _BYTE_TOKEN in vocabulary.kinds:
        yield "its vocabulary of words holds tokens for bytes"
    if model == "llama":
        # What is in no token is written byte by byte, and a byte without a token is an exception.
        for byte in range(256):
            if not {b"<0x%02X>" % byte, bytes([byte])} & vocabulary.tokens:
                yield f"its vocabulary has no token for the byte {byte}"
                return
    if model in ("bert", "t5"):
        yield from _mark_faults(metadata, vocabulary, str(model))


def _mark_faults(
    metadata: Mapping[str, Scalar], vocabulary: Vocabulary, model: str
) -> Iterator[str]:
    """An embedder sets marks around a line; one that does not exist is an assertion."""
    marks = {"bert": (("bos", 101), ("seperator", 102)), "t5": (("eos", 1),)}[model]
    if model == "t5" and metadata.get("tokenizer.ggml.add_bos_token"):
        marks = (*marks, ("bos", -1))
    for name, usual in marks:
        stated = metadata.get(f"tokenizer.ggml.{name}_token_id", usual)
        known = isinstance(stated, int) and 0 <= stated < vocabulary.size
        if not known and not 0 <= usual < vocabulary.size:
            yield f"its {name} token is {stated}, and it has {vocabulary.size} tokens"


def _layer_faults(figures: _Figures) -> Iterator[str]:
    blocks = figures.one("block_count")
    if blocks is not None and not (isinstance(blocks, int) and 1 <= blocks <= MAX_BLOCKS):
        yield f"it claims {blocks} blocks; 1 to {MAX_BLOCKS} are taken"
    ahead = figures.number("nextn_predict_layers")
    if ahead and not 0 <= ahead < figures.number("block_count", MAX_BLOCKS):
        yield f"it claims {ahead} layers that predict ahead, of {blocks}"
    for name in figures.names():
        limit = 1 << 31 if name.endswith("context_length") else MAX_FIGURE
        if name.endswith(("_length", "_count", "_size")) and not all(
            0 <= value < limit for value in figures.each(name)
        ):
            yield f"its {name} is beyond all measure"


def _head_faults(figures: _Figures) -> Iterator[str]:
    if figures.architecture in RECURRENT:
        return
    heads = figures.each("attention.head_count")
    if not all(heads):
        yield "it claims a layer without attention heads"
        return
    for number, kv_heads in enumerate(figures.each("attention.head_count_kv")):
        own = heads[min(number, len(heads) - 1)] if heads else 0
        if kv_heads < 1 or own % kv_heads:
            yield f"its {own} attention heads cannot share {kv_heads} keys"
            return
    width, first = figures.one("embedding_length"), next(iter(heads), 0)
    usual = int(width) // first if first and isinstance(width, int) else 0
    yield from _rotation_faults(figures, "", usual, usual)
    key = figures.number("attention.key_length", usual)
    value = figures.number("attention.value_length", usual)
    yield from _rotation_faults(figures, "_swa", key, value)


def _rotation_faults(figures: _Figures, layers: str, key: int, value: int) -> Iterator[str]:
    """Heads (`layers` "_swa": those of a sliding window) are turned whole or in part, in pairs;
    by nothing they would be turned for ever."""
    key = figures.number(f"attention.key_length{layers}", key)
    value = figures.number(f"attention.value_length{layers}", value)
    name = f"rope.dimension_count{layers}"
    turned = figures.number(name, figures.number("rope.dimension_count", key))
    whole = figures.architecture in FULL_ROTATION
    sound = key == value and (turned == key if whole else 0 < turned <= key)
    if min(key, value) <= 0:
        sound = not {"attention.head_count", name} & figures.named.keys()
    if not sound or key % 2 or turned % 2 or not isinstance(figures.one(name) or 0, int):
        heads, width = figures.one("attention.head_count"), figures.one("embedding_length")
        yield (
            f"its {name} is {turned}, its heads {key} and {value} (width {width} by {heads} heads)"
        )


def _expert_faults(figures: _Figures) -> Iterator[str]:
    count, groups = figures.number("expert_count"), figures.number("expert_group_count")
    used = max(figures.each("expert_used_count"), default=0)
    if not 0 <= count <= MAX_EXPERTS or used > count or bool(used) != bool(count):
        yield f"it claims {used} of {count} experts"
    elif groups and (groups >= count or count % groups):
        yield f"it claims {groups} groups of {count} experts"
    elif groups > 1 and not 0 < figures.number("expert_group_used_count") < groups:
        yield f"it uses {figures.number('expert_group_used_count')} of {groups} groups of experts"


def _number_faults(figures: _Figures) -> Iterator[str]:
    for name, value in figures.named.items():
        if name.endswith("epsilon") and not (isinstance(value, float) and 0 <= value <= 1):
            yield f"its {name} is {value}"
    scaling = figures.one("rope.scaling.type")
    if scaling is not None and scaling not in _ROPE_SCALINGS:
        yield f"its rope.scaling.type is {str(scaling)[:40]!r}"
    pooling = figures.one("pooling_type")
    if pooling is not None and not (isinstance(pooling, int) and 0 <= pooling <= 4):
        yield f"its pooling_type is {pooling}"


FULL_ROTATION = frozenset(
    "llama mistral3 qwen2 qwen2moe qwen3 qwen3moe starcoder2 internlm2 minicpm smollm3 granite "
    "granitemoe olmo olmo2 exaone exaone4 ernie4_5 seed_oss nemotron falcon arcee orion xverse "
    "baichuan".split()
)
"""Architectures whose graph asserts that a head is turned whole: n_embd_head == n_rot."""
