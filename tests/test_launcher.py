"""The launcher as a user starts it: a process of its own, in a small Mynah of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.doctor import existing, without_names
from scripts.environment import PROGRAM_DIR as ROOT
from tests.scripts.local_packages import write_source, write_wheel

pytest_plugins = ["tests.scripts.small_program"]


def start(folder: Path, *flags: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "launcher.py"), *flags]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)


def test_without_flags_it_says_what_to_type() -> None:
    done = start(ROOT)
    assert done.returncode == 0
    assert "launcher.py --demo" in done.stdout
    assert "launcher.py --headless" in done.stdout
    assert "launcher.py --doctor" in done.stdout


def test_it_needs_the_standard_library_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "launcher.py"), "--help"], capture_output=True
    )
    assert done.returncode == 0
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import scripts.environment, scripts.doctor"
    )
    assert subprocess.run([sys.executable, "-I", "-S", "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--say", "hi"], "go with --demo"),
        (["--demo", "--doctor"], "not allowed with"),
        (["--headless", "--demo"], "not allowed with"),
        (["--headless", "--say", "hi"], "go with --demo"),
        (["--dem"], "unrecognized"),
        (["--demo", "--json"], "--json goes with --say"),
        (["--demo", "--import", "no/such/file.json"], "no/such/file.json does not exist"),
        (["--demo", "--import", "~no-such-user-here/x"], "~no-such-user-here/x does not exist"),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_installed(
    program: Path, flags: list[str], says: str
) -> None:
    done = start(program, *flags)
    assert done.returncode == 2
    assert says in done.stderr
    assert "making" not in done.stderr.lower()


def test_demo_installs_and_hands_on_flags_input_and_exit_status(
    installed: Path, wheels: Path
) -> None:
    write_wheel(wheels, "laptop-package", "2.0")
    (installed / "requirements.txt").write_text("llama-cpp-python==0.0.1\nlaptop-package==2.0\n")
    done = start(installed, "--demo", "--say", "good day", "--json", given="from stdin\n")
    assert done.stdout == "demo --say good day --json from stdin\n"
    assert done.returncode == 7
    assert "installed laptop_package 2.0" in done.stderr
    assert "the environment is ready" in done.stderr
    again = start(installed, "--demo", given="\n")
    assert (again.stdout, again.stderr, again.returncode) == ("demo \n", "", 7)


def test_headless_installs_what_a_laptop_needs_and_hands_on(program: Path, tmp_path: Path) -> None:
    (program / "gui").mkdir()
    code = "import sys; print('headless', *sys.argv[1:], sys.flags.utf8_mode); sys.exit(2)"
    (program / "gui" / "headless.py").write_text(code)
    (program / "requirements-train.txt").write_text("not-there-at-all==1.0\n")
    done = start(program, "--headless", "--home", str(tmp_path / "home"))
    assert (done.stdout, done.returncode) == (f"headless --home {tmp_path / 'home'} 1\n", 2)
    assert "the environment is ready" in done.stderr
    again = start(program, "--headless")
    assert (again.stdout, again.stderr) == ("headless 1\n", "")


def test_the_demo_and_what_it_starts_speak_utf8(installed: Path) -> None:
    code = "import os, sys; print(os.environ['PYTHONUTF8'], sys.flags.utf8_mode)"
    (installed / "scripts" / "demo.py").write_text(code)
    assert start(installed, "--demo").stdout == "1 1\n"


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_ctrl_c_ends_with_a_sentence_and_the_next_start_goes_on(
    installed: Path, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_source(wheels, "train-package", "2.0")
    (installed / "requirements-train.txt").write_text("torch==1.0\ntrain-package==2.0\n")
    wait = tmp_path / "wait"
    wait.touch()
    monkeypatch.setenv("MYNAH_TEST_WAIT", str(wait))
    done = start_and_interrupt(installed, "building train-package")
    assert done.returncode == 130
    assert done.stderr.endswith("\nStopped. What is installed stays; start again to go on.\n")
    assert "Traceback" not in done.stderr
    wait.unlink()
    again = start(installed, "--demo", given="\n")
    assert again.stdout == "demo \n"
    assert "installed train_package 2.0" in again.stderr
    assert "llama" not in again.stderr  # what was done before the interruption stays done


def start_and_interrupt(folder: Path, when: str) -> subprocess.CompletedProcess[str]:
    """Start the demo; once it shows `when`, send what a terminal's Ctrl-C sends."""
    command = [sys.executable, str(folder / "launcher.py"), "--demo"]
    launcher = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert launcher.stderr is not None
    shown = ""
    for line in launcher.stderr:
        shown += line
        if when in line:
            os.killpg(launcher.pid, signal.SIGINT)
            break
    shown += launcher.stderr.read()
    return subprocess.CompletedProcess(command, launcher.wait(timeout=30), None, shown)


def test_pip_failure_is_a_sentence_with_the_log(installed: Path) -> None:
    (installed / "requirements.txt").write_text("llama-cpp-python==0.0.1\nunheard-of==1.0\n")
    done = start(installed, "--demo")
    assert done.returncode == 2
    last = done.stderr.rstrip().splitlines()[-1]
    assert last.startswith("Nothing was found for unheard-of==1.0")
    assert "install.log" in last
    assert "Traceback" not in done.stderr


def test_doctor_before_the_install(program: Path, tmp_path: Path) -> None:
    done = start(program, "--doctor", "--home", str(tmp_path / "home"))
    report = done.stdout
    for name in ("Mynah: ", "System: ", "Python: ", "Processors: ", "Memory: ", "GPU: ", "git: "):
        assert name in report
    assert "llama-cpp-python         absent         wanted ==0.0.1" in report
    assert "What fails and its remedy:" in report
    assert "  - models/demo-base holds no GGUF" in report
    assert done.returncode == 1


def test_doctor_finds_nothing_amiss_after_the_install(installed: Path, tmp_path: Path) -> None:
    # The stand-in has no llama.cpp to ask.
    site = next((installed / ".venv").rglob("llama_cpp.py"))
    site.write_text("def llama_print_system_info():\n    return b'AVX2 = 1'\n")
    base = installed / "models" / "demo-base"
    base.mkdir(parents=True)
    (base / "small.gguf").write_bytes(b"GGUF")
    done = start(installed, "--doctor", "--home", str(tmp_path))
    assert "Packages:          4 of 4 as required" in done.stdout
    assert "AVX2 = 1" in done.stdout
    assert done.stdout.endswith("Nothing fails.\n")
    assert done.returncode == 0


def test_the_nearest_folder_that_may_be_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    assert existing(tmp_path / "a" / "b") == tmp_path


def test_doctor_of_a_home_that_is_none_is_a_sentence(program: Path) -> None:
    done = start(program, "--doctor", "--home", "~no-such-user-here/x")
    assert done.returncode == 2
    assert "choose another with --home" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("error", [KeyError, OSError, ImportError])
def test_doctor_where_there_are_no_users(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise error

    def homeless(_: type[Path]) -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", classmethod(homeless))
    assert without_names("Home: /srv/x", user=fail) == "Home: /srv/x"


def test_doctor_names_no_user() -> None:
    text = "Home: /home/ada/mynah\nfree on /media/ada/disk, /home/adam/x, C:\\Users\\ada\\mynah"
    shown = without_names(text, Path("/home/ada"), lambda: "ada")
    assert shown == (
        "Home: ~/mynah\nfree on /media/USER/disk, /home/adam/x, C:\\Users\\USER\\mynah"
    )
