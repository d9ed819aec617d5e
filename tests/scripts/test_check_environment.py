"""The look at a machine: what lacks, with injected figures; and the script itself, for real."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts import environment
from scripts.environment import Environment
from scripts.environment_checks import Check, checks
from scripts.environment_facts import Card, Facts, cards_in, is_on_battery, look
from storage.paths import Home

pytest_plugins = ["tests.scripts.small_program"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "0_check_environment.py"
GB = 1_000_000_000

CARD = Card("NVIDIA GeForce RTX 3070", "581.15", 8 * GB, int(7.6 * GB))
LAPTOP = Facts(
    role="laptop",
    python=(3, 12, 4),
    is_64_bit=True,
    system="Linux",
    machine="x86_64",
    system_name="Debian",
    cards=(),
    memory_bytes=16 * GB,
    program_free_bytes=100 * GB,
    home_free_bytes=100 * GB,
    is_one_disk=True,
    is_writable=True,
    environment="works",
    packages=(("llama-cpp-python", "==1", "1", True), ("numpy", ">=2", "2.2", True)),
    compiler="/usr/bin/c++",
    runtime="AVX2 = 1",
)
TOLD: dict[str, Any] = {
    "profile": "rtx3070",
    "wants_card": True,
    "torch": "2.13.0+cu130",
    "torch_cuda": "13.0",
    "sees_card": True,
    "has_fused_head": True,
    "free_bytes": int(7.6 * GB),
    "memory_free_bytes": 12 * GB,
    "base": "qwen2.5-3b-instruct",
    "is_base_there": True,
    "unknown": "",
    "need_bytes": int(5.2 * GB),
    "refused": "",
    "is_hopeless": False,
    "merging_bytes": int(6.8 * GB),
    "disk": {"the base": 0, "checkpoints": 2 * GB, "the merged model": 6 * GB},
    "converter": "",
}
TRAIN = replace(
    LAPTOP, role="train", cards=(CARD,), torch_cuda="13.0", has_converter=True, told=TOLD
)


def told(**changes: Any) -> dict[str, Any]:
    return {**TOLD, **changes}


def of(facts: Facts, name: str) -> Check:
    found = [check for check in checks(facts) if check.name == name]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


@pytest.mark.parametrize("facts", [LAPTOP, TRAIN], ids=["laptop", "train"])
def test_where_all_is_there_nothing_is_to_be_done(facts: Facts) -> None:
    assert {check.state for check in checks(facts)} == {"ok"}
    assert not any(check.remedy for check in checks(facts))


@pytest.mark.parametrize(
    ("facts", "name", "state", "words"),
    [
        (replace(LAPTOP, python=(3, 14, 0)), "python", "lacks", "Python 3.10 to 3.13"),
        (replace(LAPTOP, is_64_bit=False), "python", "lacks", "64-bit Python"),
        (replace(LAPTOP, machine="riscv64"), "system", "warns", "Not tried there"),
        (replace(LAPTOP, memory_bytes=3 * GB), "memory", "lacks", "smaller model"),
        (replace(LAPTOP, home_free_bytes=GB), "disk", "lacks", "--home DIR"),
        (replace(LAPTOP, is_writable=False), "disk", "lacks", "cannot be written to"),
        (replace(LAPTOP, environment="absent"), "environment", "lacks", "launcher.py --demo"),
        (replace(LAPTOP, environment="damaged"), "environment", "lacks", "--fix"),
        (replace(LAPTOP, packages=None), "packages", "lacks", "Delete the folder .venv"),
        (replace(LAPTOP, packages=(("numpy", ">=2", "", False),)), "packages", "lacks", "--fix"),
        (replace(LAPTOP, runtime=""), "llama.cpp", "lacks", "--no-binary"),
        (replace(LAPTOP, packages=(), compiler=""), "compiler", "warns", "build-essential|Install"),
        (replace(LAPTOP, bot="does not answer"), "bot", "warns", "Stop it"),
        (replace(TRAIN, environment="absent", told={}), "environment", "lacks", "setup_training"),
        (replace(TRAIN, cards=()), "card", "lacks", "--profile laptop-cpu"),
        (replace(TRAIN, torch_cuda=""), "torch", "lacks", "setup_training"),
        (replace(TRAIN, told=told(sees_card=False)), "torch", "lacks", r"driver \(it is 581\.15\)"),
        (replace(TRAIN, memory_bytes=4 * GB), "memory", "lacks", "smaller model or base"),
        (replace(TRAIN, told=told(memory_free_bytes=GB)), "memory", "warns", "Close other"),
        (replace(TRAIN, home_free_bytes=8 * GB), "disk", "lacks", "Free that much"),
        (replace(TRAIN, has_converter=False), "converter", "lacks", "setup_training"),
        (replace(TRAIN, told=told(converter="It is elsewhere.")), "converter", "lacks", "--fix"),
        (replace(TRAIN, told=told(refused="batch_size 1.")), "card memory", "warns", "batch_size"),
        (
            replace(TRAIN, told=told(refused="A smaller base.", is_hopeless=True)),
            *("card memory", "lacks", "smaller base"),
        ),
        (replace(TRAIN, told=told(has_fused_head=False)), "triton", "warns", "gigabytes less"),
        (replace(TRAIN, told=told(is_base_there=False)), "base", "warns", "base.py get qwen"),
        (replace(TRAIN, told={}, not_told="No such profile."), "training", "lacks", "--fix"),
        (replace(TRAIN, is_on_battery=True), "power", "warns", "Plug it in"),
    ],
)  # fmt: skip
def test_each_lack_has_its_remedy(facts: Facts, name: str, state: str, words: str) -> None:
    found = of(facts, name)
    assert found.state == state
    assert re.search(words, found.remedy), found.remedy
    assert found.remedy[-1] in ".)"


def test_a_card_is_told_from_the_torch_that_computes_on_it() -> None:
    found = of(replace(TRAIN, torch_cuda=""), "torch")
    assert found.found == "A card is there, but torch is the build for processors."
    assert "7.6 GB of 8.0 GB free" in of(TRAIN, "card").found
    assert of(TRAIN, "torch").found == "2.13.0+cu130, for CUDA 13.0"


def test_the_disk_that_training_takes_is_summed_up() -> None:
    assert of(TRAIN, "disk").needed == (
        "9.0 GB: checkpoints 2.0 GB + the merged model 6.0 GB, and 1.0 GB left free"
    )
    unmade = replace(TRAIN, environment="absent")
    assert of(unmade, "disk").needed.startswith("18.0 GB: packages 9.0 GB + checkpoints 2.0 GB")
    split = replace(unmade, is_one_disk=False, home_free_bytes=10 * GB, program_free_bytes=10 * GB)
    assert of(split, "disk").state == "ok"
    assert of(replace(split, is_one_disk=True), "disk").state == "lacks"


def test_a_base_without_figures_is_tried() -> None:
    unknown = {name: value for name, value in TOLD.items() if name != "need_bytes"}
    found = of(replace(TRAIN, told={**unknown, "unknown": "Family mamba."}), "card memory")
    assert (found.state, found.remedy) == ("warns", "It is tried all the same.")
    assert "Family mamba." in found.found


def test_a_running_bot_is_told() -> None:
    assert "rests where both do not fit" in of(replace(TRAIN, bot="online"), "bot").found
    assert "rests" not in of(replace(LAPTOP, bot="online"), "bot").found


def test_the_drivers_words_are_read() -> None:
    said = "NVIDIA H200, 570.1, 143771, 143000\nTesla, with a comma, 1, 100, 50\nOld, 1, [N/A], 3"
    assert cards_in(said) == (
        Card("NVIDIA H200", "570.1", 143_771 * 1024**2, 143_000 * 1024**2),
        Card("Tesla, with a comma", "1", 100 * 1024**2, 50 * 1024**2),
    )
    assert cards_in("") == ()


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux alone has")
def test_a_battery_that_empties_is_seen(tmp_path: Path) -> None:
    assert not is_on_battery(tmp_path)
    for name, kind, status in (("AC", "Mains", ""), ("BAT0", "Battery", "Discharging")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "type").write_text(kind + "\n")
        (tmp_path / name / "status").write_text(status + "\n")
    assert is_on_battery(tmp_path)
    (tmp_path / "BAT0" / "status").write_text("Charging\n")
    assert not is_on_battery(tmp_path)


def test_before_anything_is_installed_it_says_what_lacks(program: Path, tmp_path: Path) -> None:
    """Only pip is in that environment."""
    facts = look(Environment(program), Home(tmp_path / "home"), "laptop")
    assert facts.environment == "works"
    assert of(facts, "packages").state == "lacks"
    assert "llama-cpp-python absent" in of(facts, "packages").found


def test_the_script_starts_on_bare_python_and_ends_with_one_object(tmp_path: Path) -> None:
    """With -I -S there is the standard library alone."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(SCRIPT), "--json", "--home", str(tmp_path)],
        capture_output=True,
        encoding="utf-8",
    )
    value = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (0 if value["ok"] else 1)
    assert value["role"] == "laptop"
    assert {"python", "system", "card", "memory", "disk", "environment"} <= {
        check["name"] for check in value["checks"]
    }
    assert all(set(c) == {"name", "state", "found", "needed", "remedy"} for c in value["checks"])


