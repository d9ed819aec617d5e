"""What the window knows and can ask for, without a widget: the model that all pages share.

Tk's thread alone. Pages watch what they show and are called when it changes:

    unwatch = app.watch("snapshot", self.show)

What is stored is read through storage/readonly.py on a worker; what is to be changed is asked of
the running bot, or of a short script where none runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Literal

from gui import script_run
from gui.script_run import ScriptRun
from gui.snapshot import ON_DISCORD, Snapshot
from gui.supervision import State
from gui.supervisor import Supervisor
from gui.ui_thread import UiThread
from storage import readonly
from storage.errors import MynahError
from storage.paths import Home
from storage.settings import Settings, load

log = logging.getLogger(__name__)

STATS_EVERY_MS = 5_000

Topic = Literal["snapshot", "stats", "settings", "log", "data"]
"""data: messages, members, channels or models were changed by something that this window did."""

Failed = Callable[[str], object]
"""Gets a sentence for people."""


class AppModel:
    """One window's model. Made by gui/app.py."""

    def __init__(self, home: Home, supervisor: Supervisor, ui: UiThread) -> None:
        self.home = home
        self.supervisor = supervisor
        self.ui = ui
        self.snapshot: Snapshot = supervisor.snapshot()
        self.stats: dict[str, Any] = {}
        """The running bot's last answer to `stats`; {} where none runs."""
        self.settings = Settings()
        self.are_settings_read = False
        self.wanted_step = ""
        """The step at which Setup is to open next, by its heading in the strip ("Model"); Setup
        takes it. "": where it was left."""
        self._watchers: dict[str, list[Callable[[Any], object]]] = {}
        self._end_polling = ui.every(STATS_EVERY_MS, self.refresh_stats)
        self.refresh_settings()

    # -- what is shown ------------------------------------------------------------------------

    def watch(self, topic: Topic, call: Callable[[Any], object]) -> Callable[[], None]:
        """`call(value)` at each change of the topic; what is returned ends it."""
        calls = self._watchers.setdefault(topic, [])
        calls.append(call)
        return lambda: calls.remove(call) if call in calls else None

    def tell(self, topic: Topic, value: Any = None) -> None:
        """Call all that watch the topic."""
        for call in list(self._watchers.get(topic, [])):
            call(value)

    def note_snapshot(self, snapshot: Snapshot) -> None:
        """The supervisor saw a change."""
        before, self.snapshot = self.snapshot, snapshot
        self.tell("snapshot", snapshot)
        if snapshot.phase != before.phase or snapshot.state != before.state:
            self.refresh_stats()
        if snapshot.phase == ON_DISCORD != before.phase:
            self.refresh_settings()  # the bot may have taken some from .env

    def note_event(self, name: str, data: dict[str, Any]) -> None:
        """The bot told something over its control channel."""
        if name == "log":
            self.tell("log", data)

    @property
    def is_online(self) -> bool:
        """Whether a bot runs that can be asked."""
        return self.snapshot.state is State.ONLINE

    @property
    def may_speak(self) -> bool:
        """Whether the bot speaks in public; True as long as that is not known."""
        return self.settings.switch("speaks_in_public") or not self.are_settings_read

    def refresh_stats(self) -> None:
        """Ask the bot for its figures; {} where none runs."""
        if not self.is_online:
            if self.stats:
                self.stats = {}
                self.tell("stats", {})
            return

        def shown(stats: dict[str, Any]) -> None:
            self.stats = stats
            self.tell("stats", stats)

        self.ask("stats", shown, lambda reason: log.info("no figures: %s", reason))

    def refresh_settings(self) -> None:
        """Read the stored settings again, on a worker."""

        def shown(rows: dict[str, str]) -> None:
            self.settings, warnings = load(rows)
            self.are_settings_read = True
            for warning in warnings:
                log.warning("%s", warning)
            self.tell("settings", self.settings)

        self.ui.run(lambda: readonly.read_config(self.home.database), shown, self._unreadable)

    # -- what is asked for --------------------------------------------------------------------

    def ask(
        self,
        do: str,
        done: Callable[[dict[str, Any]], object] = lambda answer: None,
        failed: Failed | None = None,
        *,
        timeout_s: float = 10.0,
        **data: Any,
    ) -> None:
        """Ask the running bot; `done(answer)` or `failed(sentence)` comes on Tk's thread."""

        def ended(future: Future[dict[str, Any]]) -> None:
            error = future.exception()
            if error is None:
                self.ui.enqueue(done, future.result())
            else:
                self.ui.enqueue(failed or self._log_failure, sentence_of(error))

        self.supervisor.ask(do, timeout_s=timeout_s, **data).add_done_callback(ended)

    def run_script(
        self,
        script: str,
        *arguments: str,
        done: script_run.OnDone = lambda result: None,
        failed: Failed | None = None,
        **rest: Any,
    ) -> ScriptRun | None:
        """Run one of scripts/ on this home (see gui/script_run.py); None where it cannot start."""
        complain = failed or self._log_failure
        try:
            return script_run.start(
                self.ui, self.home, script, *arguments, done=done, failed=complain, **rest
            )
        except OSError as error:
            complain(f"{script} could not be started ({error}); is the disk full?")
            return None

    def set_setting(
        self,
        name: str,
        text: str,
        done: Callable[[], object] = lambda: None,
        failed: Failed | None = None,
    ) -> None:
        """Store a setting: by the running bot, where it acts at once, else by a script."""

        def stored(answer: dict[str, Any]) -> None:
            self.refresh_settings()
            done()

        if self.is_online:
            self.ask("set", stored, failed, name=name, text=text)
        else:
            self.run_script(
                "manage_settings.py", "set", name, text, "--json", done=stored, failed=failed
            )

    def close(self) -> None:
        """The window goes."""
        self._end_polling()
        self._watchers.clear()

    def _unreadable(self, error: Exception) -> None:
        self._log_failure(sentence_of(error))

    def _log_failure(self, sentence: str) -> None:
        log.warning("%s", sentence)


def sentence_of(error: BaseException) -> str:
    """What to show a person of an error."""
    if isinstance(error, MynahError):
        return str(error)
    if isinstance(error, TimeoutError):
        return "The bot did not answer in time; try again in a moment."
    return f"Something went wrong inside ({type(error).__name__}); the log says more."
