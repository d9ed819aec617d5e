"""The two tokenizers behind `chat_format.encode`: transformers' while training, llama.cpp's
while serving."""

from __future__ import annotations

import os
import threading
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Any

from model.chat_format import ChatLayout, LayoutError, Tokenizer
from model.gguf_check import GgufError, check
from storage.errors import MynahError

KEPT_TEXTS = 8_192
"""Lines, mostly: some channels' transcripts."""


class VocabularyError(MynahError, ValueError):
    """A file has no vocabulary that llama.cpp can read."""


class TokenizerClosed(MynahError):
    """The model that the tokenizer belongs to is not loaded any more."""


def as_nfc(text: str) -> str:
    """The text in Unicode's composed form: transformers' Qwen2 normalises so, llama.cpp never."""
    return unicodedata.normalize("NFC", text)


class TransformersTokenizer:
    """A fast tokenizer of transformers, used so that text never becomes a control token."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._vocabulary: dict[str, int] = tokenizer.get_vocab()

    def control_id(self, token: str) -> int:
        if token not in self._vocabulary:
            raise _missing(token)
        return self._vocabulary[token]

    def text_ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(
            as_nfc(text), add_special_tokens=False, split_special_tokens=True
        )
        return ids


class CachingTokenizer:
    """Keeps the ids of the last texts, so that a transcript that grew by a line costs that line.

    Any thread, as the tokenizer that it asks.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.inner = tokenizer
        self._kept = lru_cache(KEPT_TEXTS)(lambda text: tuple(tokenizer.text_ids(text)))

    def control_id(self, token: str) -> int:
        return self.inner.control_id(token)

    def text_ids(self, text: str) -> list[int]:
        return list(self._kept(text))

    def clear(self) -> None:
        """Keep no text any more."""
        self._kept.cache_clear()


class LlamaTokenizer:
    """llama.cpp's tokenizer of a GGUF file. Any thread; raises TokenizerClosed after `close`."""

    def __init__(self, vocab: Any) -> None:
        """`vocab` is a `llama_vocab_p`. Whoever frees its model calls `close` first."""
        self._vocab = vocab
        self._lock = threading.Lock()
        self._controls: dict[str, int | None] = {}

    def control_id(self, token: str) -> int:
        if token not in self._controls:
            ids = self._tokenize(token, parse_special=True)
            self._controls[token] = ids[0] if len(ids) == 1 else None
        if (found := self._controls[token]) is None:
            raise _missing(token)
        return found

    def text_ids(self, text: str) -> list[int]:
        return self._tokenize(as_nfc(text), parse_special=False)

    def close(self) -> None:
        """Let go of the vocabulary; waits for a call that is under way. Again does nothing."""
        with self._lock:
            self._vocab = None

    def _tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        import llama_cpp

        raw = text.encode("utf-8")
        room = len(raw) + 8
        while True:
            buffer = (llama_cpp.llama_token * room)()
            with self._lock:
                if self._vocab is None:
                    raise TokenizerClosed("the model is closed: load it again")
                count = llama_cpp.llama_tokenize(
                    self._vocab, raw, len(raw), buffer, room, False, parse_special
                )
            if count >= 0:
                return list(buffer[:count])
            room = -count


class VocabularyFile:
    """The vocabulary of a GGUF without its weights: for counting tokens where no model is loaded.

    Use as a context manager; raises VocabularyError where the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        import llama_cpp

        from model.llama_runtime import start_runtime

        try:
            check(path)
        except GgufError as fault:
            raise VocabularyError(str(fault)) from fault
        start_runtime()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self._free = llama_cpp.llama_model_free
        self._model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            raise VocabularyError(f"{path.name} holds no vocabulary that llama.cpp can read")
        self.tokenizer = LlamaTokenizer(llama_cpp.llama_model_get_vocab(self._model))

    def __enter__(self) -> VocabularyFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.tokenizer.close()
        if self._model:
            self._free(self._model)
            self._model = None


def refuse_controls_in_words(tokenizer: Tokenizer, layout: ChatLayout) -> None:
    """Raise LayoutError where somebody could write a control token of the layout as words: the
    vocabulary then has it among its ordinary tokens."""
    for token in layout.controls:
        if tokenizer.control_id(token) in tokenizer.text_ids(f"a{token}b"):
            raise LayoutError(
                f"this model's vocabulary takes {token} for a word, so that members could write "
                "it: its tokenizer is damaged or badly converted; choose another model"
            )


def _missing(token: str) -> LayoutError:
    return LayoutError(
        f"this model does not use the chat layout that Mynah trains: {token} is missing from its "
        "vocabulary; choose a base with the control tokens of ChatML, Llama 3 or Gemma 3, such as "
        "Qwen2.5"
    )
