"""A setting that is changed by dragging: sent when the hand rests, one at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from storage.settings import SettingError, Value, find, parse, to_text

REST_MS = 300


class Send(Protocol):
    """Stores a setting; `done` or `failed` comes later."""

    def __call__(
        self,
        name: str,
        text: str,
        done: Callable[[], object],
        failed: Callable[[str], object],
    ) -> object: ...


class Clock(Protocol):
    """What gui.ui_thread.UiThread is here."""

    def after(self, delay_ms: int, call: Callable[[], object]) -> str: ...

    def cancel(self, timer: str) -> None: ...


class QuickSetting:
    """One setting of kind float or int. What is wanted last is what is stored in the end: while one
    value is on its way no other is sent, so they cannot overtake each other."""

    def __init__(
        self,
        name: str,
        clock: Clock,
        send: Send,
        failed: Callable[[str], object],
    ) -> None:
        """`failed` gets a sentence."""
        self.name = name
        self._setting = find(name)
        self._clock = clock
        self._send = send
        self._failed = failed
        self._timer = ""
        self._wanted: str | None = None
        self._sent: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether what is stored is not yet what the user asked for."""
        return self._wanted is not None or self._sent is not None

    def rounded(self, value: float) -> Value:
        """As it is stored: two decimals, or a whole number."""
        return round(value) if self._setting.kind == "int" else round(float(value), 2)

    def want(self, value: float) -> None:
        """The user moved it here. It is sent when nothing more comes for REST_MS."""
        try:
            self._wanted = to_text(self._setting, self.rounded(value))
        except SettingError as error:
            self._failed(str(error))
            return
        self._clock.cancel(self._timer)
        self._timer = self._clock.after(REST_MS, self.flush)

    def flush(self) -> None:
        """Send what waits, now: before the page is left, too."""
        self._clock.cancel(self._timer)
        if self._wanted is None or self._sent is not None:
            return
        self._sent, self._wanted = self._wanted, None
        self._send(self.name, self._sent, self._stored, self._refused)

    def meant(self) -> Value | None:
        """The newest value that was asked for and is not stored yet."""
        text = self._wanted if self._wanted is not None else self._sent
        return None if text is None else parse(self._setting, text)

    def _stored(self) -> None:
        self._sent = None
        self.flush()

    def _refused(self, sentence: str) -> None:
        self._sent = None
        self._failed(sentence)
        self.flush()
