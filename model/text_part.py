"""Takes the text part out of a Gemma 3 that also sees: the same weights under other names.

Only text is trained and served here. The files of safetensors are copied piece by piece, without
what the model sees with; the configuration becomes that of a `Gemma3ForCausalLM`, with the figures
that Google's own leaves to the program. Standard library alone.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

from model.base_files import is_weights, read_header
from storage.errors import MynahError

_PREFIXES = ("language_model.", "model.language_model.")
"""Google's files have the first before "model.layers", transformers 5 the second in its place."""
_DEFAULTS = {
    "vocab_size": 262_208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
}
"""transformers' Gemma3TextConfig: what a configuration means that does not say."""
_FROM_WHOLE = ("bos_token_id", "eos_token_id", "pad_token_id", "torch_dtype", "dtype")
_COPY_BYTES = 1 << 22


class NoTextPartError(MynahError):
    """A folder has no text part that could be taken."""


def take_text_part(folder: Path, out: Path) -> None:
    """Write weights and configuration of the text part of `folder` into `out`, which exists.

    Raises NoTextPartError, OSError.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    text = config.get("text_config")
    if config.get("model_type") != "gemma3" or not isinstance(text, dict):
        raise NoTextPartError(f"{folder} is no Gemma 3 that sees pictures.")
    placed: dict[str, str] = {}
    for path in sorted(path for path in folder.iterdir() if is_weights(path.name)):
        placed |= dict.fromkeys(_copy_tensors(path, out / path.name), path.name)
    if not placed:
        raise NoTextPartError(f"{folder} holds no weights of a language model.")
    if list(placed.values()) != ["model.safetensors"] * len(placed):
        _write(out / "model.safetensors.index.json", {"metadata": {}, "weight_map": placed})
    whole = {name: config[name] for name in _FROM_WHOLE if name in config}
    kind = {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text"}
    _write(out / "config.json", {**_DEFAULTS, **whole, **text, **kind})


def _copy_tensors(source: Path, target: Path) -> list[str]:
    """The names of what was copied; a file without any of it is not made."""
    header, begin = read_header(source)
    kept: dict[str, Any] = {}
    ranges: list[tuple[int, int]] = []
    at = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if (own := _own_name(name)) is not None:
            first, last = entry["data_offsets"]
            kept[own] = {**entry, "data_offsets": [at, at + last - first]}
            ranges.append((begin + first, last - first))
            at += last - first
    if kept:
        raw = json.dumps({"__metadata__": {"format": "pt"}, **kept}).encode()
        raw += b" " * (-len(raw) % 8)
        with source.open("rb") as read, target.open("wb") as write:
            write.write(struct.pack("<Q", len(raw)) + raw)
            for start, size in ranges:
                _copy(read, write, start, size)
    return list(kept)


def _own_name(name: str) -> str | None:
    """What a tensor is called in the text part; None for one that is none of it."""
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return re.sub(r"^(?!model\.|lm_head\.)", "model.", name.removeprefix(prefix))
    return name if name == "lm_head.weight" else None


def _copy(read: BinaryIO, write: BinaryIO, start: int, size: int) -> None:
    read.seek(start)
    while size:
        piece = read.read(min(size, _COPY_BYTES))
        if not piece:
            raise NoTextPartError("A file of weights ends within a tensor.")
        write.write(piece)
        size -= len(piece)


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
