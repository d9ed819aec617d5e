"""The installer with a real venv and a real pip on packages from a folder."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from scripts import converter_source, environment, pip_failures
from scripts.environment import LAPTOP, TRAIN, Environment, InstallError
from scripts.pip_progress import QUIET_ELSEWHERE_S, Display, Reader, run_pip
from tests.scripts.local_packages import write_wheel

pytest_plugins = ["tests.scripts.small_program"]

BOTH = [LAPTOP, TRAIN]


def install(program: Path, files: list[str] | None = None) -> str:
    """Run the installer; what it showed."""
    shown = io.StringIO()
    environment.ensure(Environment(program), files or BOTH, shown)
    return shown.getvalue()


def test_install_shows_each_package_and_the_road_taken(whole_program: tuple[Path, str]) -> None:
    program, shown = whole_program
    assert "no ready wheel for this system; building it from source" in shown
    for line in (
        "building llama-cpp-python (about 5 minutes the first time)",
        "built llama-cpp-python",
        "installed llama_cpp_python 0.0.1",
        "installed laptop_package 1.0",
        "installed train_package 1.0",
        "the environment is ready",
    ):
        assert line in shown
    assert "Successfully installed" not in shown  # pip's own words are for the log
    assert "Successfully installed" in Environment(program).log.read_text()


def test_what_is_installed_costs_no_pip_and_shows_nothing(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "run_pip", None)  # any call of pip would fail
    assert install(installed) == ""
    assert install(installed, [LAPTOP]) == ""


def test_stamp_follows_requirements_python_and_converter(installed: Path) -> None:
    here = Environment(installed)
    assert environment.is_current(here, BOTH)
    requirements = installed / TRAIN
    before = requirements.read_bytes()
    requirements.write_bytes(before.replace(b"\n", b"\r\n"))
    assert environment.is_current(here, BOTH)  # another checkout's line ends
    requirements.write_bytes(before + b"# changed\n")
    assert not environment.is_current(here, BOTH)
    assert environment.is_current(here, [LAPTOP])
    requirements.write_bytes(before)
    stamp = json.loads(here.stamp.read_text())
    here.stamp.write_text(json.dumps({**stamp, "python": "3.9.1"}))
    assert not environment.is_current(here, BOTH)
    here.stamp.write_text("{")
    assert not environment.is_current(here, BOTH)
    here.stamp.write_text(json.dumps(stamp))
    (converter_source.converter_folder("0.0.1", here.folder) / "manifest.json").unlink()
    assert not environment.is_current(here, BOTH)


def test_a_changed_pin_installs_only_what_changed(installed: Path, wheels: Path) -> None:
    write_wheel(wheels, "train-package", "2.0")
    (installed / TRAIN).write_text("torch==1.0\ntrain-package==2.0\n")
    shown = install(installed)
    assert "installed train_package 2.0" in shown
    assert "laptop_package" not in shown
    assert "llama" not in shown


def test_a_ready_wheel_is_taken_and_seen_to_start(program: Path, wheels: Path) -> None:
    (program / LAPTOP).write_text("llama-cpp-python==0.0.1\n")
    write_wheel(wheels, "llama-cpp-python", "0.0.1", module="llama_cpp")
    shown = install(program, [LAPTOP])
    assert "took a ready wheel from the project's own index" in shown
    assert "building" not in shown


def test_a_ready_wheel_that_does_not_start_is_built_instead(program: Path, wheels: Path) -> None:
    (program / LAPTOP).write_text("llama-cpp-python==0.0.1\n")
    write_wheel(wheels, "llama-cpp-python", "0.0.1", module="not_what_is_imported")
    shown = install(program, [LAPTOP])
    assert "the ready wheel does not start here; building it instead" in shown
    assert (Environment(program).site_packages / "llama_cpp.py").read_text() == "built = True\n"


def test_a_broken_runtime_is_not_taken_for_whole_by_the_next_start(
    program: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program / LAPTOP).write_text("llama-cpp-python==0.0.1\n")
    write_wheel(wheels, "llama-cpp-python", "0.0.1", module="not_what_is_imported")
    with monkeypatch.context() as without_compiler:
        without_compiler.setattr(pip_failures, "find_compiler", lambda: None)
        for _ in range(2):
            with pytest.raises(InstallError, match=r"no C\+\+ compiler was found"):
                install(program, [LAPTOP])
    assert "building it instead" in install(program, [LAPTOP])
    assert (Environment(program).site_packages / "llama_cpp.py").read_text() == "built = True\n"


def test_a_python_that_was_upgraded_underneath_is_noticed(installed: Path) -> None:
    here = Environment(installed)
    config = here.folder / "pyvenv.cfg"
    major, minor, patch = here.python_version().split(".")
    text = config.read_text()
    config.write_text(text.replace(here.python_version(), f"{major}.{int(minor) - 1}.{patch}"))
    assert not here.works()
    assert not environment.is_current(here, BOTH)
    config.write_text(text.replace(here.python_version(), f"{major}.{minor}.{int(patch) + 1}"))
    assert here.works()  # a patch release finds the same packages


def test_converter_is_taken_out_of_the_source_distribution(
    whole_program: tuple[Path, str],
) -> None:
    folder = converter_source.converter_folder("0.0.1", Environment(whole_program[0]).folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"] == [
        "LICENSE",
        "conversion/base.py",
        "convert_hf_to_gguf.py",
        "convert_lora_to_gguf.py",
        "gguf-py/gguf/__init__.py",
    ]
    assert (folder / "convert_hf_to_gguf.py").read_text() == "print('converter')\n"
    assert not (folder / "ggml").exists()
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]  # no scratch left


def test_converter_without_manifest_is_fetched_again(installed: Path) -> None:
    folder = converter_source.converter_folder("0.0.1", Environment(installed).folder)
    (folder / "manifest.json").unlink()
    (folder / "convert_hf_to_gguf.py").write_text("half")
    install(installed)
    assert (folder / "convert_hf_to_gguf.py").read_text() == "print('converter')\n"


@pytest.mark.parametrize(
    "name",
    ["x/other/convert_hf_to_gguf.py", "x/vendor/llama.cpp/conversion/../../../../evil", "x"],
)
def test_converter_takes_no_name_from_elsewhere(name: str) -> None:
    assert converter_source._wanted_name(name) is None


def test_no_compiler_is_named_before_any_build(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InstallError, match=r"has to be built here and no C\+\+ compiler was found"):
        install(program)


def test_after_a_failure_the_next_start_goes_on(installed: Path, wheels: Path) -> None:
    (installed / TRAIN).write_text("torch==1.0\ntrain-package==3.0\n")
    with pytest.raises(InstallError, match=r"no build of train-package==3.0.*install\.log"):
        install(installed)
    assert not environment.is_current(Environment(installed), BOTH)
    write_wheel(wheels, "train-package", "3.0")
    assert "installed train_package 3.0" in install(installed)


@pytest.mark.slow
def test_a_half_made_venv_is_made_anew(program: Path) -> None:
    here = Environment(program)
    for file in (here.site_packages / "pip").glob("__main__.py"):
        file.unlink()
    assert not here.works()
    (program / LAPTOP).write_text("llama-cpp-python==0.0.1\n")
    assert "making .venv" in install(program, [LAPTOP])
    assert here.works()


@pytest.mark.parametrize(
    ("version", "accepted"),
    [((3, 9), False), ((3, 10), True), ((3, 13, 2), True), ((3, 14, 0), False), ((4, 0), False)],
)
def test_python_versions(version: tuple[int, ...], accepted: bool) -> None:
    refusal = environment.python_refusal(version)
    assert (refusal == "") is accepted
    if not accepted:
        assert refusal.startswith("Mynah needs Python 3.10 to 3.13 and this is ")


def test_pins_are_read_from_the_shipped_requirements() -> None:
    assert environment.pin_of("llama-cpp-python", environment.PROGRAM_DIR / LAPTOP)
    assert environment.pin_of("torch", environment.PROGRAM_DIR / TRAIN)
    with pytest.raises(ValueError, match="no pin for torch"):
        environment.pin_of("torch", environment.PROGRAM_DIR / LAPTOP)


def test_the_laptop_needs_no_torch() -> None:
    text = (environment.PROGRAM_DIR / LAPTOP).read_text()
    heavy = ("torch", "transformers", "sentence-transformers", "trl", "peft", "datasets")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert not [line for line in lines if line.split("=")[0].strip() in heavy]


def test_reader_passes_pips_lines_on() -> None:
    reader = Reader()
    lines = {
        "Collecting SQLAlchemy==2.0.58": "collecting SQLAlchemy",
        "  Downloading ijson-3.6.0-cp311-none.whl.metadata (22 kB)": None,
        "  Downloading https://example.org/ijson-3.6.0-cp311-none.whl (150 kB)": (
            "downloading ijson-3.6.0-cp311-none.whl (150 kB)"
        ),
        "  Using cached numpy-2.4.6-cp311-none.whl (16.0 MB)": "cached numpy-2.4.6-cp311-none.whl",
        "Requirement already satisfied: six in ./lib (1.0)": None,
        "Building wheels for collected packages: llama-cpp-python": None,
        "  Building wheel for llama-cpp-python (pyproject.toml): started": (
            "building llama-cpp-python (about 5 minutes the first time)"
        ),
        "  Building wheel for llama-cpp-python (pyproject.toml): still running...": None,
        "  Building wheel for llama-cpp-python (pyproject.toml): finished with status 'done'": (
            "built llama-cpp-python"
        ),
        "Installing collected packages: a, b, c": "installing 3 packages",
    }
    assert {line: reader.read(line) for line in lines} == lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_silence_is_filled_with_a_heartbeat() -> None:
    now = [0.0]
    plain, terminal = io.StringIO(), Terminal()
    reader = Reader()
    displays = [Display(out, lambda: now[0]) for out in (plain, terminal)]
    shown = reader.read("  Building wheel for llama-cpp-python (pyproject.toml): started")
    for display in displays:
        display.line(shown or "")
        display.beat(reader)
    for second in range(1, 191):
        now[0] = second
        for display in displays:
            display.beat(reader)
    last = "still building llama-cpp-python, 3:10 (about 5 minutes the first time)"
    assert terminal.getvalue().endswith(last)
    assert plain.getvalue().count("still building") == 190 // int(QUIET_ELSEWHERE_S)
    displays[1].line("built llama-cpp-python")
    assert terminal.getvalue().endswith("\r\x1b[K   3:10  built llama-cpp-python\n")


def test_what_follows_pip_begins_a_line_of_its_own(tmp_path: Path) -> None:
    """pip that is silent for a while leaves its heartbeat standing; nothing is glued to it."""
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(3)\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{slow}"\n')
    python.chmod(0o755)
    out = Terminal()
    run_pip(python, ["install"], tmp_path / "log", Display(out), tmp_path)
    assert "still" in out.getvalue()
    assert out.getvalue().endswith("\r\x1b[K")
