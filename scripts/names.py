"""Finds the one member or channel that somebody means: by id, or by a name that only one has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from storage.errors import MynahError

T = TypeVar("T")


class UnknownNameError(MynahError):
    """Nothing is named so, or several are."""


def named(
    text: str,
    things: Iterable[T],
    what: str,
    id_of: Callable[[T], int],
    names_of: Callable[[T], Iterable[str]],
    listed_by: str = "list",
) -> T:
    """The one thing of that id or name, in any case; a leading @ or # does not count.

    `what` is what one is called: "member"; `listed_by` shows all of them. Raises UnknownNameError.
    """
    known = list(things)
    wanted = text.strip().lstrip("@#").casefold()
    found = [one for one in known if str(id_of(one)) == text.strip()] or [
        one for one in known if wanted in (name.casefold() for name in names_of(one))
    ]
    if not found:
        raise UnknownNameError(f'No {what} is called "{text}"; `{listed_by}` shows all of them.')
    if len(found) > 1:
        ids = ", ".join(str(id_of(one)) for one in found)
        raise UnknownNameError(
            f'"{text}" is the name of {len(found)} {what}s; name one by id: {ids}.'
        )
    return found[0]
