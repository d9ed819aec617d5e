"""Why an install failed, as a sentence that says what to do. Standard library alone."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

# What each kind of failure looks like in pip's output, the likeliest cause first.
_SIGNS: tuple[tuple[str, str], ...] = (
    ("disk", r"No space left on device|\[Errno 28\]|WinError 112|not enough space on the disk"),
    ("memory", r"Killed signal terminated program|out of memory|MemoryError|std::bad_alloc"),
    (
        "certificate",
        r"CERTIFICATE_VERIFY_FAILED|SSLCertVerificationError|certificate verify failed",
    ),
    (
        "compiler",
        r"No CMAKE_(C|CXX)_COMPILER could be found|CMAKE_(C|CXX)_COMPILER not set"
        r"|CMAKE_(C|CXX)_COMPILER:.{0,200}is not a full path|C\+\+ 14\.0 or greater is required"
        r"|command '\S*(gcc|cc|g\+\+|clang|cl\.exe)' failed: No such file"
        r"|xcrun: error: invalid active developer path|could not find any instance of Visual Studio"
        r"|'?nmake'?.{0,80}(not found|no such file)",
    ),
    (
        "cmake",
        r"Could not find CMake|CMakeNotFoundError|CMake must be installed"
        r"|CMake was unable to find a build program|CMAKE_MAKE_PROGRAM is not set"
        r"|Ninja or a compatible|No matching distribution found for (cmake|ninja)",
    ),
    (
        "network",
        r"NewConnectionError|ConnectTimeoutError|Failed to establish a new connection"
        r"|Temporary failure in name resolution|getaddrinfo failed|nodename nor servname"
        r"|Network is unreachable|Read timed out|ReadTimeoutError|ProxyError|Connection reset"
        r"|ProtocolError|IncompleteRead|NameResolutionError",
    ),
    ("long_paths", r"Windows Long Path support|WinError 206"),
    ("permission", r"\[Errno 13\]|Permission denied|WinError 5\]"),
    ("nothing_found", r"the requirement (?P<package>\S+) \(from versions: none\)"),
    ("no_build", r"No matching distribution found for (?P<package>\S+)"),
    ("conflict", r"ResolutionImpossible|conflicting dependencies"),
    ("build", r"Failed building wheel for (?P<package>\S+)"),
)

_SENTENCES = {
    "disk": "The disk is full: free about 6 GB and start again, what was installed stays.",
    "memory": "The memory ran out while building: close other programs, or set "
    "CMAKE_BUILD_PARALLEL_LEVEL=1, and start again.",
    "certificate": "A download's certificate could not be verified: behind a company proxy set "
    "PIP_CERT to its certificate file; otherwise check the computer's date and time.",
    "network": "The package registry could not be reached: check the network (behind a proxy set "
    "HTTPS_PROXY) and start again, what was downloaded stays.",
    "long_paths": "Windows' limit on long paths got in the way: enable long paths "
    "(https://pip.pypa.io/warnings/enable-long-paths) or move Mynah to a shorter folder.",
    "permission": "A file could not be written: move Mynah to a folder of your own, and on Windows "
    "close other programs that use its .venv.",
    "nothing_found": "Nothing was found for {package}: either the package registry could not be "
    "reached (check the network and start again), or it has no build for this system and Python "
    "({system}). Mynah runs on 64-bit Windows, Linux (glibc 2.28 or newer) and Apple-silicon Macs.",
    "no_build": "There is no build of {package} for this system and Python ({system}): use 64-bit "
    "Python 3.10-3.13 on Windows, Linux (glibc 2.28 or newer) or an Apple-silicon Mac.",
    "conflict": "The packages' versions contradict each other: delete the .venv folder and start "
    "again; if that does not help, please report it with the log.",
    "build": "{package} could not be built; the log's last lines name the reason.",
}

_LINUX_INSTALL = {
    "apt": "sudo apt install",
    "dnf": "sudo dnf install",
    "pacman": "sudo pacman -S",
    "zypper": "sudo zypper install",
    "apk": "sudo apk add",
}
_LINUX_PACKAGES = {
    "compiler": {
        "apt": "build-essential",
        "dnf": "gcc-c++ make",
        "pacman": "base-devel",
        "zypper": "gcc-c++ make",
        "apk": "build-base",
        "": "gcc, g++ and make",
    },
    "cmake": {
        "apt": "cmake ninja-build",
        "dnf": "cmake ninja-build",
        "pacman": "cmake ninja",
        "zypper": "cmake ninja",
        "apk": "cmake samurai",
        "": "cmake and ninja",
    },
}
_BUILD_TOOLS = 'Visual Studio Build Tools with "Desktop development with C++"'
_REMEDIES = {
    ("compiler", "Windows"): f"Install {_BUILD_TOOLS} "
    "(https://visualstudio.microsoft.com/visual-cpp-build-tools/), then start again.",
    ("compiler", "Darwin"): "Run `xcode-select --install`, then start again.",
    ("cmake", "Windows"): f"Install {_BUILD_TOOLS} (CMake is part of it), or CMake from "
    "https://cmake.org/download/, then start again.",
    ("cmake", "Darwin"): "Run `xcode-select --install` and `brew install cmake ninja`, then start "
    "again.",
}


def explain(output: str) -> str:
    """The sentence for pip's `output`: the likely cause and its remedy on this system."""
    for kind, sign in _SIGNS:
        match = re.search(sign, output, re.IGNORECASE)
        if match is None:
            continue
        if kind == "compiler":
            return "No C++ compiler was found. " + compiler_remedy()
        if kind == "cmake":
            return "CMake or a build program for it is missing. " + cmake_remedy()
        package = match.groupdict().get("package") or ""
        return _SENTENCES[kind].format(
            package=package.rstrip(".,"), system=f"{platform.system()} {platform.machine()}"
        )
    return "pip failed for a reason that Mynah does not know; the log's last lines name it."


