"""The one place where llama.cpp is started: its log goes to `logging`, files are checked first.

Any thread. llama.cpp is imported in the functions, never when this module is imported.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model.abort import is_aborting
from model.gguf_check import GgufHeader, check
from storage.errors import MynahError

log = logging.getLogger("llama.cpp")

_LEVELS = {1: logging.DEBUG, 2: logging.DEBUG, 3: logging.WARNING, 4: logging.ERROR}
"""ggml_log_level: debug 1, info 2, warn 3, error 4; 5 continues the line before."""

_HARMLESS = (
    "load: special_eos_id is not in special_eog_ids",  # an embedder's [SEP] ends no generation
    "llama_context: n_ctx_seq (",  # each of several conversations is within what it was trained for
    "llama_kv_cache_iswa: using full-size SWA cache",  # as wanted
    "decode: failed to find a memory slot",  # a conversation goes, and it is tried again
)
"""Warnings that say nothing."""

_kept_callback: Any = None
"""llama.cpp holds only the address: the callback must live as long as the process does."""

_listeners: list[list[str]] = []


class LoadError(MynahError):
    """A model file that llama.cpp cannot load here."""


class EngineError(MynahError):
    """The engine cannot do what it was asked for."""


class ContextFullError(EngineError):
    """The cache has no room for more, although nothing is left that could go."""


def start_runtime() -> None:
    """Send llama.cpp's own log lines to `logging`. Again costs nothing."""
    global _kept_callback
    if _kept_callback is not None:
        return
    import llama_cpp

    last_level = logging.DEBUG

    def on_line(level: int, text: bytes, _: object) -> None:
        nonlocal last_level
        last_level = last_level if level == 5 else _LEVELS.get(level, logging.DEBUG)
        words = text.decode("utf-8", "replace").strip()
        for heard in _listeners:
            heard.append(words)
        expected = is_aborting() or bool(_listeners) or words.startswith(_HARMLESS)
        if words and words != ".":
            log.log(logging.DEBUG if expected else last_level, "%s", words)

    callback = llama_cpp.llama_log_callback(on_line)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p())
    _kept_callback = callback


@contextmanager
def listening() -> Iterator[list[str]]:
    """What llama.cpp says meanwhile, which then goes to the log for details alone: some figures are
    nowhere else."""
    start_runtime()
    heard: list[str] = []
    _listeners.append(heard)
    try:
        yield heard
    finally:
        _listeners.remove(heard)


SMALL_MODEL_BYTES = 200_000_000


def choose_threads(setting: int, model_path: Path) -> int:
    """Threads for computing: the setting, or for 0 the physical cores, and one for a small model.

    llama.cpp's threads wait for one another by spinning. Beside another busy process two of them
    took 8.4 s for a reply of the 6 M parameter base, one took 0.01 s (docs/experiments.md).
    """
    if setting > 0:
        return setting
    if model_path.is_file() and model_path.stat().st_size < SMALL_MODEL_BYTES:
        return 1
    import psutil

    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def load_model(path: Path, *, use_mmap: bool = True) -> tuple[Any, GgufHeader]:
    """Check and load one GGUF; the caller frees the model with `llama_model_free`.

    Raises GgufError for a missing or broken file, LoadError where it does not fit into this
    machine's memory or llama.cpp refuses it.
    """
    header = check(path)
    refuse_too_large(path.name, header.size_bytes, _memory_bytes())
    import llama_cpp

    start_runtime()
    params = llama_cpp.llama_model_default_params()
    params.load_mode = (
        llama_cpp.LLAMA_LOAD_MODE_MMAP if use_mmap else llama_cpp.LLAMA_LOAD_MODE_NONE
    )
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), params)
    if not model:
        raise LoadError(
            f"llama.cpp cannot load {path.name} (architecture {header.architecture!r}); see the log"
        )
    return model, header


def refuse_too_large(name: str, size_bytes: int, memory_bytes: int) -> None:
    """Raise LoadError for a file that is larger than the memory: it would swap without end."""
    if size_bytes > memory_bytes:
        raise LoadError(
            f"{name} ({size_bytes / 1e9:.1f} GB) is larger than this machine's memory "
            f"({memory_bytes / 1e9:.1f} GB): choose a smaller model or quantisation"
        )


def _memory_bytes() -> int:
    import psutil

    return int(psutil.virtual_memory().total)
