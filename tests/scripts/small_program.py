"""A small Mynah of its own for the installer's tests: real venv and pip, packages from a folder."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import environment
from tests.scripts.local_packages import LLAMA_CPP, write_source, write_wheel

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [
    "launcher.py",
    "pyproject.toml",
    "gui/__init__.py",
    "gui/install_window.py",
    "gui/no_window.py",
    "storage/__init__.py",
    "storage/errors.py",
    "storage/paths.py",
    *(
        f"scripts/{name}.py"
        for name in (
            "card_torch",
            "converter_source",
            "doctor",
            "edge",
            "environment",
            "install",
            "pip_failures",
            "pip_progress",
        )
    ),
]
DEMO = """\
import sys
print('demo', *sys.argv[1:], sys.stdin.readline().strip())
sys.exit(7)
"""


def only_from(wheels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find packages nowhere but in this folder, and keep its cache beside it."""
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PIP_CACHE_DIR": str(wheels.with_name("pip-cache")),
        "PIP_EXTRA_INDEX_URL": "",
    }.items():
        monkeypatch.setenv(name, value)


def write_program(folder: Path) -> Path:
    """Mynah's folder with small requirements and a demo.py that says what it was given."""
    for name in SHIPPED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements.txt").write_text("llama-cpp-python==0.0.1\nlaptop-package==1.0\n")
    (folder / "requirements-train.txt").write_text("torch==1.0\ntrain-package==1.0\n")
    (folder / "scripts" / "demo.py").write_text(DEMO)
    return folder


@pytest.fixture(scope="session")
def bare_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Mynah whose .venv holds pip alone. Copy it, do not change it."""
    folder = write_program(tmp_path_factory.mktemp("bare") / "mynah")
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    return folder


@pytest.fixture(scope="session")
def wheels_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages: the runtime as a source distribution, the others as wheels."""
    folder = tmp_path_factory.mktemp("packages") / "wheels"
    folder.mkdir()
    write_source(folder, "llama-cpp-python", "0.0.1", module="llama_cpp", files=LLAMA_CPP)
    for name in ("laptop-package", "train-package", "torch"):
        write_wheel(folder, name)
    return folder


@pytest.fixture(scope="session")
def whole_program(
    tmp_path_factory: pytest.TempPathFactory, bare_program: Path, wheels_made: Path
) -> tuple[Path, str]:
    """A Mynah installed once, and what its installation showed. Copy it, do not change it."""
    folder = tmp_path_factory.mktemp("whole") / "mynah"
    shutil.copytree(bare_program, folder, symlinks=True)
    shown = io.StringIO()
    with pytest.MonkeyPatch.context() as monkeypatch:
        only_from(wheels_made, monkeypatch)
        files = [environment.LAPTOP, environment.TRAIN]
        environment.ensure(environment.Environment(folder), files, shown)
    return folder, shown.getvalue()


@pytest.fixture
def wheels(tmp_path: Path, wheels_made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This test's own folder of packages, the only place where pip finds any."""
    folder = tmp_path / "wheels"
    shutil.copytree(wheels_made, folder)
    only_from(folder, monkeypatch)
    return folder


@pytest.fixture
def program(tmp_path: Path, wheels: Path, bare_program: Path) -> Path:
    """This test's own Mynah before the installation."""
    shutil.copytree(bare_program, tmp_path / "mynah", symlinks=True)
    return tmp_path / "mynah"


@pytest.fixture
def installed(tmp_path: Path, wheels: Path, whole_program: tuple[Path, str]) -> Path:
    """This test's own Mynah after the installation."""
    shutil.copytree(whole_program[0], tmp_path / "mynah", symlinks=True)
    return tmp_path / "mynah"
