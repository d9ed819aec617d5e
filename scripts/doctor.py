"""`launcher.py --doctor`: a report on this computer to paste into a bug, and what fails in it.

Standard library alone, so that it works before anything is installed. Names no user: the user's
folder is written as ~.
"""

from __future__ import annotations

import getpass
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts import pip_failures
from scripts.environment import LAPTOP, TRAIN, Environment, is_current, python_refusal
from storage.paths import DEMO_BASE_DIR, Home, HomeError, find_home

START = "start `python3 launcher.py --demo`"
ROOM_TO_INSTALL_BYTES = 4 * 1024**3
ROOM_TO_WORK_BYTES = 1 * 1024**3

# Runs in the environment's Python: what of the requirements (its markers hold here) is installed?
_COMPARE = """
import importlib.metadata, json, sys
from pip._vendor.packaging.requirements import Requirement
rows = []
for path in sys.argv[1:]:
    for line in open(path, encoding="utf-8"):
        text = line.split(" #")[0].strip()
        if not text or text[0] in "#-":
            continue
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            found = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            found = ""
        fits = bool(found) and wanted.specifier.contains(found, prereleases=True)
        rows.append([wanted.name, str(wanted.specifier), found, fits])
print(json.dumps(rows))
"""


@dataclass
class Report:
    """Lines to print, and the failures found on the way, each with its remedy."""

    lines: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def row(self, name: str, value: str) -> None:
        self.lines.append(f"{name + ':':<18} {value}")

    def fails(self, what: str, remedy: str) -> None:
        self.failures.append(f"{what} -> {remedy}")

    def text(self) -> str:
        closing = ["", "What fails and its remedy:", *(f"  - {line}" for line in self.failures)]
        return without_names(
            "\n".join([*self.lines, *(closing if self.failures else ["", "Nothing fails."])])
        )


def main(home: str | None) -> int:
    """Print the report; 0 where nothing fails, 1 where something does, 2 where home is no path."""
    try:
        report = examine(Environment(), find_home(home))
    except HomeError as error:
        print(error, file=sys.stderr)
        return 2
    print(report.text())
    return 1 if report.failures else 0


def examine(environment: Environment, home: Home) -> Report:
    report = Report()
    report.row("Mynah", mynah_version(environment.program))
    _computer(report)
    _tools(report)
    _environment(report, environment)
    _places(report, environment, home)
    return report


def mynah_version(program: Path) -> str:
    """The version of pyproject.toml, and the commit where it is a git checkout."""
    text = (program / "pyproject.toml").read_text(encoding="utf-8")
    match = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    version = match[1] if match else "unknown"
    commit = answer("git", "-C", str(program), "rev-parse", "--short", "HEAD")
    return f"{version} (commit {commit})" if commit else version


def _computer(report: Report) -> None:
    report.row("System", f"{platform.system()} {platform.release()} {platform.machine()}")
    if platform.system() == "Linux":
        report.row("Distribution", linux_name())
    report.row("Python", f"{platform.python_version()} ({platform.python_implementation()})")
    report.row("Processors", str(os.cpu_count() or "unknown"))
    memory = memory_bytes()
    report.row("Memory", f"{memory / 1024**3:.1f} GiB" if memory else "unknown")
    report.row("GPU", graphics())
    if refusal := python_refusal():
        report.fails(f"Python {platform.python_version()}", refusal)


def _tools(report: Report) -> None:
    compiler = pip_failures.find_compiler()
    report.row("C++ compiler", tool_version(compiler) if compiler else "none found")
    for name in ("cmake", "git"):
        path = shutil.which(name)
        report.row(name, tool_version(path) if path else "none found")


def _environment(report: Report, environment: Environment) -> None:
    if not environment.folder.exists():
        report.row("Environment", f"not made yet ({START})")
        if importlib.util.find_spec("ensurepip") is None:
            report.fails("this Python lacks ensurepip", pip_failures.venv_remedy())
        if pip_failures.find_compiler() is None:
            report.fails(
                "no C++ compiler (needed unless a ready llama-cpp-python is found)",
                pip_failures.compiler_remedy(),
            )
        return
    if not environment.works():
        report.row("Environment", "damaged or half-made")
        report.fails("the environment (.venv) is damaged or half-made", f"{START}, it is made anew")
        return
    whole = is_current(environment, [LAPTOP, TRAIN])
    state = "complete" if whole else "incomplete, or made for other requirements"
    report.row("Environment", f"{state}, Python {environment.python_version()}")
    if not whole:
        report.fails("the environment (.venv) is not complete", f"{START}, it goes on")
    _packages(report, environment)
    if environment.installed_version("llama-cpp-python"):
        _runtime(report, environment)