def linux_family(os_release: Path = Path("/etc/os-release")) -> str:
    """Which package tool this Linux has: apt, dnf, pacman, zypper or apk; "" when unknown."""
    try:
        text = os_release.read_text(encoding="utf-8").lower()
    except OSError:
        text = ""
    ids = " ".join(re.findall(r'^id(?:_like)?="?([^"\n]*)', text, re.MULTILINE)).split()
    for tool, names in {
        "apt": {"debian", "ubuntu"},
        "dnf": {"fedora", "rhel", "centos"},
        "pacman": {"arch"},
        "zypper": {"suse", "opensuse"},
        "apk": {"alpine"},
    }.items():
        if names & set(ids):
            return tool
    return ""


def compiler_remedy(system: str = "", family: str | None = None) -> str:
    """How to get a C++ compiler, with the exact command of this system."""
    return _remedy("compiler", system or platform.system(), family)


def cmake_remedy(system: str = "", family: str | None = None) -> str:
    """How to get CMake and ninja, with the exact command of this system."""
    return _remedy("cmake", system or platform.system(), family)


def _remedy(what: str, system: str, family: str | None) -> str:
    """The sentence of `_REMEDIES` for this system, or for this Linux's package tool."""
    if system == "Linux":
        tool = linux_family() if family is None else family
        names = _LINUX_PACKAGES[what]
        if tool in _LINUX_INSTALL:
            return f"Run `{_LINUX_INSTALL[tool]} {names[tool]}`, then start again."
        return f"Install {names['']} with your system's package tool, then start again."
    return _REMEDIES.get((what, system)) or _remedy(what, "Linux", "")


def venv_remedy(system: str = "", family: str | None = None, version: str = "") -> str:
    """What to do where Python came without its venv module."""
    if (system or platform.system()) == "Linux":
        found = linux_family() if family is None else family
        version = version or ".".join(platform.python_version_tuple()[:2])
        if found == "apt":
            return (
                f"Run `sudo apt install python{version}-venv` (or python3-venv), then start again."
            )
        if found == "zypper":
            return "Run `sudo zypper install python3-venv python3-pip`, then start again."
    return "Install Python from https://www.python.org/downloads/, then start again."


def find_compiler(which: Callable[[str], str | None] = shutil.which) -> str | None:
    """The C++ compiler that a build would use, or None."""
    system = platform.system()
    named = os.environ.get("CXX", "").split()
    if system == "Windows":
        return which("cl") or _visual_studio()
    candidates = [*named[:1], "c++", "g++", "clang++"]
    found = next((path for name in candidates if (path := which(name))), None)
    if found and system == "Darwin" and not _answers(["xcode-select", "-p"]):
        return None  # /usr/bin/c++ is a stub there until the command line tools are installed
    return found


def _visual_studio() -> str | None:
    """Where Visual Studio's C++ tools lie, asked of Microsoft's own vswhere."""
    base = os.environ.get("ProgramFiles(x86)", r"C:\Program Files (x86)")  # noqa: SIM112
    vswhere = Path(base) / "Microsoft Visual Studio" / "Installer" / "vswhere.exe"
    if not vswhere.is_file():
        return None
    wanted = "Microsoft.VisualStudio.Component.VC.Tools.x86.x64"
    command = [str(vswhere), "-latest", "-products", "*", "-requires", wanted]
    return _answers([*command, "-property", "installationPath"]) or None


def _answers(command: list[str]) -> str:
    """What a short command prints; "" where it fails or is absent."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
