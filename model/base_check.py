"""Whether a folder is a base that Mynah can train, convert and serve; said before hours are spent.

`check_base` looks at configuration, tokenizer and the heads of the weights: seconds, no torch.
`check_converts` has llama.cpp's converter make the vocabulary, which alone shows that it knows the
tokenizer: a process of its own, for some ten seconds, before a training.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from model import export
from model.base_files import read_header
from model.base_shape import BaseShape, ShapeError, shape_of
from model.chat_format import CHATML, ChatLayout, LayoutError, Tokenizer, layout_of
from model.convert_entry import marked_pre_tokenizer
from model.tokenizers import TransformersTokenizer, VocabularyFile
from storage.errors import MynahError

FAMILIES = {"qwen2": "qwen2", "qwen3": "qwen3", "llama": "llama", "gemma3_text": "gemma3"}
"""transformers' `model_type` of what can be trained here, and what llama.cpp calls it."""

INSTEAD = (
    "Choose qwen2.5-3b-instruct, qwen3-4b-instruct-2507, llama-3.2-3b-instruct or gemma-3-1b-it "
    "instead: python scripts/download_base.py list"
)
_PROBES = ("nine works for me :) 100%", "it's 23:59\n  and Ümläüts, 日本語, 🎉🎉", " a  b\t\n\n c…")
"""Texts on which the two tokenizers have to agree."""


class UnsuitedBaseError(MynahError):
    """A base that Mynah cannot train; the sentence says why, and what to take instead."""


@dataclass(frozen=True)
class BaseReport:
    """What a suited base is."""

    folder: Path
    layout: ChatLayout
    shape: BaseShape
    weights_bytes: int


def check_base(folder: Path) -> BaseReport:
    """What the base in `folder` is. Raises UnsuitedBaseError with the first thing that is wrong."""
    if folder.suffix == ".gguf" or (_has(folder, "*.gguf") and not _has(folder, "*.safetensors")):
        _refuse(
            folder, "is a GGUF, which is for answering; training wants the weights it came from"
        )
    config = _config(folder)
    _refuse_kind(folder, config)
    weights = _weights(folder)
    try:
        shape = shape_of(config)
    except ShapeError as error:
        _refuse(folder, "is incomplete", str(error))
    vocabulary = _Vocabulary.of(folder)
    layout = _layout(folder, vocabulary)
    controls = [vocabulary.control_id(token) for token in layout.controls]
    if max(vocabulary.size, *(n + 1 for n in controls)) > shape.vocab:
        _refuse(
            folder,
            f"has a tokenizer of {vocabulary.size:,} tokens and weights for {shape.vocab:,}: they "
            "do not belong together",
        )
    return BaseReport(folder, layout, shape, weights)


def layout_of_base(folder: Path) -> ChatLayout:
    """The layout that a base is trained in. Raises UnsuitedBaseError."""
    return _layout(folder, _Vocabulary.of(folder))


def check_converts(folder: Path) -> None:
    """See that llama.cpp's converter knows the tokenizer, and splits text as it does. One that was
    trained here is known by its mark alone.

    Raises UnsuitedBaseError, or ExportError where the converter is not there.
    """
    try:
        if marked_pre_tokenizer(folder) is not None:
            return
    except ValueError as error:
        _refuse(folder, "has a tokenizer that is not what it declares", str(error))
    from transformers import AutoTokenizer

    converter = export.find_converter()
    layout = layout_of_base(folder)
    own = TransformersTokenizer(AutoTokenizer.from_pretrained(folder, local_files_only=True))
    with tempfile.TemporaryDirectory(prefix="mynah-base-") as scratch:
        made = Path(scratch) / "vocabulary.gguf"
        try:
            export.convert_to_gguf(folder, made, converter_dir=converter, vocab_only=True)
        except export.ExportError as error:
            _refuse(folder, "cannot be made into a GGUF afterwards", str(error))
        with VocabularyFile(made) as vocabulary:
            if not _agree(own, vocabulary.tokenizer, layout):
                _refuse(folder, "has a tokenizer that llama.cpp would take for another one")


def _agree(own: Tokenizer, served: Tokenizer, layout: ChatLayout) -> bool:
    texts = [*_PROBES, *(f"a{token}b" for token in layout.controls)]
    return all(own.text_ids(text) == served.text_ids(text) for text in texts) and all(
        own.control_id(token) == served.control_id(token) for token in layout.controls
    )


def _refuse(folder: Path, why: str, said: str = "") -> NoReturn:
    between = f" ({said.rstrip('.')})" if said else ""
    raise UnsuitedBaseError(f"{folder} {why}{between}. {INSTEAD}")


