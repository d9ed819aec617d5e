"""Questions in a terminal: numbered choices, each answered with what stands already on Enter."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from storage.errors import MynahError

_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


class StoppedError(MynahError):
    """Nobody answers any more."""


def ask(question: str) -> str:
    """The answer without blanks around it. Raises StoppedError at the end of the input."""
    try:
        return input(f"{question} ").strip()
    except EOFError:
        print()
        raise StoppedError("Stopped. What was answered is stored; start again to go on.") from None


def agreed(question: str, usual: bool = True) -> bool:
    """Yes or no; Enter is `usual`."""
    while True:
        answer = ask(f"{question} [{'Y/n' if usual else 'y/N'}]").casefold()
        if answer in ("", "y", "yes", "n", "no"):
            return usual if not answer else answer.startswith("y")
        print("Answer y or n.")


def choose_one(names: Sequence[str], chosen: int = 0) -> int:
    """The place of one of `names`; Enter is `chosen`."""
    for n, name in enumerate(names, start=1):
        print(f"  {n}  {name}")
    while True:
        answer = ask(f"Which one? [{chosen + 1}]")
        if not answer:
            return chosen
        if answer.isdecimal() and 1 <= int(answer) <= len(names):
            return int(answer) - 1
        print(f"Answer with a number from 1 to {len(names)}.")


def choose_many(question: str, count: int, chosen: Collection[int], least: int = 0) -> list[int]:
    """Some of the places 0 to `count` - 1, out of answers like "1, 3-5"; Enter keeps `chosen`, "-"
    is none of them."""
    kept = ",".join(str(one + 1) for one in sorted(chosen))
    while True:
        answer = ask(f"{question} [{kept or 'none'}]")
        numbers = sorted(chosen) if not answer else numbers_in(answer, count)
        if numbers is None:
            print(f"Answer with numbers from 1 to {count}, such as 1,3-5; - is none.")
        elif len(numbers) < least:
            print("Choose at least one.")
        else:
            return numbers


def numbers_in(answer: str, count: int) -> list[int] | None:
    """Places from 0 on that "1, 3-5" names; None where it names others, or is no such list."""
    if answer.strip() == "-":
        return []
    places: set[int] = set()
    for part in re.split(r"[,;\s]+", re.sub(r"\s*-\s*", "-", answer.strip(" ,;"))):
        found = _RANGE.fullmatch(part)
        if found is None:
            return None
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last <= count:
            return None
        places.update(range(first - 1, last))
    return sorted(places)
