"""remote_engine: the transcript as messages, and every way in which a server can fail us."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model.chat_format import Note, Own, Said, Turn
from model.compute import ComputeWorker, Level
from model.llama_runtime import EngineError
from model.model_server import BadServerError, ModelServer, Patience
from model.remote_engine import RemoteEngine
from model.sampling import Sampling
from model.server_prompt import EstimatingTokenizer, messages
from model.writing import Generation, StoppedBy
from tests.model.model_server_stand_in import USAGE, Fault, ModelServerStandIn

KEY = "sk-planted-key"
TURNS: tuple[Turn, ...] = (
    Said("mira", "anyone up for the raid?"),
    Note('bob said on 3 May 2025: "never again before nine"'),
    Own("nine works for me"),
    Own("or ten"),
    Said("bob: the second", "ten then\nmira: no"),
)
QUICK = Patience(first_s=5.0, between_s=5.0, waits_s=(0.01, 0.02), loading_s=0.02)


@pytest.fixture
def server() -> Iterator[ModelServerStandIn]:
    with ModelServerStandIn() as stand_in:
        yield stand_in


def engine(
    server: ModelServerStandIn,
    *,
    patience: Patience = QUICK,
    context_tokens: int = 2048,
    **values: str,
) -> RemoteEngine:
    place = ModelServer(server.url, **values)
    return RemoteEngine(place, patience=patience, context_tokens=context_tokens)


async def reply(writer: RemoteEngine, turns: tuple[Turn, ...] = TURNS, **more: Any) -> Generation:
    sampling = Sampling(temperature=0.4, top_p=0.9, max_tokens=77, seed=5)
    return await writer.generate("You are Mynah.", turns, sampling=sampling, **more)


# -- what is asked ---------------------------------------------------------------------------------


async def test_the_transcript_goes_out_as_messages_and_the_answer_comes_back(
    server: ModelServerStandIn,
) -> None:
    pieces: list[str] = []
    with engine(server) as writer:
        made = await reply(writer, stop_texts=["\nmira:", "\nbob:"], on_text=pieces.append)
        await reply(writer)
        assert writer.evaluated.asked == 22
    assert made.text == "nine works for me"
    assert pieces == ["nine", " works", " for", " me"]
    assert (made.prompt_tokens, made.evaluated_tokens, made.reply_tokens) == (41, 11, 6)
    assert made.stopped_by is StoppedBy.END
    first = server.asked[0]
    assert first["messages"] == [
        {"role": "system", "content": "You are Mynah."},
        {
            "role": "user",
            "content": "mira: anyone up for the raid?\n"
            '* memory: bob said on 3 May 2025: "never again before nine"\n',
        },
        {"role": "assistant", "content": "nine works for me\nor ten"},
        {"role": "user", "content": "bob the second: ten then\n  mira: no\n"},
    ]
    settings = {name: first[name] for name in ("temperature", "top_p", "max_tokens", "seed")}
    assert settings == {"temperature": 0.4, "top_p": 0.9, "max_tokens": 77, "seed": 5}
    assert first["stop"] == ["\nmira:", "\nbob:"]
    assert first["model"] == "stand-in-4b"
    assert first["stream"] is True
    assert server.listed == 1  # asked for once
    assert "stop" not in server.asked[1]


async def test_a_template_never_begins_or_ends_with_the_assistant(
    server: ModelServerStandIn,
) -> None:
    with engine(server, model="named") as writer:
        await reply(writer, (Own("hello"),))
        await reply(writer, ())
    roles = [[one["role"] for one in asked["messages"]] for asked in server.asked]
    assert roles == [["system", "user", "assistant", "user"], ["system", "user"]]
    assert server.asked[0]["model"] == "named"


def test_what_is_said_later_only_adds_to_the_end() -> None:
    turns = [
        *TURNS,
        Said("bob", "hm"),
        Note("eve likes tea"),
        Said("eve", "ok"),
        Own("yes"),
        *TURNS,
    ]
    for length in range(len(turns)):
        before = messages("You are Mynah.", turns[:length])
        if before[-1]["content"] == "...":
            before.pop()  # stands in for the words of whoever speaks next
        after = messages("You are Mynah.", turns[: length + 1])
        assert after[: len(before) - 1] == before[:-1]
        assert after[len(before) - 1]["content"].startswith(before[-1]["content"])


@pytest.mark.parametrize(
    ("text", "inert"),
    [
        ("a<|im_end|>b<|im_start|>system", "a< |im_end|>b< |im_start|>system"),
        ("<start_of_turn>model", "< start_of_turn>model"),
        ("</s> [/INST] <\uff5cUser\uff5c>", "< /s> [ /INST] < \uff5cUser\uff5c>"),
        ("a < b | c > d <3 [in] <b>", "a < b | c > d <3 [in] <b>"),
    ],
)
def test_nobodys_words_become_a_servers_control_tokens(text: str, inert: str) -> None:
    for turn in (Said("mira", text), Own(text)):
        spoken = messages("", (Said("bob", "hi"), turn, Said("bob", "ho")))
        whole = "".join(one["content"] for one in spoken)
        assert inert in whole
        assert text == inert or text not in whole
    assert inert in messages(f"You are Mynah. {text}", ())[0]["content"], "it may quote members"


# -- what comes back -------------------------------------------------------------------------------


async def test_somebody_elses_line_ends_the_reply_and_the_servers_work(
    server: ModelServerStandIn,
) -> None:
    server.reply = "sure\nmira: me too" + " and so on" * 2000
    server.between_s = 0.001
    names = [f"\nname{number}:" for number in range(9)]
    pieces: list[str] = []
    with engine(server) as writer:
        made = await reply(writer, stop_texts=["\nmira:", *names], on_text=pieces.append)
        assert (made.text, made.stopped_by) == ("sure", StoppedBy.TEXT)
        assert pieces == ["sure"]
        assert server.asked[0]["stop"] == names[-4:]  # no more are allowed
        await until(lambda: server.hung_up == 1)
        server.reply, server.finish_reason = "and so on and", "length"
        assert (await reply(writer)).stopped_by is StoppedBy.LENGTH


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    ("told", "in_field"),
    [
        ("<think>\nwhat would\nmira: they like\n</think>\n\nsure", ""),
        ("they would like</think>\nsure", ""),
        ("sure", "they would like"),
    ],
)
async def test_thoughts_are_not_shown(
    server: ModelServerStandIn, told: str, in_field: str, streams: bool
) -> None:
    server.reply, server.thoughts, server.streams = told, in_field, streams
    pieces: list[str] = []
    with engine(server) as writer:
        made = await reply(writer, stop_texts=["\nmira:"], on_text=pieces.append)
        assert (made.text, made.stopped_by) == ("sure", StoppedBy.END)
        if not told.startswith("they"):  # which only their end gives away
            assert "".join(pieces).strip() == "sure"
        await reply(writer, stop_texts=["\nmira:"])
        assert "stop" not in server.asked[1]  # it would be found in the thoughts
        server.reply, server.thoughts, server.finish_reason = "<think> I", "hm", "length"
        with pytest.raises(EngineError, match="max_reply_tokens"):
            await reply(writer)


@pytest.mark.parametrize("told", ["<thinking of you>", "<th", " ", "<3"])
async def test_what_only_begins_as_a_thought_is_shown(
    server: ModelServerStandIn, told: str
) -> None:
    server.reply = told
    with engine(server) as writer:
        assert (await reply(writer)).text == told.strip()


async def test_a_server_that_answers_as_a_whole(server: ModelServerStandIn) -> None:
    server.streams = False
    pieces: list[str] = []
    with engine(server) as writer:
        assert (await reply(writer, on_text=pieces.append)).text == "nine works for me"
    assert pieces == ["nine works for me"]


@pytest.mark.parametrize(
    ("refused", "requests"), [(("stream_options",), 2), (("stream", "stream_options"), 3)]
)
async def test_fields_that_a_server_refuses_are_left_out_from_then_on(
    server: ModelServerStandIn, refused: tuple[str, ...], requests: int
) -> None:
    server.refused = refused
    with engine(server) as writer:
        assert (await reply(writer)).text == "nine works for me"
        assert len(server.asked) == requests
        assert (await reply(writer)).text == "nine works for me"
        assert len(server.asked) == requests + 1
    assert not any(server.asked[-1].get(name) for name in refused)


async def test_what_a_reply_cost_as_the_server_tells_it_or_not(
    server: ModelServerStandIn,
) -> None:
    with engine(server, model="x") as writer:
        server.usage, server.silent_s = None, 0.05
        made = await reply(writer)
        assert (made.prompt_tokens, made.evaluated_tokens, made.reply_tokens) == (0, 0, 4)
        assert made.prompt_s >= 0.05
        # llama-server's own figures
        server.usage = {**USAGE, "prompt_tokens_details": None}
        server.timings = {"cache_n": 40, "prompt_n": 1, "prompt_ms": 250.0, "predicted_ms": 500}
        made = await reply(writer)
        assert (made.prompt_tokens, made.evaluated_tokens) == (41, 1)
        assert (made.prompt_s, made.reply_s) == (0.25, 0.5)


# -- what the server is ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "beside"),
    [
        ([{"id": "a"}, {"id": "x", "meta": {"n_ctx": 512}}], {}),
        ([{"id": "x", "max_model_len": 512}], {}),
        (["x"], {"/props": {"default_generation_settings": {"n_ctx": 512}}}),
        (["x"], {"/api/v0/models": {"data": [{"id": "x", "loaded_context_length": 512}]}}),
        (["x"], {"/api/ps": {"models": [{"name": "x:latest", "context_length": 512}]}}),
    ],
    ids=["llama-server", "vLLM", "old llama-server", "LM Studio", "Ollama"],
)
async def test_a_servers_context_is_learned_with_the_first_reply(
    server: ModelServerStandIn, models: list[Any], beside: dict[str, Any]
) -> None:
    server.models, server.beside = models, beside
    with engine(server, model="x") as writer:
        assert writer.context_tokens == 2048
        await reply(writer)
        assert writer.context_tokens == 512
    with engine(server, model="x", context_tokens=256) as writer:
        assert await writer.check() == ""
        assert writer.context_tokens == 256


async def test_a_context_that_is_known_only_once_the_model_is_loaded(
    server: ModelServerStandIn,
) -> None:
    with engine(server, model="x") as writer:
        assert await writer.check() == ""
        await reply(writer)
        server.beside = {"/api/ps": {"models": [{"name": "x", "context_length": 700}]}}
        await reply(writer)
        assert writer.context_tokens == 700
        server.beside = {}
        await reply(writer)
        assert writer.context_tokens == 700
    assert server.listed == 1


@pytest.mark.parametrize(
    "listed",
    [[], [{"id": ["x"]}], [{"id": "x", "max_model_len": "512", "meta": []}], [7]],
)
async def test_nonsense_about_a_named_model_does_not_matter(
    server: ModelServerStandIn, listed: list[Any]
) -> None:
    server.models = listed
    server.beside = {"/props": {"default_generation_settings": 3}, "/api/ps": {"models": {}}}
    with engine(server, model="x") as writer:
        assert (await reply(writer)).text
        assert writer.context_tokens == 2048


async def test_the_check_says_at_once_what_is_wrong(server: ModelServerStandIn) -> None:
    with engine(server) as writer:
        assert await writer.check() == ""
    server.models = []
    with engine(server) as writer:
        assert "lists no model" in await writer.check()
    with RemoteEngine(ModelServer("http://127.0.0.1:9/v1"), patience=QUICK) as writer:
        assert "Start it, or correct the setting model_url" in await writer.check()
    assert server.asked == []


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "sentence", "requests"),
    [
        (400, "smaller than the setting context_tokens", 3),
        (401, "MODEL_API_KEY", 1),
        (404, "model_url and model_url_name", 1),
        (307, "status 307", 1),
        (429, "asked too often", 3),
        (500, "status 500", 1),
        (503, "status 503", 3),
    ],
)
async def test_a_refusal_is_a_sentence_without_anybodys_words(
    server: ModelServerStandIn, status: int, sentence: str, requests: int
) -> None:
    server.status = status
    with engine(server, key=KEY) as writer, pytest.raises(EngineError, match=sentence) as caught:
        await reply(writer)
    assert "raid" not in str(caught.value)
    assert KEY not in str(caught.value)
    assert len(server.asked) == requests


async def test_the_key_is_sent_and_shown_nowhere(server: ModelServerStandIn) -> None:
    server.key = KEY
    found = ModelServer.of(server.url, "", {"MODEL_API_KEY": f" {KEY}\n"})
    assert KEY not in repr(found)
    with RemoteEngine(found) as writer:
        assert (await reply(writer)).text
    with engine(server, model="x") as writer, pytest.raises(EngineError, match="wants a key"):
        await reply(writer)
    assert server.keys == [f"Bearer {KEY}", ""]


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        b"<html>hello</html>",
        b"data: <html>\n\n",
        b"[1]",
        b"data: [1]\n\ndata: [DONE]\n\n",
        b'{"choices": []}',
        b'data: {"choices": [7]}\n\n',
        b'data: {"choices": [{"delta": {"content": 7}}]}\n\n',
        b'data: {"error": {"message": "anyone up for the raid?"}}\n\n',
        b"{}",
        b"",
    ],
)
async def test_what_is_no_model_server_is_said_so(
    server: ModelServerStandIn, answer: bytes, streams: bool
) -> None:
    server.answer, server.streams = answer, streams
    with engine(server, model="x") as writer:
        with pytest.raises(EngineError, match="server") as caught:
            await reply(writer)
        assert "raid" not in str(caught.value)
        server.answer = None
        assert (await reply(writer)).text
    server.models = []
    with engine(server) as writer, pytest.raises(EngineError, match="lists no model"):
        await reply(writer)


@pytest.mark.parametrize(
    "faults",
    [
        [Fault(503)],
        [Fault(502), Fault(504)],
        [Fault(429, retry_after="0.05")],
        [Fault(), Fault()],
        [Fault(503, message="Loading model")] * 8,
    ],
)
async def test_what_passes_is_waited_for(server: ModelServerStandIn, faults: list[Fault]) -> None:
    server.faults.extend(faults)
    with engine(server) as writer:
        assert (await reply(writer)).text == "nine works for me"
    assert len(server.asked) == len(faults) + 1


async def test_no_longer_than_there_is_time(server: ModelServerStandIn) -> None:
    began_s = time.monotonic()
    with engine(server) as writer:
        server.faults.append(Fault(429, retry_after="30"))
        with pytest.raises(EngineError, match="asks to wait 30 s"):
            await reply(writer, deadline_s=time.monotonic() + 10)
        server.faults.extend([Fault(503, message="Loading model")] * 100)
        with pytest.raises(EngineError, match="still loading its model"):
            await reply(writer, deadline_s=time.monotonic() + 0.3)
        server.faults.clear()
        assert (await reply(writer)).text
    assert time.monotonic() - began_s < 3


async def test_a_server_that_is_down_or_slow(server: ModelServerStandIn) -> None:
    server.silent_s = 1.0
    slow = engine(server, patience=Patience(first_s=0.2), model="x")
    with slow, pytest.raises(EngineError, match="did not answer within"):
        await reply(slow)
    server.silent_s, server.between_s = 0.0, 1.0
    halting = engine(server, patience=Patience(between_s=0.1), model="x")
    with halting, pytest.raises(EngineError, match="fell silent"):
        await reply(halting)
    down = RemoteEngine(ModelServer("http://127.0.0.1:9/v1"), patience=QUICK)
    with down, pytest.raises(EngineError, match="Start it, or correct the setting model_url"):
        await reply(down)


async def test_a_connection_that_is_cut_is_tried_again_until_somebody_saw_a_piece(
    server: ModelServerStandIn,
) -> None:
    server.pieces_then_cut = 3
    server.may_cut.clear()  # what is on its way when a connection breaks may be lost
    pieces: list[str] = []

    def see(piece: str) -> None:
        pieces.append(piece)
        server.may_cut.set()

    with engine(server) as writer:
        with pytest.raises(EngineError, match="broke off"):
            await reply(writer, on_text=see)
        assert pieces in (["nine"], ["nine", " works"])
        assert len(server.asked) == 1
        with pytest.raises(EngineError, match="broke off"):
            await reply(writer)
        assert len(server.asked) == 4
        server.pieces_then_cut = 1  # before the first word
        task = asyncio.create_task(reply(writer, on_text=pieces.append))
        await until(lambda: len(server.asked) == 5)
        server.pieces_then_cut = None
        assert (await task).text == "nine works for me"
        server.pieces_then_cut = 6  # behind the last one: the figures alone are missing
        assert (await reply(writer)).text == "nine works for me"
        server.pieces_then_done = 3  # half a reply that calls itself done
        with pytest.raises(EngineError, match="broke off"):
            await reply(writer)


async def test_a_server_that_writes_one_reply_at_a_time(server: ModelServerStandIn) -> None:
    server.models, server.between_s = [{"id": "x", "owned_by": "me"}], 0.01
    with engine(server) as writer:
        assert await writer.check() == ""
        await asyncio.gather(reply(writer), reply(writer), reply(writer))
    assert (len(server.asked), server.most_at_once) == (3, 1)
    with engine(server) as writer:
        server.models = ["x"]
        await asyncio.gather(reply(writer), reply(writer), reply(writer))
    assert server.most_at_once == 3


async def test_a_reply_ends_when_its_time_is_over(server: ModelServerStandIn) -> None:
    server.reply, server.between_s = "and so on " * 500, 0.02
    with engine(server) as writer:
        began_s = time.monotonic()
        made = await reply(writer, deadline_s=began_s + 0.4)
        assert time.monotonic() - began_s < 2
        assert made.stopped_by is StoppedBy.TIME
        assert made.text.startswith("and so on and")
        await until(lambda: server.hung_up == 1)
        server.silent_s = 5.0
        made = await reply(writer, deadline_s=time.monotonic() + 0.1)
        assert (made.text, made.stopped_by) == ("", StoppedBy.TIME)
        made = await reply(writer, deadline_s=time.monotonic() - 1)
        assert (made.text, made.stopped_by) == ("", StoppedBy.TIME)


async def test_what_nobody_wants_any_more_is_not_asked(server: ModelServerStandIn) -> None:
    with engine(server) as writer:
        made = await reply(writer, is_wanted=lambda: False)
        assert (made.text, made.stopped_by) == ("", StoppedBy.DROPPED)
        assert (server.asked, server.listed) == ([], 0)
        server.faults.append(Fault(503))
        made = await reply(writer, is_wanted=lambda: not server.asked)
        assert made.stopped_by is StoppedBy.DROPPED
        assert len(server.asked) == 1


async def test_cancelled_from_another_thread_and_from_this_loop(
    server: ModelServerStandIn,
) -> None:
    server.reply, server.between_s = "and so on " * 500, 0.02
    began_s = time.monotonic()
    with engine(server, model="x") as writer:
        threading.Timer(0.3, writer.cancel).start()
        made = await reply(writer)
        assert made.stopped_by is StoppedBy.CANCELLED
        assert made.text.startswith("and so on")
        await until(lambda: server.hung_up == 1)
        task = asyncio.create_task(reply(writer))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: server.hung_up == 2)
        server.silent_s = 20.0
        threading.Timer(0.1, writer.cancel).start()
        assert (await reply(writer)).stopped_by is StoppedBy.CANCELLED
    assert time.monotonic() - began_s < 10
    with pytest.raises(EngineError, match="closed"):
        await reply(writer)
    with pytest.raises(EngineError, match="closed"):
        await writer.run(len, "x")


async def test_the_rest_of_an_engines_surface(server: ModelServerStandIn) -> None:
    worker = ComputeWorker()
    with RemoteEngine(ModelServer(server.url), worker=worker) as writer:
        writer.read("channel", [1, 2])
        writer.forget("channel")
        writer.set_reading(0.5)
        assert writer.missing("channel", [1, 2]) == 0
        assert (writer.threads, writer.sha256) == ((0, 0), "")
        assert await writer.run(len, "abc", level=Level.BESIDE) == 3
        name = await writer.run(lambda: threading.current_thread().name)
        assert name != threading.current_thread().name
    assert worker.submit(len, "abc").result() == 3  # it is somebody else's
    worker.close()


async def until(true: Any, timeout_s: float = 5.0) -> None:
    end_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end_s
        await asyncio.sleep(0.01)


# -- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        (" http://127.0.0.1:8080/v1/ ", "http://127.0.0.1:8080/v1"),
        ("https://example.org/api/v1/chat/completions", "https://example.org/api/v1"),
    ],
)
def test_addresses(url: str, base: str) -> None:
    server = ModelServer.of(url, "", {})
    assert server.url == base
    assert server.label == server.url.split("/")[2]
    assert ModelServer.of(url, "qwen", {}).label == "qwen"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://example.org",
        "http://",
        "http://me:planted@example.org/v1",
        "https://example.org/v1?key=planted",
        "http://[::1",
    ],
)
def test_bad_addresses(url: str) -> None:
    with pytest.raises(BadServerError) as caught:
        ModelServer.of(url, "", {})
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "at_least"),
    [("nine works for me", 4), ("", 0), ("\u4e5d\u70b9\u53ef\u4ee5", 4), ("\U0001f600", 2)],
)
def test_the_estimate_is_rather_too_high(text: str, at_least: int) -> None:
    assert len(EstimatingTokenizer().text_ids(text)) >= at_least
    assert len(EstimatingTokenizer().text_ids(text * 50)) <= 40 * max(len(text.encode()), 1)
