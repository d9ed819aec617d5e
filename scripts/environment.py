"""Makes the environment: `.venv` beside launcher.py, its packages, the converter to GGUF.

Used by launcher.py and scripts/check.py before anything is installed: standard library alone.
What is there already is found by a stamp, so a second start costs no call of pip; what was
interrupted goes on where it stood.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from scripts import card_torch, converter_source, pip_failures
from scripts.pip_progress import Display, PipError, run_pip
from storage.errors import MynahError

PROGRAM_DIR = Path(__file__).resolve().parent.parent
LAPTOP = "requirements.txt"
TRAIN = "requirements-train.txt"
GPU = "requirements-gpu.txt"
UNSLOTH = "requirements-unsloth.txt"
DEV = "requirements-dev.txt"

OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)
RUNTIME_WHEELS = "https://abetlen.github.io/llama-cpp-python/whl/cpu"
TORCH_CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
UPSTREAM_TIMEOUT_S = 5
ROOM_WANTED_BYTES = 4 * 1024**3


class InstallError(MynahError):
    """The environment could not be made; the message is a sentence to act on."""


@dataclass(frozen=True)
class Environment:
    """One `.venv` and the program folder that it belongs to. Making the value touches nothing."""

    program: Path = PROGRAM_DIR

    @property
    def folder(self) -> Path:
        return self.program / ".venv"

    @property
    def python(self) -> Path:
        if os.name == "nt":
            return self.folder / "Scripts" / "python.exe"
        return self.folder / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        if os.name == "nt":
            return self.folder / "Lib" / "site-packages"
        found = sorted((self.folder / "lib").glob("python3.*/site-packages"))
        return found[-1] if found else self.folder / "lib" / "site-packages"

    @property
    def log(self) -> Path:
        return self.folder / "install.log"

    @property
    def stamp(self) -> Path:
        return self.folder / "installed.json"

    def python_version(self) -> str:
        """The environment's Python as pyvenv.cfg names it, "" where there is none."""
        try:
            text = (self.folder / "pyvenv.cfg").read_text(encoding="utf-8")
        except OSError:
            return ""
        match = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+\.\d+)", text, re.MULTILINE)
        return match[1] if match else ""

    def works(self) -> bool:
        """Whether Python and pip are in place, and Python is still the one it was made with.

        Its Python is a link to the system's: where that was upgraded underneath, from 3.12 to 3.13
        say, it looks for the packages in another folder. Starts Python once, 0.02 s.
        """
        pip = self.site_packages / "pip" / "__main__.py"
        made_with = self.python_version().split(".")[:2]
        return self.python.exists() and pip.is_file() and self._answering_version() == made_with

    def _answering_version(self) -> list[str]:
        """Major and minor as its Python says itself, [] where it does not start."""
        code = "import sys; print(*sys.version_info[:2])"
        try:
            done = subprocess.run(
                [str(self.python), "-I", "-S", "-c", code], capture_output=True, text=True
            )
        except OSError:
            return []
        return done.stdout.split()

    def installed_version(self, package: str) -> str:
        """A package's version by its folder's name, "" where it is not installed."""
        name = re.sub(r"[-_.]+", "_", package)
        pattern = re.compile(rf"{name}-(.+)\.dist-info", re.IGNORECASE)
        if self.site_packages.is_dir():
            for entry in self.site_packages.iterdir():
                if match := pattern.fullmatch(entry.name):
                    return match[1]
        return ""


def has_card() -> bool:
    """Whether NVIDIA's driver is installed."""
    return shutil.which("nvidia-smi") is not None


def python_refusal(version: Sequence[int] = sys.version_info[:3]) -> str:
    """The sentence for a Python that Mynah does not run on, "" for one that it does."""
    if OLDEST_PYTHON <= tuple(version[:2]) <= NEWEST_PYTHON:
        return ""
    found = ".".join(str(part) for part in version[:2])
    return f"Mynah needs Python 3.10 to 3.13 and this is {found}: start it with one of those."


def pin_of(package: str, requirements: Path) -> str:
    """The version that a requirements file pins a package to; ValueError where it does not."""
    pattern = rf"^{re.escape(package)}==([^\s;#]+)"
    match = re.search(pattern, requirements.read_text(encoding="utf-8"), re.MULTILINE)
    if match is None:
        raise ValueError(f"{requirements.name} has no pin for {package}")
    return match[1]


