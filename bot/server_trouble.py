"""What is wrong with the model server that answers, as one sentence for people.

Its replies tell it; after the first connection and after a reply that failed, the server itself is
asked too, so that the sentence goes as soon as it answers again and not with the next question.
Everything belongs to the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable, Sequence

from bot.generate import Writer
from model.chat_format import Turn
from model.compute import ComputeWorker
from model.llama_runtime import EngineError
from model.model_server import ModelServer, Patience, ServerError
from model.remote_engine import RemoteEngine
from model.sampling import Sampling
from model.writing import Generation, StoppedBy

log = logging.getLogger(__name__)

ASK_EVERY_S = 60.0
"""At least between two times that the server is asked, however many replies fail."""
_WRITES_S = 1.0
"""How often it is looked whether a reply is still being written: llama_cpp.server ends what it
writes when it is asked anything."""


class ServerTrouble:
    """One bot's. `run` it beside everything else, and have it `watch` what answers."""

    def __init__(self, *, every_s: float = ASK_EVERY_S) -> None:
        """`every_s`: as ASK_EVERY_S."""
        self.sentence = ""
        """"" while nothing is wrong, or no server answers."""
        self._every_s = every_s
        self._server: WatchedServer | None = None
        self._refusal = ""
        """Why the last reply failed, where asking the server cannot tell that it is mended."""
        self._is_due = asyncio.Event()

    def watch(self, engine: Writer | None) -> None:
        """This is what answers from now on."""
        self._server = engine if isinstance(engine, WatchedServer) else None
        self._refusal = self.sentence = ""
        if self._server is not None:
            self._is_due.set()

    def note_answer(self, server: WatchedServer) -> None:
        """It has written a reply."""
        if server is self._server:
            self._refusal = ""
            self._say("")

    def note_failure(self, server: WatchedServer, error: EngineError | None) -> None:
        """It has not; None: nothing came in time."""
        if server is not self._server:
            return
        if error is not None:
            passes = isinstance(error, ServerError) and error.may_pass
            self._refusal = "" if passes else str(error)
            self._say(str(error))
        self._is_due.set()

    async def run(self) -> None:
        """Ask the server whenever that is due. Never ends."""
        while True:
            await self._is_due.wait()
            server = self._server
            if server is not None and server.is_writing:
                await asyncio.sleep(_WRITES_S)
                continue
            self._is_due.clear()
            if server is not None:
                await self._ask(server)
                await asyncio.sleep(self._every_s)

    async def _ask(self, server: WatchedServer) -> None:
        began_s = time.monotonic()
        try:
            said = await server.check()
        except Exception:
            # The edge: a sentence on a card is not worth a bot.
            log.exception("The model server could not be asked how it is.")
            return
        if server is not self._server or server.answered_at_s >= began_s:
            return
        self._say(said or self._refusal)
        if said:
            self._is_due.set()

    def _say(self, sentence: str) -> None:
        if sentence == self.sentence:
            return
        self.sentence = sentence
        if sentence:
            log.warning("%s", sentence)
        else:
            log.info("The model server answers again.")


class WatchedServer(RemoteEngine):
    """A server that tells how its replies end."""

    def __init__(
        self,
        server: ModelServer,
        trouble: ServerTrouble,
        *,
        context_tokens: int = 2048,
        patience: Patience | None = None,
        worker: ComputeWorker | None = None,
    ) -> None:
        super().__init__(server, context_tokens=context_tokens, patience=patience, worker=worker)
        self.answered_at_s = float("-inf")
        """time.monotonic() of the last reply that came."""
        self._trouble = trouble

    @property
    def is_writing(self) -> bool:
        """Whether a reply is awaited just now."""
        return bool(self._running)

    async def generate(
        self,
        persona: str,
        turns: Sequence[Turn],
        *,
        sampling: Sampling,
        stop_texts: Sequence[str] = (),
        on_text: Callable[[str], None] | None = None,
        key: Hashable = None,
        deadline_s: float | None = None,
        is_wanted: Callable[[], bool] | None = None,
    ) -> Generation:
        """As RemoteEngine's."""
        try:
            made = await super().generate(
                persona,
                turns,
                sampling=sampling,
                stop_texts=stop_texts,
                on_text=on_text,
                key=key,
                deadline_s=deadline_s,
                is_wanted=is_wanted,
            )
        except EngineError as error:
            self._trouble.note_failure(self, error)
            raise
        if made.text or made.stopped_by not in _NOTHING_CAME:
            self.answered_at_s = time.monotonic()
            self._trouble.note_answer(self)
        elif made.stopped_by is StoppedBy.TIME:
            self._trouble.note_failure(self, None)
        return made


_NOTHING_CAME = (StoppedBy.TIME, StoppedBy.DROPPED, StoppedBy.CANCELLED)