def _packages(report: Report, environment: Environment) -> None:
    """Installed versions against the pins, read in the environment's own Python."""
    rows = package_rows(environment, (LAPTOP, TRAIN))
    if rows is None:
        report.row("Packages", "could not be read")
        report.fails("the environment's Python does not answer", "delete .venv and start again")
        return
    report.row("Packages", f"{sum(row[3] for row in rows)} of {len(rows)} as required")
    for name, wanted, found, fits in rows:
        report.lines.append(
            f"  {name:<24} {found or 'absent':<14} {'' if fits else 'wanted ' + wanted}".rstrip()
        )
    unfit = [name for name, _, _, fits in rows if not fits]
    if unfit:
        report.fails(f"absent or of another version: {', '.join(unfit)}", START)


def package_rows(
    environment: Environment, files: Sequence[str]
) -> list[tuple[str, str, str, bool]] | None:
    """(name, wanted, found or "", fits) of each requirement that counts here; None where the
    environment's Python does not answer."""
    paths = [str(environment.program / name) for name in files]
    try:
        rows = json.loads(answer(str(environment.python), "-c", _COMPARE, *paths, timeout_s=60))
    except ValueError:
        return None
    return [(name, wanted, found, fits) for name, wanted, found, fits in rows]


def _runtime(report: Report, environment: Environment) -> None:
    code = "import llama_cpp; print(llama_cpp.llama_print_system_info().decode())"
    says = answer(str(environment.python), "-c", code, timeout_s=60)
    report.row("llama.cpp", says or "does not start")
    if not says:
        report.fails(
            "llama-cpp-python does not start on this computer",
            "`.venv/bin/pip install --force-reinstall --no-deps --no-binary llama-cpp-python "
            "llama-cpp-python` builds it for this very processor",
        )


def _places(report: Report, environment: Environment, home: Home) -> None:
    report.row("Program", str(environment.program))
    seen = existing(home.root) == home.root
    report.row("Home", f"{home.root}{'' if seen else ' (not made yet, or out of reach)'}")
    if not writable(home.root):
        report.fails(f"the home {home.root} cannot be written to", "choose another with --home DIR")
    room = ROOM_TO_WORK_BYTES if environment.works() else ROOM_TO_INSTALL_BYTES
    for name, folder in (("program", environment.program), ("home", existing(home.root))):
        free = shutil.disk_usage(folder).free
        report.row(f"Free, {name}", f"{free / 1024**3:.1f} GiB")
        if free < room:
            report.fails(f"little room on the disk of {folder}", f"free {room / 1024**3:.0f} GiB")
    models = sorted(DEMO_BASE_DIR.glob("*.gguf"))
    sizes = [f"{model.name} ({model.stat().st_size / 1024**2:.1f} MiB)" for model in models]
    report.row("Small base", ", ".join(sizes) or "absent")
    if not models:
        report.fails("models/demo-base holds no GGUF", "fetch Mynah again, it comes with it")


def linux_name() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return "unknown"


def memory_bytes() -> int:
    """The computer's memory, 0 where it is not known."""
    if sys.platform == "win32":
        return _windows_memory_bytes()
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return 0


def _windows_memory_bytes() -> int:
    import ctypes

    class MemoryStatus(ctypes.Structure):
        _fields_ = (
            ("length", ctypes.c_ulong),
            ("load", ctypes.c_ulong),
            ("total", ctypes.c_ulonglong),
            ("rest", ctypes.c_ulonglong * 6),
        )

    status = MemoryStatus(length=ctypes.sizeof(MemoryStatus))
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009 - absent elsewhere
    return int(status.total) if kernel.GlobalMemoryStatusEx(ctypes.byref(status)) else 0


def graphics() -> str:
    """NVIDIA cards by nvidia-smi, Apple's own by the machine; others are not asked for."""
    query = "--query-gpu=name,memory.total,driver_version"
    cards = answer("nvidia-smi", query, "--format=csv,noheader")
    if cards:
        return "; ".join(" ".join(line.split()) for line in cards.splitlines())
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "Apple, shared memory (Metal)"
    return "none found"


def tool_version(path: str) -> str:
    """The first line of `path --version`; the path where it says nothing."""
    return (answer(path, "--version").splitlines() or [path])[0]


def answer(*command: str, timeout_s: float = 15) -> str:
    """What a command prints; "" where it is absent, fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout_s
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists and may be looked at."""
    # Path.exists raises where a folder may not be looked into.
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110


def writable(folder: Path) -> bool:
    """Whether a file can be made there (or the folder itself, where it is not made yet)."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):
            return True
    except OSError:
        return False


def without_names(
    text: str, user_folder: Path | None = None, user: Callable[[], str] = getpass.getuser
) -> str:
    """`text` with the user's folder as ~ and the user's name gone from other paths."""
    try:
        folder = user_folder or Path.home()
    except RuntimeError:  # no such user in a container
        folder = Path("/")
    if folder != Path(folder.anchor):
        for spelling in {str(folder), str(folder.resolve()), folder.as_posix()}:
            text = re.sub(re.escape(spelling) + r"(?![\w.-])", "~", text)
    try:
        name = user()
    except (KeyError, OSError, ImportError):  # the same; Windows has no list of users to ask
        return text
    return re.sub(rf"(?<=[/\\]){re.escape(name)}(?=[/\\\s]|$)", "USER", text)
