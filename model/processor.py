"""What computes here: the processor's name, its cores, and how busy other programs keep it.

Any thread.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_SYSCTL_S = 2.0


@dataclass(frozen=True)
class Machine:
    """The processor as this process may use it."""

    processor: str
    """The model's name ("AMD Ryzen 7 5800H"), or the architecture where the system has no name."""
    physical: int
    """Cores, at least 1."""
    logical: int
    """Threads that run at once, at least as many as cores."""
    performance: int = 0
    """Of the cores, the fast ones; 0 where all are alike or the system does not say cheaply."""


def this_machine() -> Machine:
    """This computer. Reads files or a registry key; macOS is asked by a short process."""
    import psutil

    logical = min(psutil.cpu_count() or 1, _allowed())
    physical = min(psutil.cpu_count(logical=False) or logical, logical)
    return Machine(_processor(), physical, logical, _performance(physical, logical))


def candidates(machine: Machine, most: int = 256) -> tuple[int, ...]:
    """The numbers of threads worth measuring, upwards: 1, half the cores, the fast cores, all
    cores, all threads."""
    wanted = {machine.physical // 2, machine.performance, machine.physical, machine.logical}
    return tuple(sorted({1, *(n for n in wanted if 1 <= n <= min(machine.logical, most))}))


class Look(NamedTuple):
    """Seconds since some beginning, of this computer at one moment."""

    clock_s: float
    idle_s: float
    """Of all processors together."""
    own_s: float
    """Computed by this process."""
    processors: int


def look() -> Look:
    """This moment's."""
    import psutil

    times, own = psutil.cpu_times(), os.times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    return Look(time.monotonic(), idle_s, own.user + own.system, psutil.cpu_count() or 1)


def others_share(before: Look, after: Look) -> float:
    """How much of all processors other programs took meanwhile: 0.0 to 1.0."""
    all_s = (after.clock_s - before.clock_s) * after.processors
    taken_s = all_s - (after.idle_s - before.idle_s) - (after.own_s - before.own_s)
    return min(1.0, max(0.0, taken_s / all_s)) if all_s > 0 else 0.0


def _allowed() -> int:
    """How many processors this process may run on; a container often gets a few of many."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _performance(physical: int, logical: int) -> int:
    """Fast cores of a mixed processor. Where only those have two threads, the difference is their
    number (Intel's 12th to 14th generation); Apple's says it. Others stay unknown."""
    if sys.platform == "darwin":
        said = _sysctl("hw.perflevel0.physicalcpu")
        return int(said) if said.isdecimal() and 0 < int(said) < physical else 0
    return logical - physical if 0 < logical - physical < physical else 0


def _processor() -> str:
    """The processor's name in one line."""
    name = ""
    if sys.platform == "win32":
        name = _from_registry()
    elif sys.platform == "darwin":
        name = _sysctl("machdep.cpu.brand_string")
    else:
        with suppress(OSError):
            name = _from_cpuinfo(Path("/proc/cpuinfo").read_text("utf-8", "replace"))
    return " ".join((name or platform.processor() or platform.machine() or "unknown").split())


def _from_cpuinfo(text: str) -> str:
    """`model name` of the first processor; ARM's kernel has none."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value
    return ""


def _from_registry() -> str:
    if sys.platform == "win32":
        import winreg

        place = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
        with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, place) as key:
            return str(winreg.QueryValueEx(key, "ProcessorNameString")[0])
    return ""


def _sysctl(name: str) -> str:
    """What macOS says; empty where it does not know the name."""
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(
            ["/usr/sbin/sysctl", "-n", name],
            capture_output=True, text=True, timeout=_SYSCTL_S, check=True,
        ).stdout.strip()  # fmt: skip
    return ""
