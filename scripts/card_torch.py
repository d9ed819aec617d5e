"""Which build of torch is installed, and where the one for an NVIDIA card comes from.

The registry's torch is CUDA's on Linux and the processor's on Windows; Mynah itself may have put
the small one for processors on a Linux without a card. requirements-gpu.txt is the one place that
names PyTorch's own index. Standard library alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from storage.errors import MynahError


class NoIndexError(MynahError):
    """requirements-gpu.txt names no index."""


def cuda_of(site_packages: Path) -> str | None:
    """CUDA's version that the installed torch was built for, "" for a processor's build, None where
    none is installed. Reads one small file."""
    try:
        text = (site_packages / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    match = re.search(r"^cuda\b.*=\s*['\"]([\d.]+)['\"]", text, re.MULTILINE)
    return match[1] if match else ""


def index_of(requirements: Path) -> str:
    """PyTorch's own index, as requirements-gpu.txt names it. Raises NoIndexError."""
    match = re.search(r"--index-url (https://\S+)", requirements.read_text(encoding="utf-8"))
    if match is None:
        raise NoIndexError(f"{requirements.name} names no index of PyTorch's any more.")
    return match[1]


def command(system: str, pin: str, index: str, have: str | None) -> list[str]:
    """pip's arguments that bring the card's torch before everything else; [] where it comes with
    the requirements, or is there. `have`: as `cuda_of` says.

    Without dependencies: those come with the requirements, as of everything that is installed.
    """
    if have or (have is None and system != "Windows"):
        return []
    where = ["--index-url", index] if system == "Windows" else []
    return ["install", "--force-reinstall", "--no-deps", f"torch=={pin}", *where]


def put_right(
    site_packages: Path, requirement: str, index: str, pip: Callable[[list[str]], None]
) -> None:
    """Where the requirements brought the processor's build all the same (another index is set up
    here, say): PyTorch's own."""
    if cuda_of(site_packages) == "":
        pip(["install", "--force-reinstall", requirement, "--index-url", index])
