"""The card's torch and its environment: the commands of each system, and a real pip on packages
from a folder."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from scripts import card_torch, environment
from scripts.environment import GPU, LAPTOP, TRAIN, UNSLOTH, Environment, InstallError
from scripts.setup_training import check_command, files_for, planned
from tests.scripts.local_packages import write_wheel

pytest_plugins = ["tests.scripts.small_program"]

ROOT = Path(__file__).resolve().parents[2]
INDEX = "https://download.pytorch.org/whl/cu130"
FILES = [LAPTOP, TRAIN, GPU]
ANEW = ["install", "--force-reinstall", "--no-deps"]


def write_torch(folder: Path, cuda: str | None) -> None:
    """torch 1.0 with the file that says what it was built for."""
    write_wheel(folder, "torch")
    with zipfile.ZipFile(folder / "torch-1.0-py3-none-any.whl", "a") as wheel:
        text = f"from typing import Optional\ncuda: Optional[str] = {cuda!r}\n"
        wheel.writestr("torch/version.py", text)


@pytest.fixture
def gpu_program(installed: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed for training on a processor; now the machine has a card."""
    (installed / GPU).write_text(f"#  --index-url {INDEX}\ncard-package==1.0\n")
    write_wheel(wheels, "card-package")
    site = Environment(installed).site_packages
    (site / "torch").mkdir()
    (site / "torch" / "version.py").write_text("cuda = None\n")
    monkeypatch.setattr(environment, "has_card", lambda: True)
    return installed


def install(program: Path) -> str:
    shown = io.StringIO()
    environment.ensure(Environment(program), FILES, shown)
    return shown.getvalue()


def test_the_index_stands_in_the_requirements_alone() -> None:
    assert card_torch.index_of(ROOT / GPU) == INDEX
    named = [
        path.name
        for path in (*ROOT.glob("*.txt"), *ROOT.glob("scripts/*.py"))
        if INDEX in path.read_text(encoding="utf-8")
    ]
    assert named == [GPU]


def test_requirements_without_an_index_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / GPU).write_text("card-package==1.0\n")
    with pytest.raises(card_torch.NoIndexError, match="names no index"):
        card_torch.index_of(tmp_path / GPU)


@pytest.mark.parametrize(
    ("text", "cuda"),
    [
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n", "13.0"),
        ("cuda: Optional[str] = None\n", ""),
        (None, None),
    ],
)
def test_the_build_of_torch_is_read_in_its_own_file(
    tmp_path: Path, text: str | None, cuda: str | None
) -> None:
    if text is not None:
        (tmp_path / "torch").mkdir()
        (tmp_path / "torch" / "version.py").write_text(text)
    assert card_torch.cuda_of(tmp_path) == cuda


def test_the_torch_of_this_environment_is_recognised() -> None:
    import torch

    assert card_torch.cuda_of(Path(torch.__file__).parents[1]) == (torch.version.cuda or "")


@pytest.mark.parametrize(
    ("system", "have", "expected"),
    [
        ("Linux", None, []),
        ("Linux", "13.0", []),
        ("Linux", "", [*ANEW, "torch==1.0"]),
        ("Windows", "13.0", []),
        ("Windows", None, [*ANEW, "torch==1.0", "--index-url", INDEX]),
        ("Windows", "", [*ANEW, "torch==1.0", "--index-url", INDEX]),
    ],
)
def test_where_the_cards_torch_comes_from(
    system: str, have: str | None, expected: list[str]
) -> None:
    assert card_torch.command(system, "1.0", INDEX, have) == expected


def test_the_plan_of_each_system(tmp_path: Path) -> None:
    """In a program folder whose environment is not made yet."""
    for name in (*FILES, UNSLOTH):
        shutil.copy(ROOT / name, tmp_path / name)
    place = Environment(tmp_path)
    windows = planned(place, "Windows", files_for("Windows", with_unsloth=True), has_card=True)
    assert windows[0] == "py -m venv .venv"
    pip = ".venv\\Scripts\\python -m pip install"
    assert f"{pip} --force-reinstall --no-deps torch==2.13.0 --index-url {INDEX}" in windows
    assert (
        f"{pip} -r requirements.txt -r requirements-train.txt -r requirements-gpu.txt "
        "-r requirements-unsloth.txt" in windows
    )
    linux = planned(place, "Linux", files_for("Linux", with_unsloth=False), has_card=True)
    assert not [line for line in linux if " torch==" in line]  # the registry's is CUDA's
    assert "unsloth" not in "".join(linux)
    without = planned(place, "Linux", files_for("Linux", with_unsloth=False), has_card=False)
    assert [line for line in without if line.endswith("torch==2.13.0") and "/whl/cpu" in line]
    mac = planned(place, "Darwin", files_for("Darwin", with_unsloth=False), has_card=False)
    assert GPU not in "".join(mac)
    for plan in (windows, linux, without, mac):
        assert plan[-1].endswith("scripts/0_check_environment.py --role train")
    with pytest.raises(InstallError, match="leave out --with-unsloth"):
        files_for("Darwin", with_unsloth=True)


def test_a_look_at_it_all_ends_the_setup(tmp_path: Path) -> None:
    command = check_command(Environment(tmp_path), "there")
    assert command[1:] == [
        str(tmp_path / "scripts" / "0_check_environment.py"),
        *("--role", "train", "--home", "there"),
    ]


def test_a_processors_torch_gives_way_once_there_is_a_card(gpu_program: Path, wheels: Path) -> None:
    write_torch(wheels, "13.0")
    place = Environment(gpu_program)
    assert not environment.is_current(place, FILES)
    shown = install(gpu_program)
    assert "the build for NVIDIA cards" in shown
    assert "installed card_package 1.0" in shown
    assert card_torch.cuda_of(place.site_packages) == "13.0"
    assert environment.is_current(place, FILES)
    assert install(gpu_program) == ""


def test_where_the_requirements_bring_the_processors_again_pytorchs_own_index_is_asked(
    gpu_program: Path, wheels: Path
) -> None:
    write_torch(wheels, None)  # nothing else is to be had here
    install(gpu_program)
    log = Environment(gpu_program).log.read_text(encoding="utf-8")
    assert f"install --progress-bar off --force-reinstall torch==1.0 --index-url {INDEX}" in log
    assert not environment.is_current(Environment(gpu_program), FILES)  # it is tried again


def test_what_pip_cannot_find_is_a_sentence(gpu_program: Path, wheels: Path) -> None:
    (gpu_program / GPU).write_text(f"# --index-url {INDEX}\nunheard-of==1.0\n")
    write_torch(wheels, "13.0")
    with pytest.raises(InstallError, match="Nothing was found for unheard-of"):
        install(gpu_program)
