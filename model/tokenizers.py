"""The two tokenizers behind `chat_format.encode`: transformers' while training, llama.cpp's
while serving."""

from __future__ import annotations

import ctypes
import unicodedata
from pathlib import Path
from typing import Any


def as_nfc(text: str) -> str:
    """The text in Unicode's composed form: transformers' Qwen2 normalises so, llama.cpp never."""
    return unicodedata.normalize("NFC", text)


class TransformersTokenizer:
    """A fast tokenizer of transformers, used so that text never becomes a control token."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._vocabulary: dict[str, int] = tokenizer.get_vocab()

    def control_id(self, token: str) -> int:
        return self._vocabulary[token]

    def text_ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(
            as_nfc(text), add_special_tokens=False, split_special_tokens=True
        )
        return ids


class LlamaTokenizer:
    """llama.cpp's tokenizer of a GGUF file. Any thread; the vocabulary is read-only."""

    def __init__(self, vocab: Any) -> None:
        """`vocab` is a `llama_vocab_p` whose model outlives this value."""
        self._vocab = vocab
        self._controls: dict[str, int] = {}

    def control_id(self, token: str) -> int:
        if token not in self._controls:
            ids = self._tokenize(token, parse_special=True)
            if len(ids) != 1:
                raise KeyError(f"this model's vocabulary has no control token {token!r}")
            self._controls[token] = ids[0]
        return self._controls[token]

    def text_ids(self, text: str) -> list[int]:
        return self._tokenize(as_nfc(text), parse_special=False)

    def _tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        import llama_cpp

        raw = text.encode("utf-8")
        room = len(raw) + 8
        while True:
            buffer = (llama_cpp.llama_token * room)()
            count = llama_cpp.llama_tokenize(
                self._vocab, raw, len(raw), buffer, room, False, parse_special
            )
            if count >= 0:
                return list(buffer[:count])
            room = -count


class VocabularyFile:
    """The vocabulary of a GGUF without its weights: for counting tokens where no model is loaded.

    Use as a context manager; raises ValueError where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import llama_cpp

        from model.llama_runtime import start_runtime

        start_runtime()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self._free = llama_cpp.llama_model_free
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self._model:
            raise ValueError(f"{path.name} is not a GGUF file that llama.cpp can read")
        self.tokenizer = LlamaTokenizer(llama_cpp.llama_model_get_vocab(self._model))

    def __enter__(self) -> VocabularyFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._free(self._model)
        self._model = ctypes.c_void_p()
