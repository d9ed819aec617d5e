"""Answers through a model server that speaks OpenAI's protocol (llama-server, Ollama ...).

The same surface as `model.inference.Engine` where the live flow touches it, but for `generate`: a
server has its own chat template and tokenizer, so it gets the persona and the turns as messages and
not as tokens. What is said in the channels goes to that address.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from model.chat_format import Turn
from model.compute import ComputeWorker, Level
from model.event_stream import Answer, no_message
from model.llama_runtime import EngineError
from model.model_server import (
    Attempts,
    Connection,
    ModelServer,
    Patience,
    ServerError,
    broken_off,
    context_in,
    models_in,
    within,
)
from model.sampling import Sampling
from model.scheduler import Evaluated
from model.server_prompt import EstimatingTokenizer, messages
from model.writing import Generation, StoppedBy

log = logging.getLogger(__name__)

MOST_STOP_TEXTS = 4
"""OpenAI's own limit; the others are looked for here."""
_FORMS: tuple[dict[str, Any], ...] = (
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True},
    {"stream": False},
)
"""How a reply is asked for; each is for servers that refuse the one before."""
T = TypeVar("T")


class RemoteEngine:
    """One server. Connects with the first reply; replies and checks are awaited on one event loop.

    Any thread may `cancel` and `close`.
    """

    sha256 = ""
    """Nobody knows which file answers."""
    threads = (0, 0)
    """Nor with how many threads."""

    def __init__(
        self,
        server: ModelServer,
        *,
        context_tokens: int = 2048,
        patience: Patience | None = None,
        worker: ComputeWorker | None = None,
    ) -> None:
        """`worker` computes what `run` is given; None: one of its own, closed with it."""
        self.tokenizer = EstimatingTokenizer()
        self.context_tokens = context_tokens
        """What a prompt may have; less once the server has told that it has less."""
        self.evaluated = Evaluated()
        """What the server tells of it."""
        self._server = server
        self._model = server.model
        self._patience = patience or Patience()
        self._worker = worker or ComputeWorker()
        self._owns_worker = worker is None
        self._running: dict[asyncio.Task[None], asyncio.AbstractEventLoop] = {}
        self._lock = threading.Lock()
        self._is_closed = False
        self._form = 0
        """Which of _FORMS the server takes."""
        self._has_looked = self._knows_context = False
        self._replies = 0
        self._thinks = False
        self._looking = asyncio.Lock()
        self._alone: asyncio.Lock | None = None
        """Held by the one reply at a time that some servers write."""

    # -- a reply ---------------------------------------------------------------------------------

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
        """The server's answer to the turns. Of `sampling` it gets temperature, top_p, max_tokens
        and seed: the others are no part of the protocol.

        `on_text` gets each new piece on this event loop. At `deadline_s` (time.monotonic()) it ends
        with what is there (StoppedBy.TIME). `is_wanted` is asked before each attempt; False:
        StoppedBy.DROPPED. `key` means nothing: the server finds the transcript in its own cache.
        What fails is tried again while nobody was handed a piece of it. Raises EngineError.
        """
        answer = Answer(stop_texts, on_text)
        if is_wanted is not None and not is_wanted():
            return answer.generation(StoppedBy.DROPPED)
        attempts = Attempts(self._patience, deadline_s)
        spoken = messages(persona, turns)
        reply = _Reply(spoken, sampling, stop_texts, is_wanted, attempts, answer)
        stopped_by = await self._run_out(reply, deadline_s)
        made = answer.generation(stopped_by)
        self._thinks |= answer.has_thoughts
        self._note(made)
        if answer.has_thoughts and not made.text and made.stopped_by is StoppedBy.LENGTH:
            raise EngineError(
                f"The model server at {self._server.shown} spent the whole reply on thinking: "
                "switch its reasoning off there, or raise the setting max_reply_tokens."
            )
        return made

    async def _run_out(self, reply: _Reply, deadline_s: float | None) -> StoppedBy | None:
        """Ask until there is a reply, its time is over or somebody cancels; what ended it from
        outside."""
        task = asyncio.ensure_future(self._ask(reply))
        with self._lock:
            if self._is_closed:
                task.cancel()
                raise EngineError("the engine is closed")
            self._running[task] = asyncio.get_running_loop()
        try:
            left_s = None if deadline_s is None else max(deadline_s - time.monotonic(), 0.0)
            await asyncio.wait({task}, timeout=left_s)
            is_late = not task.done()
            if is_late:
                task.cancel()
                await asyncio.wait({task})
        finally:
            with self._lock:
                self._running.pop(task, None)
            task.cancel()  # where somebody waits no longer
        if not task.cancelled():
            task.result()
            return reply.stopped_by
        if is_late and reply.trouble is not None and not reply.answer.has_begun:
            raise reply.trouble  # says more than that the time is over
        return StoppedBy.TIME if is_late else StoppedBy.CANCELLED

    async def _ask(self, reply: _Reply) -> None:
        async with self._connection() as connection:
            while True:
                try:
                    await self._get_to_know(connection)
                    async with self._alone or nullcontext():
                        await self._attempt(connection, reply)
                    return
                except ServerError as error:
                    if reply.answer.was_handed_on:
                        raise
                    reply.trouble = error
                    await reply.attempts.pause(error)
                if reply.is_wanted is not None and not reply.is_wanted():
                    reply.stopped_by = StoppedBy.DROPPED
                    return

    async def _attempt(self, connection: Connection, reply: _Reply) -> None:
        form, last, was_empty = self._form, len(_FORMS) - 1, False
        while True:
            try:
                if await self._write(connection, {**self._asked(reply), **_FORMS[form]}, reply):
                    self._form = self._form if was_empty else form
                    self._replies += 1
                    return
                if form == last:
                    raise broken_off(self._server.shown, "the connection was closed")
                # llama_cpp.server: why there is no stream it says only without one.
                form, was_empty = last, True
            except ServerError as error:
                if error.is_length:
                    self._has_looked = False  # it may have been started again with less
                may_be_form = error.status in (400, 422) and not error.is_length
                if not may_be_form or reply.answer.has_begun or form == last:
                    raise
                form += 1

    def _asked(self, reply: _Reply) -> dict[str, Any]:
        sampling = reply.sampling
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": reply.messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }
        if sampling.seed >= 0:
            asked["seed"] = sampling.seed
        # Most servers look for them in thoughts too, where anybody's name may begin a line.
        if reply.stop_texts and not self._thinks:
            asked["stop"] = list(reply.stop_texts)[-MOST_STOP_TEXTS:]
        return asked

    async def _write(self, connection: Connection, asked: dict[str, Any], reply: _Reply) -> bool:
        """Read an answer to its end, or to where somebody else's line begins; False where it was
        empty."""
        answer, end_s, came = reply.answer, reply.attempts.first_s, False
        answer.begin()
        async with aclosing(connection.answers(asked)) as said:
            while True:
                try:
                    one = await within(end_s - time.monotonic(), anext(said))
                except StopAsyncIteration:
                    break
                except asyncio.TimeoutError:
                    raise self._too_slow(answer) from None
                except ServerError:
                    if answer.ended:
                        break  # the figures alone are missing
                    raise
                came = True
                if answer.add(one):
                    return True
                if answer.has_begun:
                    end_s = time.monotonic() + self._patience.between_s
        if came and not answer.has_message:
            raise no_message()
        if came and not answer.ended:
            raise broken_off(self._server.shown, "the connection was closed")
        return came

    def _too_slow(self, answer: Answer) -> ServerError:
        where, patience = self._server.shown, self._patience
        if answer.has_begun:
            return ServerError(
                f"The model server at {where} fell silent in the midst of its answer, for "
                f"{patience.between_s:.0f} s; its log may help."
            )
        return ServerError(
            f"The model server at {where} did not answer within {patience.first_s:.0f} s."
        )

    def _note(self, made: Generation) -> None:
        self.evaluated.asked += made.evaluated_tokens
        log.info(
            "generated: prompt %d tokens (%d evaluated) in %.2f s, reply %d tokens in %.2f s, %s",
            made.prompt_tokens, made.evaluated_tokens, made.prompt_s,
            made.reply_tokens, made.reply_s, made.stopped_by.value,
        )  # fmt: skip

    # -- what the server is ----------------------------------------------------------------------

    async def check(self) -> str:
        """What is wrong with the server as a sentence, empty where it is there. Asks once, for some
        seconds at most; raises nothing that can be expected. For the start: llama_cpp.server ends
        what it writes when it is asked anything."""
        limit_s = self._patience.connect_s + 2 * self._patience.aside_s
        try:
            async with self._connection() as connection:
                await within(limit_s, self._look(connection))
        except asyncio.TimeoutError:
            return (
                f"The model server at {self._server.shown} did not answer within {limit_s:.0f} s."
            )
        except EngineError as error:
            return str(error)
        return ""

    async def _get_to_know(self, connection: Connection) -> None:
        """Look before the first reply, for all that wait for one."""
        async with self._looking:
            if not self._has_looked:
                async with self._alone or nullcontext():
                    await self._look(connection)
            elif self._replies == 1 and not self._knows_context:
                await self._learn_context(connection, {})  # some load a model only when asked

    async def _look(self, connection: Connection) -> None:
        """Learn the model's name where none is set, and the context where the server tells it."""
        patience = self._patience
        listed: dict[str, Any] = {}
        try:
            wait_s = patience.aside_s if self._model else patience.first_s
            listed = await within(wait_s, connection.get("/models"))
        except asyncio.TimeoutError:
            if not self._model:
                raise self._too_slow(Answer()) from None
        except EngineError as error:
            is_down = isinstance(error, ServerError) and (
                error.may_pass or error.status in (401, 403) or not error.status
            )
            if is_down or not self._model:
                raise
        self._model = self._model or self._first_model(listed)
        if self._alone is None and any(one.get("owned_by") == "me" for one in models_in(listed)):
            # llama_cpp.server, which falls silent in what it writes when somebody else asks.
            self._alone = asyncio.Lock()
        await self._learn_context(connection, listed)
        self._has_looked = True

    async def _learn_context(self, connection: Connection, listed: dict[str, Any]) -> None:
        context = context_in(listed, self._model)
        if not context:
            context = await connection.context_beside(self._model, wait_s=self._patience.aside_s)
        if context:
            self.context_tokens = min(self.context_tokens, context)
            self._knows_context = True

    def _first_model(self, listed: dict[str, Any]) -> str:
        for one in models_in(listed):
            if isinstance(name := one.get("id"), str) and name:
                return name
        raise EngineError(
            f"The model server at {self._server.shown} lists no model. Load one there, or "
            "name it in the setting model_url_name."
        )

    # -- as the engine in this process -----------------------------------------------------------

    def read(
        self,
        key: Hashable,
        ids: Sequence[int],
        *,
        is_spare: bool = False,
        closes_up: bool = False,
    ) -> None:
        """Nothing: the server reads when it is asked."""

    def forget(self, key: Hashable) -> None:
        """Nothing: what a server keeps in its cache is its own affair."""

    def missing(self, key: Hashable, ids: Sequence[int]) -> int:
        """0: not known."""
        return 0

    def within(self, seconds: float) -> None:
        """None: not known."""

    def set_reading(self, share: float) -> None:
        """Nothing."""

    async def run(
        self,
        function: Callable[..., T],
        *args: Any,
        level: Level = Level.ASKED,
        **more: Any,
    ) -> T:
        """Run what else computes (embedding a question) on the worker. Raises EngineError."""
        with self._lock:
            if self._is_closed:
                raise EngineError("the engine is closed")
            running = self._worker.submit_at(level, lambda: function(*args, **more))
        return await asyncio.wrap_future(running)

    def asked(self, key: Hashable) -> AbstractContextManager[None]:
        """Nothing is read along here that would have to wait."""
        return nullcontext()

    def cancel(self) -> None:
        """End what is being written; whoever waits for it gets what a cancelled reply is."""
        with self._lock:
            for task, loop in self._running.items():
                with suppress(RuntimeError):  # the loop is closed already
                    loop.call_soon_threadsafe(task.cancel)

    def close(self) -> None:
        """Cancel what runs. Again does nothing."""
        with self._lock:
            self._is_closed = True
        self.cancel()
        if self._owns_worker:
            self._worker.close()

    def __enter__(self) -> RemoteEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self) -> Connection:
        return Connection(self._server, connect_s=self._patience.connect_s)


@dataclass
class _Reply:
    """One reply that is asked for."""

    messages: list[dict[str, str]]
    sampling: Sampling
    stop_texts: Sequence[str]
    is_wanted: Callable[[], bool] | None
    attempts: Attempts
    answer: Answer
    trouble: ServerError | None = None
    """Why the last attempt failed."""
    stopped_by: StoppedBy | None = None
    """What ended it from outside."""
