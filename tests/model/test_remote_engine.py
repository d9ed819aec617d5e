"""remote_engine: the transcript as messages, and every way in which a server can fail us."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model.chat_format import Note, Own, Said, Turn
from model.inference import EngineError, Generation, Sampling, StoppedBy
from model.model_server import BadServerError, ModelServer
from model.remote_engine import EstimatingTokenizer, RemoteEngine
from tests.model.model_server_stand_in import ModelServerStandIn

KEY = "sk-planted-key"
TURNS: tuple[Turn, ...] = (
    Said("mira", "anyone up for the raid?"),
    Note('bob said on 3 May 2025: "never again before nine"'),
    Own("nine works for me"),
    Own("or ten"),
    Said("bob: the second", "ten then\nmira: no"),
)


@pytest.fixture
def server() -> Iterator[ModelServerStandIn]:
    with ModelServerStandIn() as stand_in:
        yield stand_in


def engine(server: ModelServerStandIn, *, timeout_s: float = 5.0, **values: str) -> RemoteEngine:
    return RemoteEngine(ModelServer(server.url, **values), timeout_s=timeout_s)


async def reply(writer: RemoteEngine, turns: tuple[Turn, ...] = TURNS, **more: Any) -> Generation:
    sampling = Sampling(temperature=0.4, top_p=0.9, max_tokens=77, seed=5)
    return await writer.generate("You are Mynah.", turns, sampling=sampling, **more)


async def test_the_transcript_goes_out_as_messages_and_the_answer_comes_back(
    server: ModelServerStandIn,
) -> None:
    with engine(server) as writer:
        made = await reply(writer, stop_texts=["\nmira:", "\nbob:"])
        await reply(writer)
    assert made.text == "nine works for me"
    assert (made.prompt_tokens, made.reply_tokens) == (41, 6)
    assert made.stopped_by is StoppedBy.END
    first = server.asked[0]
    assert first["messages"] == [
        {"role": "system", "content": "You are Mynah."},
        {
            "role": "user",
            "content": "mira: anyone up for the raid?\n"
            '* memory: bob said on 3 May 2025: "never again before nine"',
        },
        {"role": "assistant", "content": "nine works for me\nor ten"},
        {"role": "user", "content": "bob the second: ten then\n  mira: no"},
    ]
    settings = {name: first[name] for name in ("temperature", "top_p", "max_tokens", "seed")}
    assert settings == {"temperature": 0.4, "top_p": 0.9, "max_tokens": 77, "seed": 5}
    assert first["stop"] == ["\nmira:", "\nbob:"]
    assert first["model"] == "stand-in-4b"
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
    assert server.listed == 0


async def test_somebody_elses_line_and_a_models_thoughts_are_cut(
    server: ModelServerStandIn,
) -> None:
    server.reply = "<think>\nwhat would they like\n</think>\n\nsure\nmira: me too"
    names = [f"\nname{number}:" for number in range(9)]
    with engine(server) as writer:
        made = await reply(writer, stop_texts=["\nmira:", *names])
        assert (made.text, made.stopped_by) == ("sure", StoppedBy.TEXT)
        assert server.asked[0]["stop"] == names[-4:]  # no more are allowed
        server.reply, server.finish_reason = "and so on and", "length"
        assert (await reply(writer)).stopped_by is StoppedBy.LENGTH


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (400, "smaller than the setting context_tokens"),
        (401, "MODEL_API_KEY"),
        (404, "model_url and model_url_name"),
        (307, "status 307"),
        (503, "status 503"),
    ],
)
async def test_a_refusal_is_a_sentence_without_anybodys_words(
    server: ModelServerStandIn, status: int, sentence: str
) -> None:
    server.status = status
    with engine(server, key=KEY) as writer, pytest.raises(EngineError, match=sentence) as caught:
        await reply(writer)
    assert "raid" not in str(caught.value)
    assert KEY not in str(caught.value)


async def test_the_key_is_sent_and_shown_nowhere(server: ModelServerStandIn) -> None:
    server.key = KEY
    found = ModelServer.of(server.url, "", {"MODEL_API_KEY": f" {KEY}\n"})
    assert KEY not in repr(found)
    with RemoteEngine(found) as writer:
        assert (await reply(writer)).text
    with engine(server, model="x") as writer, pytest.raises(EngineError, match="wants a key"):
        await reply(writer)
    assert server.keys == [f"Bearer {KEY}", ""]


@pytest.mark.parametrize("answer", [b"<html>hello</html>", b"[1]", b'{"choices": []}', b"{}"])
async def test_what_is_no_model_server_is_said_so(
    server: ModelServerStandIn, answer: bytes
) -> None:
    server.answer = answer
    with engine(server, model="x") as writer, pytest.raises(EngineError, match="server"):
        await reply(writer)
    server.models = []
    server.answer = None
    with engine(server) as writer, pytest.raises(EngineError, match="lists no model"):
        await reply(writer)


async def test_a_server_that_is_down_or_slow(server: ModelServerStandIn) -> None:
    server.silent_s = 1.0
    slow = engine(server, timeout_s=0.2, model="x")
    with slow, pytest.raises(EngineError, match="did not answer within"):
        await reply(slow)
    down = RemoteEngine(ModelServer("http://127.0.0.1:9/v1"))
    with down, pytest.raises(EngineError, match="Start it, or correct the setting model_url"):
        await reply(down)


async def test_cancelled_from_another_thread_and_from_this_loop(
    server: ModelServerStandIn,
) -> None:
    server.silent_s = 20.0
    began_s = time.monotonic()
    with engine(server, model="x", timeout_s=30.0) as writer:
        threading.Timer(0.2, writer.cancel).start()
        assert (await reply(writer)).stopped_by is StoppedBy.CANCELLED
        task = asyncio.create_task(reply(writer))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await writer.run(lambda: threading.current_thread().name) != "MainThread"
    assert time.monotonic() - began_s < 10
    with pytest.raises(EngineError, match="closed"):
        await reply(writer)
    with pytest.raises(EngineError, match="closed"):
        await writer.run(len, "x")


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
