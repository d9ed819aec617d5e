"""What goes on while its page is not shown: one thing a window, which pages come to and leave.

    run = one_of(app, HistoryRun)
    unwatch = run.watch(self.show)

Tk's thread alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from gui.app_model import AppModel


class Outlasting:
    """Tells the page that is shown, where one is. Must not keep the AppModel: it is its key."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[], object]] = []

    def watch(self, call: Callable[[], object]) -> Callable[[], None]:
        """`call()` after each change; what is returned ends it."""
        self._watchers.append(call)
        return lambda: self._watchers.remove(call) if call in self._watchers else None

    def tell(self) -> None:
        """Something is different now."""
        for call in list(self._watchers):
            call()


T = TypeVar("T", bound=Outlasting)

_THINGS: WeakKeyDictionary[AppModel, dict[type, Any]] = WeakKeyDictionary()


def one_of(app: AppModel, kind: type[T]) -> T:
    """The window's one of this kind, made when it is first asked for."""
    made = _THINGS.setdefault(app, {})
    if kind not in made:
        made[kind] = kind()
    return made[kind]
