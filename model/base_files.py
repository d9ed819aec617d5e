"""The files of a base: what a download takes, what its tokenizer is, and the head of its weights.

Standard library alone.
"""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
_OTHERS = ("config.json", "generation_config.json", "model.safetensors.index.json")
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_LICENCE = re.compile(r"(?:LICENSE|NOTICE|USE_POLICY)[\w.-]{0,20}")
_MOST_HEADER_BYTES = 64 << 20


def is_base_file(name: str) -> bool:
    """Whether a file of a repository belongs to the base; nothing in a folder of its own does."""
    is_named = name in TOKENIZER_FILES or name in _OTHERS
    return is_named or bool(_WEIGHTS.fullmatch(name) or _LICENCE.fullmatch(name))


def is_weights(name: str) -> bool:
    return _WEIGHTS.fullmatch(name) is not None


def copy_tokenizer(base_dir: Path, to: Path) -> None:
    """What is made from a base keeps its tokenizer to the byte: transformers would save Gemma's
    without the tokenizer.model that llama.cpp's converter wants. Raises OSError."""
    for name in TOKENIZER_FILES:
        if (base_dir / name).is_file():
            shutil.copyfile(base_dir / name, to / name)


def read_header(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """The tensors of a file of safetensors by name ("dtype", "shape", "data_offsets"), and where
    their data begin. Raises ValueError, OSError, struct.error."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _MOST_HEADER_BYTES:
            raise ValueError(f"{path.name} claims a head of {length} bytes")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError(f"{path.name} has no list of tensors")
    header.pop("__metadata__", None)
    return header, 8 + length
