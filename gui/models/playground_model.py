"""The playground without a widget: who talks, what was said, and what each reply took.

One or two sides. A side is a model version in a process of scripts/playground.py, kept loaded; what
the bot answers with is asked of the running bot instead, where one runs: no second copy is loaded.
Tk's thread alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gui.app_model import AppModel
from gui.script_run import ScriptRun

AS_THE_BOT = ""
"""The version that stands for what the bot answers with."""

SAY_TIMEOUT_S = 180.0
SCRIPT = "playground.py"

OnError = Callable[[str, str], object]
"""Gets what happened and why."""

Answer = dict[str, Any]
"""As scripts/playground.py prints it; {"error": sentence} where there is none."""


@dataclass
class Exchange:
    """One line and an answer a side; None while it is awaited."""

    text: str
    answers: list[Answer | None] = field(default_factory=list)


class PlaygroundModel:
    """One conversation. `changed()` is called after every change, `failed` where a side is lost."""

    def __init__(self, app: AppModel, changed: Callable[[], object], failed: OnError) -> None:
        self._app = app
        self._changed = changed
        self._failed = failed
        self.versions: tuple[str, ...] = (AS_THE_BOT,)
        """Who talks, by version id."""
        self.exchanges: list[Exchange] = []
        self.loading = ""
        """A sentence while a model is being loaded."""
        self._run: ScriptRun | None = None
        self._loaded: tuple[int, ...] = ()
        """The sides that the process was started for, in its order."""
        self._is_ready = False
        self._request: dict[str, Any] | None = None
        """What the process is to be told once it is ready."""
        self._talk = 0
        """Counts conversations: an answer to an earlier one is dropped."""
        self._bot_begins_anew = True

    # -- what is shown ------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self.exchanges) and None in self.exchanges[-1].answers

    @property
    def can_ask_again(self) -> bool:
        return bool(self.exchanges) and not self.is_busy

    # -- what is asked for ----------------------------------------------------------------------

    def choose(self, versions: tuple[str, ...]) -> None:
        """One or two versions, none twice; the conversation begins anew."""
        if versions == self.versions:
            return
        self.versions = versions
        self.close()
        self._begin_anew()

    def say(self, text: str) -> bool:
        """Say a line to every side. False where that cannot be now."""
        text = text.strip()
        if not text or self.is_busy:
            return False
        self.exchanges.append(Exchange(text))
        self._ask({"say": text})
        return True

    def again(self) -> None:
        """Another reply to the last line, in place of the one that is there."""
        if self.can_ask_again:
            self._ask({"again": True})

    def clear(self) -> None:
        """A new conversation with the same versions; what is being written is dropped."""
        if self.is_busy:
            self.close()
        elif self._run is not None:
            self._run.tell(json.dumps({"clear": True}))
        self._begin_anew()

    def close(self) -> None:
        """End the process, where one runs."""
        run, self._run = self._run, None
        self._is_ready, self._request, self.loading = False, None, ""
        if run is not None:
            run.cancel()

    def stop(self) -> None:
        """Leave off loading or writing; what was asked stays unanswered."""
        self.close()
        self._talk += 1
        if self.is_busy:
            answers = self.exchanges[-1].answers
            stopped: Answer = {"error": "Stopped before there was a reply."}
            self.exchanges[-1].answers = [answer or stopped for answer in answers]
        self._changed()

    def forget_loaded(self) -> None:
        """Another model may be deployed now: it is loaded anew for the next line."""
        if AS_THE_BOT in self.versions and not self.is_busy:
            self.close()

    # -- asking ---------------------------------------------------------------------------------

    def _begin_anew(self) -> None:
        self.exchanges.clear()
        self._talk += 1
        self._bot_begins_anew = True
        self._changed()

    def _ask(self, request: dict[str, Any]) -> None:
        exchange = self.exchanges[-1]
        exchange.answers = [None] * len(self.versions)
        own = tuple(n for n in range(len(self.versions)) if not self._is_the_bots(n))
        for side in range(len(self.versions)):
            if side not in own:
                self._ask_bot(side, exchange.text, again="again" in request)
        if own:
            self._ask_script(own, request)
        self._changed()

    def _is_the_bots(self, side: int) -> bool:
        """Whether the running bot is to be asked; a talk with a loaded model goes on there."""
        is_loaded = self._run is not None and side in self._loaded
        return self.versions[side] == AS_THE_BOT and self._app.is_online and not is_loaded

    def _ask_bot(self, side: int, text: str, again: bool) -> None:
        talk = self._talk

        def answered(answer: dict[str, Any]) -> None:
            self._take(talk, side, flat(answer))

        def refused(reason: str) -> None:
            self._take(talk, side, {"error": reason})

        fresh, self._bot_begins_anew = self._bot_begins_anew, False
        flags = {"again": again} | ({"fresh": True} if fresh else {})
        self._app.ask("say", answered, refused, timeout_s=SAY_TIMEOUT_S, text=text, **flags)

    def _ask_script(self, sides: tuple[int, ...], request: dict[str, Any]) -> None:
        """Tell the process, or start it where it does not run or runs for other sides."""
        if self._run is None or self._loaded != sides or not self._run.is_running:
            self.close()
            self._start(sides)
            # A new process has heard nothing yet.
            request = {"say": self.exchanges[-1].text}
        if self._is_ready and self._run is not None:
            self._run.tell(json.dumps(request))
        else:
            self._request = request

    def _start(self, sides: tuple[int, ...]) -> None:
        flags = [part for side in sides for part in ("--version", self.versions[side])]
        self._loaded = sides
        self.loading = "The model is being loaded."
        made: list[ScriptRun | None] = []

        def is_current() -> bool:
            return bool(made) and made[0] is not None and made[0] is self._run

        def ended(reason: str) -> None:
            if is_current() or not made:
                self._lost(reason)

        made.append(
            self._app.run_script(
                SCRIPT,
                *flags,
                talks=True,
                on_line=lambda line: self._hear(line) if is_current() else None,
                done=lambda last: ended("The process has ended by itself."),
                failed=ended,
            )
        )
        self._run = made[0]

    # -- answers --------------------------------------------------------------------------------

    def _hear(self, line: dict[str, Any]) -> None:
        """One line of the process."""
        if "loading" in line:
            of = f" ({line['number']} of {line['of']})" if line["of"] > 1 else ""
            self.loading = f"{line['loading']} is being loaded{of}."
            self._changed()
        elif "ready" in line:
            self._is_ready, self.loading = True, ""
            if self._request is not None and self._run is not None:
                self._run.tell(json.dumps(self._request))
            self._request = None
            self._changed()
        elif "side" in line:
            self._take(self._talk, self._loaded[line["side"]], line)

    def _take(self, talk: int, side: int, answer: Answer) -> None:
        if talk != self._talk or not self.exchanges:
            return
        self.exchanges[-1].answers[side] = answer
        self._changed()

    def _lost(self, reason: str) -> None:
        """The process has ended; what it was asked stays unanswered."""
        sides = self._loaded
        self.close()
        if self.exchanges:
            answers = self.exchanges[-1].answers
            for side in sides:
                answers[side] = answers[side] or {"error": reason}
        self._changed()
        self._failed("The model cannot talk here.", reason)


def flat(answer: dict[str, Any]) -> Answer:
    """The running bot's answer to `say` in the form of the script's."""
    trace = dict(answer.get("trace") or {})
    guard = trace.get("guard")
    return {
        **trace,
        "version": trace.get("model", ""),
        "reply": answer.get("reply"),
        "verdict": answer.get("verdict", ""),
        "guard": "" if guard in (None, "None") else guard,
    }
