"""What is found on this machine for a role: Python, card, memory, disk, packages, battery, bot.

Standard library alone; what wants the installed packages is asked of the environment's own Python
(scripts/training_need.py). `look` takes a second, for training some more.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.protocol import ControlError, ask_running
from scripts import card_torch, converter_source, pip_failures
from scripts.doctor import answer, existing, linux_name, memory_bytes, package_rows, writable
from scripts.environment import GPU, LAPTOP, TRAIN, Environment, pin_of
from storage.paths import Home

EXPECTED = 2
"""The exit status of a script of ours that says why it could not (scripts/edge.py)."""
ASK_S = 180.0
"""How long torch may take to be imported on a slow disk."""


@dataclass(frozen=True)
class Card:
    """An NVIDIA card, as its driver tells."""

    name: str
    driver: str
    total_bytes: int
    free_bytes: int


@dataclass(frozen=True)
class Facts:
    """Of one machine, for one role."""

    role: str
    """laptop or train."""
    python: tuple[int, ...]
    is_64_bit: bool
    system: str
    machine: str
    system_name: str
    cards: tuple[Card, ...]
    memory_bytes: int
    """0: not known."""
    program_free_bytes: int
    home_free_bytes: int
    is_one_disk: bool
    is_writable: bool
    environment: str
    """works, damaged or absent."""
    packages: tuple[tuple[str, str, str, bool], ...] | None = ()
    """name, wanted, found, fits; None: the environment's Python does not answer."""
    torch_cuda: str | None = None
    """CUDA's version that torch was built for, "" for a processor's build, None: no torch."""
    compiler: str = ""
    runtime: str = ""
    """How llama.cpp was built, as it says; "": it is not installed or does not start."""
    has_converter: bool = False
    is_on_battery: bool = False
    bot: str = ""
    """How this home's bot is: "" none runs, else its phase, or that it does not answer."""
    told: dict[str, Any] = field(default_factory=dict)
    """What scripts/training_need.py said; empty where it was not asked."""
    not_told: str = ""
    """Why it said nothing, as it put it."""
    is_sentence: bool = False
    """Whether that says what to do as well."""


def look(environment: Environment, home: Home, role: str, profile: str = "") -> Facts:
    """Look at this machine. Raises nothing that is to be expected."""
    works = environment.works()
    home_at, program_at = existing(home.root), environment.program
    found = cards()
    facts: dict[str, Any] = {}
    if works:
        facts = _in_environment(environment, home, role, profile, has_card=bool(found))
    return Facts(
        role=role,
        python=tuple(sys.version_info[:3]),
        is_64_bit=struct.calcsize("P") == 8,
        system=platform.system(),
        machine=platform.machine(),
        system_name=linux_name() if platform.system() == "Linux" else platform.platform(terse=True),
        cards=found,
        memory_bytes=memory_bytes(),
        program_free_bytes=shutil.disk_usage(program_at).free,
        home_free_bytes=shutil.disk_usage(home_at).free,
        is_one_disk=os.stat(home_at).st_dev == os.stat(program_at).st_dev,  # noqa: PTH116
        is_writable=writable(home.root),
        environment="works" if works else "damaged" if environment.folder.exists() else "absent",
        compiler=pip_failures.find_compiler() or "",
        is_on_battery=is_on_battery(),
        bot=_bot(home),
        **facts,
    )


def cards() -> tuple[Card, ...]:
    """The NVIDIA cards, () where there is no driver."""
    said = answer(
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total,memory.free",
        "--format=csv,noheader,nounits",
    )
    return cards_in(said)


def cards_in(said: str) -> tuple[Card, ...]:
    """The cards in nvidia-smi's lines, which count in MiB; one that says no figure is left out."""
    found = []
    for line in said.splitlines():
        parts = [part.strip() for part in line.rsplit(",", 3)]
        if len(parts) == 4 and parts[2].isdigit() and parts[3].isdigit():
            total, free = (int(part) * 1024**2 for part in parts[2:])
            found.append(Card(parts[0], parts[1], total, free))
    return tuple(found)


def is_on_battery(power: Path = Path("/sys/class/power_supply")) -> bool:
    """Whether it runs on a battery now; False where that is not known."""
    if sys.platform == "win32":
        return _windows_on_battery()
    if sys.platform == "darwin":
        return "Battery Power" in answer("pmset", "-g", "batt")
    states = []
    for supply in power.glob("*"):
        try:
            kind = (supply / "type").read_text().strip()
            if kind == "Battery":
                states.append((supply / "status").read_text().strip())
        except OSError:
            continue
    return "Discharging" in states


def _windows_on_battery() -> bool:
    import ctypes

    class PowerStatus(ctypes.Structure):
        _fields_ = (
            ("line", ctypes.c_ubyte),
            ("flag", ctypes.c_ubyte),
            ("percent", ctypes.c_ubyte),
            ("reserved", ctypes.c_ubyte),
            ("life_s", ctypes.c_ulong),
            ("full_s", ctypes.c_ulong),
        )

    status = PowerStatus()
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - absent elsewhere
    return bool(kernel.GetSystemPowerStatus(ctypes.byref(status))) and status.line == 0


def _bot(home: Home) -> str:
    try:
        running = ask_running(home.data_storage, "stats", timeout_s=5)
    except ControlError:
        return "does not answer"
    return "" if running is None else str(running.get("phase") or "runs")


def _in_environment(
    environment: Environment, home: Home, role: str, profile: str, *, has_card: bool
) -> dict[str, Any]:
    files = [LAPTOP] + ([TRAIN] if role == "train" else [])
    if role == "train" and has_card and (environment.program / GPU).is_file():
        files.append(GPU)
    rows = package_rows(environment, files)
    facts: dict[str, Any] = {
        "packages": None if rows is None else tuple(rows),
        "torch_cuda": card_torch.cuda_of(environment.site_packages),
        "has_converter": _has_converter(environment),
    }
    if environment.installed_version("llama-cpp-python"):
        code = "import llama_cpp; print(llama_cpp.llama_print_system_info().decode())"
        facts["runtime"] = answer(str(environment.python), "-c", code, timeout_s=60)
    if role == "train" and rows is not None and facts["torch_cuda"] is not None:
        facts |= _told(environment, home, profile)
    return facts


def _has_converter(environment: Environment) -> bool:
    pin = pin_of("llama-cpp-python", environment.program / LAPTOP)
    folder = converter_source.converter_folder(pin, environment.folder)
    return bool(os.environ.get("MYNAH_CONVERTER")) or converter_source.is_whole(folder)


def _told(environment: Environment, home: Home, profile: str) -> dict[str, Any]:
    script = environment.program / "scripts" / "training_need.py"
    command = [str(environment.python), str(script), "--home", str(home.root)]
    command += ["--profile", profile] if profile else []
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=ASK_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {"not_told": str(error)}
    try:
        return {"told": json.loads((done.stdout.splitlines() or [""])[-1])}
    except ValueError:
        said = (done.stderr.strip().splitlines() or ["It said nothing."])[-1]
        return {"not_told": said, "is_sentence": done.returncode == EXPECTED}