def is_current(environment: Environment, files: Sequence[str]) -> bool:
    """Whether these requirements files are installed as they stand now. Fast: reads a few files."""
    if not environment.works():
        return False
    try:
        stamp = json.loads(environment.stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(stamp, dict) or stamp.get("python") != environment.python_version():
        return False
    if GPU in files and has_card() and card_torch.cuda_of(environment.site_packages) == "":
        return False  # the card came after torch
    wanted = _hashes(environment.program, files)
    have = stamp.get("requirements", {})
    return all(have.get(name) == digest for name, digest in wanted.items()) and (
        TRAIN not in files or converter_source.is_whole(_converter(environment))
    )


def ensure(environment: Environment, files: Sequence[str], out: TextIO = sys.stderr) -> Path:
    """Make or complete the environment for these requirements files; its Python.

    Prints progress to `out`. Raises InstallError with a sentence; KeyboardInterrupt passes.
    """
    if is_current(environment, files):
        return environment.python
    try:
        with _alone(environment.program, out):
            if not is_current(environment, files):  # another start may have made it meanwhile
                _Installation(environment, out).run(files)
    except PipError as failure:
        raise InstallError(
            f"{pip_failures.explain(failure.output)} (The whole story: {environment.log})"
        ) from failure
    except converter_source.ConverterError as failure:
        raise InstallError(str(failure)) from failure
    except OSError as failure:
        raise InstallError(
            f"The environment could not be written: {failure}. Is the disk full, or the folder "
            f"{environment.program} not yours?"
        ) from failure
    return environment.python


class _Installation:
    """One run of the installer: the steps in order, sharing the display and the log."""

    def __init__(self, environment: Environment, out: TextIO) -> None:
        self.environment = environment
        self.out = out
        self.display = Display(out)

    def run(self, files: Sequence[str]) -> None:
        self.say("Making Mynah's environment (.venv). The first time takes some minutes.")
        self.warn_of_little_room()
        self.make_venv()
        self.environment.log.write_text("", encoding="utf-8")
        self.environment.stamp.unlink(missing_ok=True)
        self.install_runtime()
        if GPU in files and has_card():
            self.install_card_torch()
        elif TRAIN in files:
            self.install_small_torch()
        self.say("Installing the packages.")
        self.pip("install", *(part for name in files for part in ("-r", str(self.file(name)))))
        if GPU in files and has_card():
            self.put_card_torch_right()
        if TRAIN in files:
            self.fetch_converter()
        self.write_stamp(files)
        self.display.line("the environment is ready")

    def say(self, sentence: str) -> None:
        print(sentence, file=self.out, flush=True)

    def file(self, name: str) -> Path:
        return self.environment.program / name

    def pip(self, verb: str, *arguments: str) -> None:
        run_pip(
            self.environment.python,
            [verb, "--progress-bar", "off", *arguments],
            self.environment.log,
            self.display,
            self.environment.site_packages,
        )

    def warn_of_little_room(self) -> None:
        free = shutil.disk_usage(self.environment.program).free
        if free < ROOM_WANTED_BYTES:
            self.say(
                f"Only {free / 1e9:.1f} GB are free on this disk; about 4 GB are wanted, and more "
                "with CUDA."
            )

    def make_venv(self) -> None:
        """Make the bare environment, or make it anew where it was left half-made."""
        environment = self.environment
        if environment.works():
            refusal = python_refusal([int(n) for n in environment.python_version().split(".")])
            if refusal:
                raise InstallError(f"{refusal} (Delete {environment.folder} first.)")
            return
        if Path(sys.prefix).resolve() == environment.folder.resolve():
            raise InstallError(
                "The .venv is damaged and cannot mend itself: start with the system's Python."
            )
        if importlib.util.find_spec("ensurepip") is None:
            raise InstallError(f"This Python lacks ensurepip. {pip_failures.venv_remedy()}")
        self.display.line(f"making .venv with Python {platform.python_version()}")
        command = [sys.executable, "-m", "venv", "--clear", str(environment.folder)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode == 0 and environment.works():
            return
        said = done.stdout + done.stderr
        if "ensurepip" in said:
            raise InstallError(f"This Python lacks ensurepip. {pip_failures.venv_remedy()}")
        last = (said.strip().splitlines() or ["no reason given"])[-1]
        raise InstallError(f"`python -m venv` failed: {last}")

    def install_runtime(self) -> None:
        """llama-cpp-python first: it is the one that may need a compiler, so it fails early."""
        pin = pin_of("llama-cpp-python", self.file(LAPTOP))
        name, requirement = "llama-cpp-python", f"llama-cpp-python=={pin}"
        is_there = self.environment.installed_version(name) == pin
        if is_there and self.runtime_starts():
            return
        if not is_there and self.has_built(name, pin):
            self.say(f"{requirement}: taking the wheel that pip built on this machine before.")
            self.pip("install", requirement)
        elif is_there or self.install_ready_wheel(requirement, RUNTIME_WHEELS):
            if not is_there and self.runtime_starts():
                self.say(f"{requirement}: took a ready wheel from the project's own index.")
                return
            self.say(f"{requirement}: the ready wheel does not start here; building it instead.")
            self.require_compiler()
            self.pip("install", "--force-reinstall", "--no-deps", "--no-binary", name, requirement)
        else:
            self.say(f"{requirement}: no ready wheel for this system; building it from source.")
            self.require_compiler()
            self.pip("install", requirement)

    def has_built(self, package: str, version: str) -> bool:
        """Whether pip's cache on this machine holds a wheel that it built of this version."""
        pattern = f"{package.replace('-', '_')}-{version}-*"
        command = [str(self.environment.python), "-m", "pip", "cache", "list", pattern]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        return done.returncode == 0 and f"-{version}-" in done.stdout

    def install_ready_wheel(self, requirement: str, index: str) -> bool:
        """Try an upstream's own index of wheels, with little patience; whether it worked."""
        patience = ["--timeout", str(UPSTREAM_TIMEOUT_S), "--retries", "0"]
        only = ["--no-deps", "--only-binary", ":all:", "--index-url", index]
        with tempfile.TemporaryDirectory(dir=self.environment.folder) as folder:
            try:
                self.pip("download", "-d", folder, *patience, *only, requirement)
                self.pip("install", *(str(wheel) for wheel in Path(folder).glob("*.whl")))
            except PipError:
                return False
        return True

    def runtime_starts(self) -> bool:
        """A ready wheel may want another C library or a newer processor: see it start."""
        command = [str(self.environment.python), "-c", "import llama_cpp"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def require_compiler(self) -> None:
        """pip brings CMake and ninja itself where it has wheels of them; a compiler it cannot."""
        if pip_failures.find_compiler() is None:
            raise InstallError(
                "llama-cpp-python has to be built here and no C++ compiler was found. "
                + pip_failures.compiler_remedy()
            )

    def install_small_torch(self) -> None:
        """Linux without an NVIDIA card: the CPU build, several GB smaller than the default."""
        pin = pin_of("torch", self.file(TRAIN))
        have = self.environment.installed_version("torch").split("+")[0]
        if platform.system() != "Linux" or has_card() or have == pin:
            return
        self.say(f"torch=={pin}: no NVIDIA card here, so the smaller CPU build where there is one.")
        if not self.install_ready_wheel(f"torch=={pin}", TORCH_CPU_WHEELS):
            self.say("PyTorch's own index was not reached: taking the registry's, which is larger.")

    def install_card_torch(self) -> None:
        """The build that computes on an NVIDIA card, in place of a processor's."""
        pin = pin_of("torch", self.file(TRAIN))
        have = card_torch.cuda_of(self.environment.site_packages)
        index = card_torch.index_of(self.file(GPU))
        if command := card_torch.command(platform.system(), pin, index, have):
            self.say(f"torch=={pin}: the build for NVIDIA cards, which is some GB.")
            self.pip(*command)

    def put_card_torch_right(self) -> None:
        pin = pin_of("torch", self.file(TRAIN))
        card_torch.put_right(
            self.environment.site_packages,
            f"torch=={pin}",
            card_torch.index_of(self.file(GPU)),
            lambda arguments: self.pip(*arguments),
        )

    def fetch_converter(self) -> None:
        pin = pin_of("llama-cpp-python", self.file(LAPTOP))
        if not converter_source.is_whole(_converter(self.environment)):
            self.say("Fetching the converter to GGUF that belongs to it.")
            converter_source.fetch_converter(
                pin, self.environment.folder, lambda arguments: self.pip(*arguments)
            )

    def write_stamp(self, files: Sequence[str]) -> None:
        environment = self.environment
        stamp = {
            "python": environment.python_version(),
            "requirements": _hashes(environment.program, files),
        }
        partial = environment.stamp.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as file:
            json.dump(stamp, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(environment.stamp)


def _hashes(program: Path, files: Sequence[str]) -> dict[str, str]:
    """sha256 of each requirements file and of those that it includes (`-r other`)."""
    digests: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        name = waiting.pop()
        if name not in digests:
            content = (program / name).read_bytes()
            # A checkout may change the line ends; the requirements stay the same.
            digests[name] = hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
            waiting += re.findall(r"^-r\s+(\S+)", content.decode("utf-8"), re.MULTILINE)
    return digests


def _converter(environment: Environment) -> Path:
    pin = pin_of("llama-cpp-python", environment.program / LAPTOP)
    return converter_source.converter_folder(pin, environment.folder)


@contextmanager
def _alone(program: Path, out: TextIO) -> Iterator[None]:
    """Hold the installer's lock; the system frees it even where the process is killed."""
    with (program / ".install.lock").open("a+b") as lock:
        if not _try_lock(lock.fileno()):
            print("Another Mynah is installing here; waiting for it.", file=out, flush=True)
            _wait_for_lock(lock.fileno())
        yield


if sys.platform == "win32":
    import msvcrt
    import time

    def _try_lock(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int) -> None:
        while not _try_lock(descriptor):
            time.sleep(0.5)

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
