"""The launcher as a user starts it: a process of its own, in a small Mynah of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.doctor import existing, without_names
from scripts.environment import PROGRAM_DIR as ROOT
from tests.scripts.local_packages import write_source, write_wheel

pytest_plugins = ["tests.scripts.small_program"]


def start(folder: Path, *flags: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(folder / "launcher.py"), *flags]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=60)


def test_without_flags_the_window_opens_once_the_install_window_is_through(
    program: Path, xvfb: str
) -> None:
    write_window(program)
    done = start(program, "--home", str(program.parent / "home"))
    assert (done.stdout, done.returncode) == (f"window --home {program.parent / 'home'} 1\n", 3)
    assert (program / ".venv" / "installed.json").is_file()
    began_s = time.monotonic()
    again = start(program)  # no install window any more
    assert (again.stdout, again.stderr, again.returncode) == ("window 1\n", "", 3)
    assert time.monotonic() - began_s < 3


def test_without_a_display_it_says_so_before_anything_is_installed(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    done = start(program)
    assert done.returncode == 2
    assert "launcher.py --headless" in done.stderr
    assert "launcher.py --demo" in done.stderr
    monkeypatch.setenv("DISPLAY", ":987")
    done = start(program)
    assert done.returncode == 2
    assert "cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cancelled_install_opens_no_window(
    program: Path, xvfb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_window(program)
    wait = tmp_path / "wait"
    wait.touch()
    monkeypatch.setenv("MYNAH_TEST_WAIT", str(wait))  # the runtime is built until this is gone
    command = [sys.executable, str(program / "launcher.py")]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    shown = search_window("Setting up Mynah")
    log = program / ".venv" / "install.log"
    eventually(lambda: log.exists() and "Building wheel" in log.read_text())
    subprocess.run(["xdotool", "windowfocus", shown, "key", "--window", shown, "Escape"])
    assert launcher.wait(20) == 130
    assert launcher.communicate()[0] == ""


def test_the_windows_starter_finds_a_python_and_says_where_there_is_none() -> None:
    text = (ROOT / "launcher.bat").read_bytes().decode("ascii")
    assert text.count("\n") == text.count("\r\n")
    for part in ("pyw py -%%V", "pythonw python", "launcher.pyw", "(3, 10)", "(3, 13)", "pause"):
        assert part in text
    for version in ("3.10", "3.11", "3.12", "3.13"):
        assert version in text


def test_the_starter_without_a_terminal_needs_no_output(program: Path, xvfb: str) -> None:
    write_window(program)
    shutil.copy(ROOT / "launcher.pyw", program)
    code = (
        "import sys, runpy; sys.argv = ['launcher.pyw']; sys.stdout = sys.stderr = None; "
        f"sys.path.insert(0, {str(program)!r}); "
        f"runpy.run_path({str(program / 'launcher.pyw')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60)
    assert done.returncode == 3


def write_window(program: Path) -> None:
    """A program in the window's place, and a runtime that needs no build but where it waits."""
    code = "import sys; print('window', *sys.argv[1:], sys.flags.utf8_mode); sys.exit(3)"
    (program / "gui" / "open_window.py").write_text(code)


def search_window(title: str) -> str:
    found = ""

    def is_found() -> bool:
        nonlocal found
        command = ["xdotool", "search", "--onlyvisible", "--name", title]
        found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
        return bool(found)

    eventually(is_found)
    return found


def eventually(holds: Callable[[], object], timeout_s: float = 20.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end_s, "it did not come about in time"
        time.sleep(0.05)


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
        (["--headless", "--minimised"], "goes with the window"),
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
