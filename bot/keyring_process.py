"""Asks the system's keyring in a short process of its own: `python -m bot.keyring_process`.

The keyring's packages cost 10 MB for as long as a process lives and are needed once; and a locked
keyring on a machine without a screen can wait for ever, which a process of its own is stopped for.
The question and the answer go through pipes, never through the command line or the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Literal

from storage.errors import MynahError
from storage.paths import PROGRAM_DIR, Home

SERVICE = "mynah"
TIMEOUT_S = 60.0
"""Long enough for somebody to type the password of a locked keyring."""

_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class KeyringUnusable(MynahError):
    """There is no keyring, it is locked or silent, or it does not keep what it is given."""


def ask_keyring(
    do: Literal["get", "set", "delete"], home: Home, secret: str = "", timeout_s: float = TIMEOUT_S
) -> str:
    """Read (""): none), store or remove the token of this home. Raises KeyringUnusable."""
    question = json.dumps({"do": do, "user": str(home.root), "secret": secret})
    environment = {k: v for k, v in os.environ.items() if k != "DISCORD_BOT_TOKEN"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "bot.keyring_process"],
            input=question.encode(),
            capture_output=True,
            cwd=PROGRAM_DIR,
            env=environment,
            timeout=timeout_s,
            creationflags=_NO_WINDOW,
        )
        answer = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise KeyringUnusable(
            f"It did not answer within {timeout_s:.0f} s; unlock it and try again."
        ) from None
    except (OSError, ValueError):
        raise KeyringUnusable("Asking it failed; is the package keyring installed?") from None
    if "error" in answer:
        raise KeyringUnusable(answer["error"])
    return str(answer["secret"])


def _carry_out(do: str, user: str, secret: str) -> str:
    import keyring
    from keyring.errors import PasswordDeleteError

    if do == "set":
        keyring.set_password(SERVICE, user, secret)
        if keyring.get_password(SERVICE, user) != secret:  # the null backend takes and forgets
            raise KeyringUnusable("It does not keep what it is given.")
    elif do == "delete":
        try:
            keyring.delete_password(SERVICE, user)
        except PasswordDeleteError:
            if keyring.get_password(SERVICE, user) is not None:
                raise
    return (keyring.get_password(SERVICE, user) or "") if do == "get" else ""


def main() -> int:
    """One question on stdin, one answer on stdout, both JSON."""
    question = json.load(sys.stdin.buffer)
    try:
        answer = {"secret": _carry_out(question["do"], question["user"], question["secret"])}
    except KeyringUnusable as error:
        answer = {"error": str(error)}
    except Exception as error:  # backends raise what they like; its words could hold the secret
        answer = {"error": f"This system has none that can be used ({type(error).__name__})."}
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
