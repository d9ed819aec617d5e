"""bot/secret.py: where the token is looked for and kept, over a keyring in its own process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bot import secret
from bot.env_file import write_variable
from bot.keyring_process import KeyringUnusable, ask_keyring
from bot.secret import NoTokenError, Token, TokenPlaceError, find_token, forget_token, keep_token
from storage.paths import Home
from tests.bot.file_keyring import FILE

TOKEN = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Gabcde.aB3dEfGhIjKlMnOpQrStUvWxYz0123456789ab"
posix = pytest.mark.skipif(os.name != "posix", reason="file rights are POSIX'")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.delenv(secret.VARIABLE, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.bot.file_keyring.FileKeyring")
    monkeypatch.setenv(FILE, str(tmp_path / "keyring.json"))
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def without_keyring(monkeypatch: pytest.MonkeyPatch, backend: str = "") -> None:
    name = f"tests.bot.file_keyring.{backend}" if backend else "keyring.backends.fail.Keyring"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", name)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_supervisor_then_environment_then_keyring_then_file(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_variable(home.env_file, secret.VARIABLE, "in.the.file")
    ask_keyring("set", home, "in.the.keyring")
    monkeypatch.setenv(secret.VARIABLE, "in.the.environment")
    assert secret.token_places(home) == ["the environment", "the keyring", str(home.env_file)]

    assert find_token(home, given=" handed.over.here\n").secret == "handed.over.here"
    assert secret.VARIABLE not in os.environ, "a child of ours would inherit it"

    monkeypatch.setenv(secret.VARIABLE, "in.the.environment")
    assert find_token(home, given="\n").secret == "in.the.environment"
    assert find_token(home) == Token("in.the.keyring", "the keyring")
    assert forget_token(home) == ["the keyring", str(home.env_file)]
    with pytest.raises(NoTokenError, match=r"manage_token\.py set"):
        find_token(home)


def test_two_homes_have_two_tokens(home: Home, tmp_path: Path) -> None:
    keep_token(home, TOKEN)
    with pytest.raises(NoTokenError):
        find_token(Home(tmp_path / "other"))


def test_a_kept_token_leaves_no_older_one_in_the_file(home: Home) -> None:
    home.env_file.write_text(f"LOG_LEVEL=INFO\n{secret.VARIABLE}=old.old.old\n# end\n")
    assert keep_token(home, f'  "Bot {TOKEN}" ') == "the keyring"
    assert home.env_file.read_text() == f"LOG_LEVEL=INFO\n{secret.VARIABLE}=\n# end\n"
    assert find_token(home).secret == TOKEN


@pytest.mark.parametrize("backend", ["", "NullKeyring", "TalkativeKeyring"])
def test_without_a_keyring_the_file_is_the_place(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    backend: str,
) -> None:
    without_keyring(monkeypatch, backend)
    home.env_file.write_bytes("# größe\r\nexport DISCORD_BOT_TOKEN = 'x'\r\nB=2".encode())
    assert keep_token(home, TOKEN) == str(home.env_file)
    text = home.env_file.read_bytes().decode()
    assert text == f"# größe\r\nDISCORD_BOT_TOKEN={TOKEN}\r\nB=2"
    assert find_token(home) == Token(TOKEN, str(home.env_file))
    assert os.name != "posix" or mode(home.env_file) == 0o600
    assert TOKEN not in caplog.text
    assert list(home.root.iterdir()) == [home.env_file]


def test_a_keyring_that_waits_for_a_password_is_given_up(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_keyring(monkeypatch, "LockedKeyring")
    with pytest.raises(KeyringUnusable, match="did not answer within 1 s"):
        ask_keyring("get", home, timeout_s=1.0)


@posix
def test_a_file_open_to_others_is_closed_and_that_is_said(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    home.env_file.write_text(f"{secret.VARIABLE}={TOKEN}\n")
    home.env_file.chmod(0o644)
    assert find_token(home).secret == TOKEN
    assert mode(home.env_file) == 0o600
    assert "now only you may read it" in caplog.text
    assert TOKEN not in caplog.text


@posix
def test_a_file_that_stays_open_to_others_is_refused(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.env_file.write_text(f"{secret.VARIABLE}={TOKEN}\n")
    home.env_file.chmod(0o640)
    monkeypatch.setattr(Path, "chmod", lambda path, mode: None)  # as on a FAT stick
    with pytest.raises(TokenPlaceError, match="lets everybody read it"):
        find_token(home)


@posix
def test_a_file_without_a_token_may_be_open(home: Home) -> None:
    home.env_file.write_text("LOG_LEVEL=INFO\n")
    home.env_file.chmod(0o644)
    with pytest.raises(NoTokenError):
        find_token(home)
    assert mode(home.env_file) == 0o644


@posix
def test_a_link_to_the_file_stays_a_link(home: Home, tmp_path: Path) -> None:
    (tmp_path / "kept.env").write_text("A=1\n")
    home.env_file.symlink_to(tmp_path / "kept.env")
    write_variable(home.env_file, secret.VARIABLE, TOKEN)
    assert home.env_file.is_symlink()
    assert (tmp_path / "kept.env").read_text() == f"A=1\n{secret.VARIABLE}={TOKEN}\n"


@pytest.mark.parametrize("text", ["two words", "größe.x.y", "a\tb", "Bot", '""', "line\nbreak"])
def test_what_cannot_be_a_token_is_refused(home: Home, text: str) -> None:
    with pytest.raises(NoTokenError, match="copy it again") as caught:
        keep_token(home, text)
    assert len(text) < 4 or text not in str(caught.value)


def test_a_token_is_never_shown() -> None:
    token = Token(TOKEN, "the keyring")
    assert TOKEN not in f"{token} {token!r} {[token]}"