def _has(folder: Path, pattern: str) -> bool:
    return next(folder.glob(pattern), None) is not None


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        if (folder / "adapter_config.json").is_file():
            _refuse(folder, "is an adapter, not a whole model")
        _refuse(folder, "holds no model of transformers: it has no config.json")
    return _read(folder, path.name)


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        _refuse(folder, f"has a {name} that cannot be read", str(error))
    if not isinstance(value, dict):
        _refuse(folder, f"has a {name} that is none")
    return value


def _refuse_kind(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise UnsuitedBaseError for anything but the plain causal language models of FAMILIES."""
    family = str(config.get("model_type", ""))
    named = config.get("architectures") or [""]
    architecture = str(named[0]) if isinstance(named, list) else str(named)
    if (quantised := config.get("quantization_config")) is not None:
        method = quantised.get("quant_method", "") if isinstance(quantised, dict) else ""
        said = str(method).upper()
        _refuse(folder, "holds weights that are quantised already; the original ones train", said)
    if config.get("is_encoder_decoder"):
        _refuse(folder, "reads with one half and writes with another (an encoder-decoder)", family)
    if isinstance(config.get("text_config"), dict):
        _refuse(
            folder,
            "sees pictures as well, and only text is trained: of Gemma 3 "
            "`download_base.py get gemma-3-4b-it` leaves the text part",
            architecture,
        )
    if "vision_config" in config or (architecture and not architecture.endswith("ForCausalLM")):
        _refuse(folder, "is no model that writes text", architecture or family)
    if config.get("auto_map"):
        _refuse(folder, "needs program code of its own, which Mynah does not run", architecture)
    if family not in FAMILIES:
        _refuse(folder, f'is of the family "{family}", which Mynah does not train')


def _weights(folder: Path) -> int:
    """Bytes of the weights, whole by their heads."""
    if (folder / "model.safetensors.index.json").is_file():
        placed = _read(folder, "model.safetensors.index.json").get("weight_map")
        names = sorted({str(name) for name in placed.values()}) if isinstance(placed, dict) else []
    else:
        names = ["model.safetensors"]
    if not names or not any((folder / name).is_file() for name in names):
        older = _has(folder, "*.bin") or _has(folder, "*.pth") or _has(folder, "*.pt")
        _refuse(
            folder,
            "has its weights in an older format that can run program code: save them as safetensors"
            if older
            else "holds no weights (model.safetensors)",
        )
    for name in names:
        path = folder / name
        if Path(name).name != name or not path.is_file():
            _refuse(folder, f"is incomplete: {name} is missing")
        if not _is_whole(path):
            _refuse(folder, f"is incomplete: {name} is cut off or damaged")
    return sum((folder / name).stat().st_size for name in names)


def _is_whole(path: Path) -> bool:
    """Whether a file of safetensors ends where its last tensor does."""
    try:
        header, size = read_header(path)
        ends = [entry["data_offsets"][1] for entry in header.values()]
    except (OSError, ValueError, KeyError, TypeError, IndexError, struct.error):
        return False
    return path.stat().st_size == size + max(ends, default=0)


class _Vocabulary:
    """The control tokens of a tokenizer.json: a `Tokenizer` that knows no text."""

    def __init__(self, special: dict[str, int], ordinary: frozenset[str], size: int) -> None:
        self._special = special
        self._ordinary = ordinary
        self.size = size

    @classmethod
    def of(cls, folder: Path) -> _Vocabulary:
        if not (folder / "tokenizer.json").is_file():
            _refuse(folder, "has no tokenizer.json, which both training and converting read")
        value = _read(folder, "tokenizer.json")
        try:
            added = value["added_tokens"]
            special = {str(t["content"]): int(t["id"]) for t in added if t["special"]}
            vocab = value["model"]["vocab"]
            words = vocab if isinstance(vocab, dict) else {w[0]: n for n, w in enumerate(vocab)}
            # Gemma 3 1B's tokenizer has a token for pictures that its weights have no row for.
            known = {str(t["content"]) for t in added}
            ids = [int(n) for word, n in words.items() if word not in known]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            _refuse(folder, "has a tokenizer.json of an unknown kind", repr(error))
        ordinary = frozenset(str(t["content"]) for t in added if not t["special"])
        return cls(special, ordinary, max(ids, default=-1) + 1)

    def control_id(self, token: str) -> int:
        if token not in self._special:
            raise LayoutError(f"{token} is missing")
        return self._special[token]

    def text_ids(self, text: str) -> list[int]:
        return []

    def takes_for_a_word(self, token: str) -> bool:
        return token in self._ordinary


def _layout(folder: Path, vocabulary: _Vocabulary) -> ChatLayout:
    try:
        return layout_of(vocabulary)
    except LayoutError:
        if vocabulary.takes_for_a_word(CHATML.start):
            _refuse(folder, f"takes {CHATML.start} for a word, so that members could write it")
        _refuse(
            folder,
            "has no chat layout that Mynah knows: its vocabulary has not the control tokens of "
            "ChatML, Llama 3 or Gemma 3 (it may be a base that was not taught to chat)",
        )
