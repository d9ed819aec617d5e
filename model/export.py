"""A model folder of transformers becomes a GGUF file: conversion to 16 bit, then quantisation.

The converter is llama.cpp's own, taken out of llama-cpp-python's source distribution so that it
matches the installed runtime; it runs in a process of its own (it wants torch). Quantising needs
the runtime alone. Both write beside the target and rename, so a target that exists is whole.
"""

from __future__ import annotations

import logging
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from model.gguf_check import check
from storage.errors import MynahError

log = logging.getLogger(__name__)

CONVERTER_VARIABLE = "MYNAH_CONVERTER"
CONVERTER_SCRIPT = "convert_hf_to_gguf.py"

FTYPES = {
    "Q8_0": 7, "Q6_K": 18, "Q5_K_M": 17, "Q5_0": 8, "Q4_K_M": 15, "Q4_0": 2, "Q3_K_M": 12,
}  # fmt: skip
"""What a model is quantised to, the best first, by llama.h's `enum llama_ftype`."""
DEFAULT_FTYPE = "Q4_K_M"

_BITS = {
    "Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.8, "Q5_0": 5.6, "Q4_K_M": 5.0, "Q4_0": 4.7, "Q3_K_M": 4.1,
}  # fmt: skip
"""Bits a weight at Qwen2.5-3B's shape, by llama.cpp's dry run: for what is said before there is an
F16 file to ask it about."""
_DRY_SIZE = re.compile(r"quant size\s*=\s*([\d.]+) MiB")
_DRY_STEP_MIB = 0.01
"""What that is rounded to."""


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
    model_dir: Path,
    out: Path,
    *,
    converter_dir: Path | None = None,
    outtype: str = "f16",
    vocab_only: bool = False,
) -> Path:
    """Convert a folder with config.json, weights and tokenizer to one GGUF file; returns `out`.

    `outtype` is f32, f16 or bf16; `vocab_only` leaves the weights out. A tokenizer of ours carries
    the mark that `convert_entry.py` explains. Raises ExportError with the converter's last words
    where it fails.
    """
    if not (model_dir / "config.json").is_file():
        raise ExportError(f"{model_dir} is no model folder: it has no config.json")
    converter = converter_dir or find_converter()
    entry = Path(__file__).with_name("convert_entry.py")
    with _replacing(out) as unfinished:
        command = [sys.executable, "-I", str(entry), str(converter.resolve())]
        command += [str(model_dir), "--outfile", str(unfinished), "--outtype", outtype]
        command += ["--vocab-only"] if vocab_only else []
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
            said = _last_words(done.stdout.splitlines())
            raise ExportError(f"{model_dir.name} could not be converted to GGUF: {said}")
        check(unfinished)
    return out


def quantize(src: Path, dst: Path, ftype: str = DEFAULT_FTYPE, *, threads: int = 0) -> Path:
    """Quantise a 16-bit GGUF; returns `dst`. `threads` 0 takes all cores.

    Q4_K and its kin want rows of a multiple of 256 values; llama.cpp gives other tensors a larger
    type of its own choice. Raises ExportError, or GgufError for a source that is no sound GGUF.
    """
    params = _parameters(ftype)
    check(src)
    import llama_cpp

    from model.llama_runtime import listening

    params.nthread = threads
    with _replacing(dst) as unfinished, listening() as heard:
        failed = llama_cpp.llama_model_quantize(
            os.fsencode(src), os.fsencode(unfinished), llama_cpp.ctypes.byref(params)
        )
        if failed:
            raise ExportError(
                f"llama.cpp could not quantise {src.name} to {ftype}: {_last_words(heard)}"
            )
        check(unfinished)
    return dst


def sizes(f16: Path) -> dict[str, int]:
    """How many bytes a 16-bit GGUF will have in each of FTYPES: llama.cpp's own dry run, which
    knows which tensors it gives how many bits. Some kilobytes too many, never too few. Raises
    ExportError, GgufError."""
    import llama_cpp

    from model.llama_runtime import listening

    header = check(f16)
    beside = header.size_bytes - sum(header.bytes_by_type.values())
    found = {}
    for ftype in FTYPES:
        params = _parameters(ftype)
        params.dry_run = True
        with listening() as heard:
            llama_cpp.llama_model_quantize(os.fsencode(f16), b"", llama_cpp.ctypes.byref(params))
        said = _DRY_SIZE.search("\n".join(heard))
        if said is None:
            raise ExportError(f"llama.cpp does not say how large {f16.name} is as {ftype}.")
        found[ftype] = beside + math.ceil((float(said[1]) + _DRY_STEP_MIB) * (1 << 20))
    return found


def best_that_fits(sizes: Mapping[str, int], max_bytes: float) -> str:
    """The best type whose file has at most `max_bytes`. Raises ExportError with all sizes."""
    for ftype in FTYPES:
        if sizes[ftype] <= max_bytes:
            return ftype
    listed = ", ".join(f"{ftype} {_gb(sizes[ftype])}" for ftype in FTYPES)
    raise ExportError(
        f"No type fits into {_gb(max_bytes)} (1 GB is 1,000,000,000 bytes). This model takes: "
        f"{listed}. Allow more, or train a smaller base."
    )


def refuse_too_little_room(
    model_dir: Path, folder: Path, ftype: str | None, max_bytes: float | None = None
) -> None:
    """Raise ExportError, with figures, where the disk of `folder` has no room for the F16 file of
    a 16-bit model folder and what is quantised from it (`ftype` None: at most `max_bytes`)."""
    f16 = sum(path.stat().st_size for path in model_dir.glob("*.safetensors"))
    bits = _BITS[ftype] if ftype else _BITS["Q8_0"]
    quantised = min(f16 * bits / 16, max_bytes or float("inf"))
    free = shutil.disk_usage(folder).free
    if free < f16 + quantised:
        raise ExportError(
            f"Converting {model_dir} needs about {_gb(f16 + quantised)} for a while ({_gb(f16)} in "
            f"16 bits, {_gb(quantised)} quantised, which stay), and the disk of {folder} has "
            f"{_gb(free)} free: make room, then start again."
        )


def _parameters(ftype: str) -> Any:
    import llama_cpp

    if ftype not in FTYPES:
        raise ExportError(f"{ftype} is not one of {', '.join(FTYPES)}")
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = FTYPES[ftype]
    return params


def _gb(size_bytes: float) -> str:
    digits = 1 if size_bytes >= 1e9 else 3
    return f"{size_bytes / 1e9:.{digits}f} GB"


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


def _last_words(output: Iterable[str]) -> str:
    lines = [text.strip() for text in output if text.strip()]
    return lines[-1] if lines else "it said nothing"
