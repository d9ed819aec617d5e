"""A model folder of transformers becomes a GGUF file: conversion to 16 bit, then quantisation.

The converter is llama.cpp's own, taken out of llama-cpp-python's source distribution so that it
matches the installed runtime; it runs in a process of its own (it wants torch). Quantising needs
the runtime alone. Both write beside the target and rename, so a target that exists is whole.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from model.gguf_check import check
from storage.errors import MynahError

log = logging.getLogger(__name__)

CONVERTER_VARIABLE = "MYNAH_CONVERTER"
CONVERTER_SCRIPT = "convert_hf_to_gguf.py"

_FTYPES = {"F16": 1, "Q8_0": 7, "Q4_K_M": 15, "Q5_K_M": 17, "Q6_K": 18}
"""llama.h's `enum llama_ftype`, the ones worth offering."""


class ExportError(MynahError):
    """A model could not be converted or quantised."""


def converter_home(prefix: Path | None = None) -> Path:
    """Where the installed llama-cpp-python's converter belongs: <venv>/share/mynah/llama.cpp-X."""
    try:
        installed = version("llama-cpp-python")
    except PackageNotFoundError:
        raise ExportError("llama-cpp-python is not installed: run `python3 launcher.py`") from None
    return (prefix or Path(sys.prefix)) / "share" / "mynah" / f"llama.cpp-{installed}"


def find_converter() -> Path:
    """The folder with llama.cpp's converter: MYNAH_CONVERTER, else the environment's own.

    Raises ExportError, naming the command that fetches it, where it is not there.
    """
    override = os.environ.get(CONVERTER_VARIABLE)
    folder = Path(override).expanduser() if override else converter_home()
    if (folder / CONVERTER_SCRIPT).is_file() and (folder / "conversion").is_dir():
        return folder
    remedy = (
        f"correct {CONVERTER_VARIABLE}" if override else "run `python3 launcher.py --demo` once"
    )
    raise ExportError(f"llama.cpp's converter is not in {folder}: {remedy}")


def convert_to_gguf(
    model_dir: Path, out: Path, *, converter_dir: Path | None = None, outtype: str = "f16"
) -> Path:
    """Convert a folder with config.json, weights and tokenizer to one GGUF file; returns `out`.

    `outtype` is f32, f16 or bf16. A tokenizer of ours carries the mark that `convert_entry.py`
    explains. Raises ExportError with the converter's last words where it fails.
    """
    if not (model_dir / "config.json").is_file():
        raise ExportError(f"{model_dir} is no model folder: it has no config.json")
    converter = converter_dir or find_converter()
    entry = Path(__file__).with_name("convert_entry.py")
    with _replacing(out) as unfinished:
        command = [sys.executable, "-I", str(entry), str(converter.resolve())]
        command += [str(model_dir), "--outfile", str(unfinished), "--outtype", outtype]
        done = subprocess.run(
            command,
            env=_offline_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        log.debug("converter: %s", done.stdout)
        if done.returncode != 0 or not unfinished.is_file():
            raise ExportError(
                f"{model_dir.name} could not be converted to GGUF: {_last_words(done.stdout)}"
            )
        check(unfinished)
    return out


def quantize(src: Path, dst: Path, ftype: str = "Q4_K_M", *, threads: int = 0) -> Path:
    """Quantise a 16-bit GGUF; returns `dst`. `threads` 0 takes all cores.

    Q4_K and its kin want rows of a multiple of 256 values; llama.cpp gives other tensors a larger
    type of its own choice. Raises ExportError, or GgufError for a source that is no sound GGUF.
    """
    if ftype not in _FTYPES:
        raise ExportError(f"{ftype} is not one of {', '.join(_FTYPES)}")
    check(src)
    import llama_cpp

    from model.llama_runtime import start_runtime

    start_runtime()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = _FTYPES[ftype]
    params.nthread = threads
    with _replacing(dst) as unfinished:
        failed = llama_cpp.llama_model_quantize(
            os.fsencode(src), os.fsencode(unfinished), llama_cpp.ctypes.byref(params)
        )
        if failed:
            raise ExportError(f"llama.cpp could not quantise {src.name} to {ftype}; see the log")
        check(unfinished)
    return dst


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; renamed to it at the end, removed on any failure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.stem}.{os.getpid()}.part.gguf")
    try:
        yield unfinished
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _offline_environment() -> dict[str, str]:
    """The converter reads local files only and takes one core."""
    quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    kept = {name: text for name, text in os.environ.items() if name != "NO_LOCAL_GGUF"}
    return {**kept, **quiet, "PYTHONIOENCODING": "utf-8", "PYTHONUTF8": "1"}


def _last_words(output: str) -> str:
    lines = [text.strip() for text in output.splitlines() if text.strip()]
    return lines[-1] if lines else "the converter said nothing"