def test_a_home_that_is_none_could_not_be_looked_at() -> None:
    command = [sys.executable, str(SCRIPT), "--home", "~no-such-user-here/x"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "choose another with --home" in done.stderr


@pytest.mark.parametrize(
    ("role", "cards", "files"),
    [
        ("laptop", (CARD,), [environment.LAPTOP]),
        ("train", (), [environment.LAPTOP, environment.TRAIN]),
        ("train", (CARD,), [environment.LAPTOP, environment.TRAIN, environment.GPU]),
    ],
)
def test_fix_installs_what_the_role_takes_and_looks_again(
    role: str,
    cards: tuple[Card, ...],
    files: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script: dict[str, Any] = runpy.run_path(str(SCRIPT))
    installed: list[str] = []
    whole = LAPTOP if role == "laptop" else TRAIN

    def look_at(*_: object) -> Facts:
        return whole if installed else replace(whole, packages=(("numpy", ">=2", "", False),))

    inside = script["main"].__globals__
    monkeypatch.setitem(inside, "look", look_at)
    monkeypatch.setitem(inside, "cards", lambda: cards)
    monkeypatch.setattr(environment, "ensure", lambda place, wanted: installed.extend(wanted))
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--role", role, "--json"])
    assert script["main"]() == 1
    assert not json.loads(capsys.readouterr().out)["ok"]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--role", role, "--fix"])
    assert script["main"]() == 0
    assert installed == files
    assert "All that is needed is there." in capsys.readouterr().out


def test_a_sentence_says_itself_what_to_do() -> None:
    facts = replace(TRAIN, told={}, not_told="There is no such profile: take demo.")
    for is_sentence in (True, False):
        found = checks(replace(facts, is_sentence=is_sentence))
        [remedy] = [one.remedy for one in found if one.name == "training"]
        assert (remedy == "") == is_sentence


def test_what_a_training_needs_is_asked_of_the_environment(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "training_need.py"
    command = [sys.executable, str(script), "--profile", "rtx3070", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    said = json.loads(done.stdout.splitlines()[-1])
    assert set(TOLD) <= set(said)
    assert (said["wants_card"], said["is_base_there"]) == (True, False)
    assert said["merging_bytes"] > 2 * 3_085_938_688
    assert sum(said["disk"].values()) > 20 * GB
    wrong = subprocess.run([*command[:2], "--profile", "none"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "There is no profile" in wrong.stderr
