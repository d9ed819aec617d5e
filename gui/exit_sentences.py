"""What the end of the bot's process is called, in sentences for a user."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from bot.protocol import ExitCode

# The bot says better by itself what is wrong; these are for one that could not.
_FINAL = {
    ExitCode.BAD_CONFIG: "The bot cannot start with its settings as they are: check them.",
    ExitCode.BAD_TOKEN: (
        "Discord does not accept the bot's token: make a new one on Discord's developer page (Bot, "
        "Reset Token) and enter it."
    ),
    ExitCode.MISSING_INTENT: (
        "Discord does not let the bot read messages: on Discord's developer page, under Bot, "
        "switch on the Message Content Intent and the Server Members Intent."
    ),
}
_LAST_LINES = 4
_LONGEST_LINE = 300
# Behind such a line a library goes on with addresses and registers, which tell a user nothing.
_TELLING = re.compile(r"GGML_ASSERT|^\S+\.(?:c|cpp|cu|h|hpp|m|mm):\d+: |^terminate called")


def final_sentence(code: int, said: str, last_words: Sequence[str]) -> str:
    """Why another attempt would end the same; "" for a code after which one is worth while."""
    if code not in _FINAL:
        return ""
    return said or with_last_words(_FINAL[ExitCode(code)], last_words)


def crash_sentence(code: int | None) -> str:
    """That the process ended without a word, and how. `code` is as in `Popen.returncode`."""
    return f"The bot crashed ({_how(code)})."


def disk_sentence(folder: Path, error: OSError) -> str:
    """That nothing can be written there, which neither the bot nor its log could say."""
    why = error.strerror or str(error)
    return (
        f"Nothing can be written in {folder} ({why}): make room on the disk, or the folder "
        "writable. It is tried again by itself."
    )


def with_last_words(sentence: str, last_words: Sequence[str]) -> str:
    """The sentence, and what stood last on the process's standard error where that is known."""
    return f"{sentence} It last said: {' | '.join(last_words)}" if last_words else sentence


def telling(lines: Sequence[str]) -> tuple[str, ...]:
    """The few lines, of the last ones of a process's standard error, that say why it ended.

    The last ones, and before them the one in which a library named its own failed assertion.
    """
    spoken = [line.strip()[:_LONGEST_LINE] for line in lines if line.strip()]
    last = spoken[-_LAST_LINES:]
    named = [line for line in spoken[:-_LAST_LINES] if _TELLING.search(line)]
    return (*named[-1:], *last)


def _how(code: int | None) -> str:
    if code is None:
        return "how is not known: another supervisor had started it"
    if code < 0:
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"
    return f"exit code {code:#x}" if code > 0xFFFF else f"exit code {code}"  # Windows' are long
