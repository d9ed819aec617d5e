"""The sentence for each way that an install fails, fed with what pip said when it failed so."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import pip_failures

OUTPUTS = Path(__file__).with_name("pip_outputs")


@pytest.mark.parametrize(
    ("file", "beginning"),
    [
        ("network", "The package registry could not be reached"),
        ("disk", "The disk is full"),
        ("compiler", "No C++ compiler was found."),
        ("cmake", "CMake or a build program for it is missing."),
        ("no_build", "There is no build of lancedb==0.40.0 for this system"),
    ],
)
def test_recorded_failures(file: str, beginning: str) -> None:
    output = (OUTPUTS / f"{file}.txt").read_text(encoding="utf-8")
    assert pip_failures.explain(output).startswith(beginning)


@pytest.mark.parametrize(
    ("output", "beginning"),
    [
        ("error: Microsoft Visual C++ 14.0 or greater is required.", "No C++ compiler"),
        ("xcrun: error: invalid active developer path (/Library/Developer)", "No C++ compiler"),
        ("Failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "A download's cert"),
        ("c++: fatal error: Killed signal terminated program cc1plus", "The memory ran out"),
        ("OSError: [WinError 112] There is not enough space on the disk", "The disk is full"),
        ("ERROR: Could not install packages: [Errno 13] Permission denied: 'x'", "A file could"),
        ("(from versions: 1.0)\nERROR: No matching distribution found for x==2", "There is no b"),
        ("the requirement torch==2.13.0 (from versions: none)", "Nothing was found for torch"),
        ("ERROR: ResolutionImpossible: for help visit", "The packages' versions contradict"),
        ("ERROR: Failed building wheel for thing\n", "thing could not be built"),
        ("something else", "pip failed for a reason that Mynah does not know"),
    ],
)
def test_published_failures(output: str, beginning: str) -> None:
    assert pip_failures.explain(output).startswith(beginning)


@pytest.mark.parametrize(
    ("system", "family", "command"),
    [
        ("Linux", "apt", "sudo apt install build-essential"),
        ("Linux", "dnf", "sudo dnf install gcc-c++ make"),
        ("Linux", "pacman", "sudo pacman -S base-devel"),
        ("Linux", "", "your system's package tool"),
        ("Darwin", "", "xcode-select --install"),
        ("Windows", "", '"Desktop development with C++"'),
    ],
)
def test_compiler_remedy_is_the_systems_own(system: str, family: str, command: str) -> None:
    assert command in pip_failures.compiler_remedy(system, family)
    assert pip_failures.cmake_remedy(system, family).endswith("then start again.")


def test_venv_remedy_names_debians_package() -> None:
    assert "sudo apt install python3.12-venv" in pip_failures.venv_remedy("Linux", "apt", "3.12")
    assert "python.org" in pip_failures.venv_remedy("Windows")


@pytest.mark.parametrize(
    ("release", "family"),
    [
        ('ID=ubuntu\nID_LIKE=debian\nNAME="Ubuntu"', "apt"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"', "dnf"),
        ("ID=manjaro\nID_LIKE=arch", "pacman"),
        ("ID=alpine", "apk"),
        ("ID=nixos", ""),
    ],
)
def test_linux_families(tmp_path: Path, release: str, family: str) -> None:
    file = tmp_path / "os-release"
    file.write_text(release)
    assert pip_failures.linux_family(file) == family
    assert pip_failures.linux_family(tmp_path / "absent") == ""
