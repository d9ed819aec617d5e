"""Sound files pass, crafted and truncated ones are refused quickly and with a sentence."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from model.gguf_check import MAX_STRINGS, GgufError, check
from storage.paths import DEMO_BASE_DIR
from tests.model import tiny

DEMO_GGUF = next(DEMO_BASE_DIR.glob("*.gguf"))

Q, U32 = "<Q", "<I"
SECONDS = 5
"""What issue 5 grants a check of the worst file; of computing, as others use the machine too."""


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(Q, len(raw)) + raw


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack(U32, kind) + value


ARCHITECTURE = key("general.architecture", 8, text("qwen2"))


def figures(**values: int) -> list[bytes]:
    """Keys of a qwen2 model; double underscores are dots."""
    names = {name.replace("__", "."): value for name, value in values.items()}
    keys = [key(f"qwen2.{name}", 4, struct.pack(U32, value)) for name, value in names.items()]
    return [ARCHITECTURE, *keys]


SHAPE = {"embedding_length": 256, "attention__head_count": 4, "rope__dimension_count": 64}


def tensor(name: str, shape: list[int], kind: int, offset: int) -> bytes:
    dimensions = b"".join(struct.pack(Q, length) for length in shape)
    place = struct.pack(U32, kind) + struct.pack(Q, offset)
    return text(name) + struct.pack(U32, len(shape)) + dimensions + place


def gguf(
    keys: list[bytes],
    tensors: Sequence[bytes] = (),
    data: int = 0,
    counts: tuple[int, int] | None = None,
) -> bytes:
    counted = counts or (len(tensors), len(keys))
    head = b"GGUF" + struct.pack(U32, 3) + struct.pack("<QQ", *counted)
    head += b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + bytes(data)


def small() -> bytes:
    """Two tensors, a list of words, a list of numbers and a few single values."""
    keys = [
        ARCHITECTURE,
        key("qwen2.context_length", 4, struct.pack(U32, 512)),
        key("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + text("bé")),
        key("tokenizer.ggml.scores", 9, struct.pack("<IQ", 6, 2) + bytes(8)),
        key("general.quiet", 7, b"\x01"),
    ]
    tensors = [tensor("one", [256, 2], 12, 0), tensor("two", [4], 0, 288)]
    return gguf(keys, tensors, data=288 + 16)


def refused(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "crafted.gguf"
    path.write_bytes(content)
    return refused_file(path)


def refused_file(path: Path) -> str:
    started = time.thread_time()
    with pytest.raises(GgufError) as fault:
        check(path)
    assert time.thread_time() - started < SECONDS
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_reads_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(small())
    header = check(path)
    assert (header.architecture, header.context_length, header.vocabulary_size) == ("qwen2", 512, 2)
    assert (header.tensor_count, header.parameter_count) == (2, 516)
    assert header.metadata["general.quiet"] is True


def test_a_model_s_own_figures_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "sound.gguf"
    path.write_bytes(gguf(figures(block_count=512, **SHAPE)))
    assert check(path).embedding_length == 256


def test_agrees_with_ggufs_own_reader(q4_gguf: Path) -> None:
    import gguf as reference

    reader = reference.GGUFReader(q4_gguf)
    header = check(q4_gguf)
    assert header.tensor_count == len(reader.tensors)
    assert header.parameter_count == sum(int(t.n_elements) for t in reader.tensors)
    assert header.file_type == 15  # Q4_K_M
    assert header.vocabulary_size == tiny.VOCABULARY
    assert header.embedding_length == 256
    assert sum(header.bytes_by_type.values()) == sum(int(t.n_bytes) for t in reader.tensors)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = small()
    path = tmp_path / "cut.gguf"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(GgufError):
            check(path)


def test_a_truncated_real_file_is_called_incomplete(tmp_path: Path, q4_gguf: Path) -> None:
    whole = q4_gguf.read_bytes()
    assert "incomplete" in refused(tmp_path, whole[: len(whole) // 2])
    assert "incomplete" in refused(tmp_path, whole[:-64])


def test_no_change_of_a_byte_hangs_or_escapes(tmp_path: Path) -> None:
    chance = random.Random(3)
    path = tmp_path / "changed.gguf"
    started = time.thread_time()
    for _ in range(600):
        content = bytearray(small())
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content))] = chance.choice([0, 1, 9, 127, 128, 255])
        path.write_bytes(content)
        try:
            check(path)
        except GgufError as fault:
            assert str(fault)  # noqa: PT017
    assert time.thread_time() - started < 10


HUGE = 1 << 62


def with_figure(name: str, kind: int, layout: str, value: float) -> bytes:
    """A model of known shape and one more key."""
    more = key(f"qwen2.{name}", kind, struct.pack(layout, value))
    return gguf([*figures(block_count=2, **SHAPE), more])


def with_list(name: str, values: Sequence[int]) -> bytes:
    items = struct.pack(f"<IQ{len(values)}i", 5, len(values), *values)
    return gguf([*figures(block_count=2, embedding_length=256), key(f"qwen2.{name}", 9, items)])


def with_tokens(
    model: str, tokens: Sequence[str], kinds: Sequence[int] = (), more: Sequence[bytes] = ()
) -> bytes:
    words = struct.pack("<IQ", 8, len(tokens)) + b"".join(text(token) for token in tokens)
    types = struct.pack(f"<IQ{len(kinds)}i", 5, len(kinds), *kinds)
    keys = [
        key("tokenizer.ggml.model", 8, text(model)),
        key("tokenizer.ggml.tokens", 9, words),
        key("tokenizer.ggml.token_type", 9, types),
    ]
    return gguf([ARCHITECTURE, *keys, *more])


def of_architecture(name: str) -> bytes:
    return gguf([key("general.architecture", 8, text(name))])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "incomplete"),
        (b"GGML" + bytes(60), "begin"),
        (b"GGUF" + struct.pack(U32, 1) + bytes(60), "version"),
        (gguf([ARCHITECTURE], counts=(HUGE, 1)), "tensors"),
        (gguf([ARCHITECTURE], counts=(0, HUGE)), "keys"),
        (gguf([], counts=(0, 1)) + struct.pack(Q, HUGE), "is empty"),
        # 43 bytes: a list of lists
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("abc") + struct.pack("<II", 9, 9), "type 9"),
        (gguf([key("a", 9, struct.pack("<IQ", 9, HUGE))]), "type 9"),
        (gguf([key("a", 9, struct.pack("<IQ", 0, HUGE))]), "items"),
        (gguf([key("a", 9, struct.pack("<IQ", 8, 1 << 20))]), "items"),
        (gguf([key("a", 99, b"")]), "unknown type"),
        (gguf([key("a", 8, struct.pack(Q, HUGE))]), "incomplete"),
        (gguf([ARCHITECTURE, ARCHITECTURE]), "twice"),
        (gguf([key("general.name", 8, text("x"))]), "architecture"),
        (gguf([ARCHITECTURE, key("general.alignment", 4, struct.pack(U32, 3))]), "alignment"),
        (gguf([ARCHITECTURE, key("split.count", 2, struct.pack("<H", 3))]), "parts"),
        (gguf(figures(block_count=100_000)), "100000 blocks"),
        (gguf(figures(block_count=0)), "0 blocks"),
        (gguf([ARCHITECTURE, key("qwen2.block_count", 8, text("many"))]), "many blocks"),
        (gguf(figures(**{**SHAPE, "rope__dimension_count": 7})), "dimension_count is 7"),
        (gguf(figures(**{**SHAPE, "attention__head_count": 0})), "without attention heads"),
        (gguf(figures(rope__dimension_count=64)), "width None"),
        (gguf([ARCHITECTURE], [tensor("t", [HUGE, HUGE], 0, 0)]), "shape"),
        (gguf([ARCHITECTURE], [tensor("t", [100], 12, 0)], 4096), "shape"),
        (gguf([ARCHITECTURE], [tensor("t", [256], 33, 0)], 4096), "unknown type"),
        (gguf([ARCHITECTURE], [tensor("t", [256], 0, 32)], 4096), "not where"),
        (gguf([ARCHITECTURE], [tensor("t", [256] * 5, 0, 0)], 4096), "dimensions"),
        (gguf([ARCHITECTURE], [tensor("t", [256], 0, 0)], 1023), "incomplete"),
        (gguf([ARCHITECTURE], [tensor("t", [4], 0, 0), tensor("t", [4], 0, 32)], 64), "twice"),
        (gguf([ARCHITECTURE], [tensor("", [4], 0, 0)], 64), "no name"),
        (gguf([ARCHITECTURE], [tensor("t\0u", [4], 0, 0)], 64), "no name"),
        (gguf([ARCHITECTURE, key("a\0b", 7, b"\1")]), "empty or there twice"),
        (gguf([ARCHITECTURE], [tensor("t", [4, 0], 0, 0)], 64), "shape"),
        (gguf([ARCHITECTURE], [tensor("a", [4], 0, 0), tensor("b", [4], 0, 0)], 64), "not where"),
        (gguf([ARCHITECTURE], [tensor("t", [64, 64], 26, 0)], 16_384), "type 26"),
        (gguf([ARCHITECTURE], [tensor("t", [64, 64], 9, 0)], 16_384), "type 9"),
        (gguf([ARCHITECTURE], [tensor("bias", [64], 8, 0)], 4096), "type 8"),
        (gguf([ARCHITECTURE], [tensor("q_norm", [64, 2], 1, 0)], 4096), "type 1"),
        (of_architecture("clip"), "'clip', which Mynah does not open"),
        (of_architecture("kimi-k3"), "'kimi-k3', which Mynah does not open"),
        # Each of these ended the process that loaded it, or never came back.
        (with_figure("nextn_predict_layers", 4, "<I", 65_535), "predict ahead"),
        (with_figure("expert_count", 4, "<I", 3), "0 of 3 experts"),
        (with_figure("expert_used_count", 4, "<I", 3), "3 of 0 experts"),
        (with_figure("expert_group_count", 4, "<I", 63), "63 groups"),
        (with_figure("attention.layer_norm_rms_epsilon", 6, "<f", -1), "epsilon is -1"),
        (with_figure("attention.layer_norm_rms_epsilon", 6, "<f", float("nan")), "epsilon is nan"),
        (with_figure("attention.key_length", 4, "<I", 128), "heads 128 and 64"),
        (with_figure("rope.dimension_count_swa", 4, "<I", 514), "dimension_count_swa is 514"),
        (with_figure("pooling_type", 4, "<I", 9), "pooling_type is 9"),
        (with_figure("attention.head_count_kv", 4, "<I", 3), "cannot share 3"),
        (with_figure("feed_forward_length", 4, "<I", 1 << 31), "feed_forward_length is beyond"),
        (with_list("attention.head_count", [4, 0]), "without attention heads"),
        (with_list("expert_used_count", [-1, -1]), "expert_used_count is beyond"),
        (
            gguf([ARCHITECTURE, key("qwen2.rope.scaling.type", 8, text("spiral"))]),
            "rope.scaling.type is 'spiral'",
        ),
        (with_tokens("gpt2", ["a", "b", "a"]), "b'a' twice"),
        (with_tokens("gpt2", ["", "[EMPTY_0]"]), "twice"),
        (with_tokens("gpt2", ["a", "a\0b"]), "b'a' twice"),
        (gguf([ARCHITECTURE, key("a", 8, text("whitespace\0"))]), "holds a NUL"),
        (with_tokens("plamo2", ["a"]), "tokenizer is 'plamo2'"),
        (with_tokens("llama", ["a"]), "no token for the byte 0"),
        (with_tokens("bert", ["a"] + [f"w{n}" for n in range(200)], [6]), "tokens for bytes"),
        (with_tokens("bert", ["a", "b"]), "bos token is 101"),
        (with_tokens("t5", ["a"]), "eos token is 1"),
        (
            with_tokens("gpt2", [], more=[key("tokenizer.ggml.pre", 8, text("whitespace"))]),
            "splits words",
        ),
    ],
)  # fmt: skip
def test_crafted_files_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


def test_a_layer_without_attention_is_refused(tmp_path: Path) -> None:
    keys = figures(block_count=1, **SHAPE)
    tensors = [tensor("token_embd.weight", [256, 1], 0, 0)]
    assert "layer 0 lacks" in refused(tmp_path, gguf(keys, tensors, 1024))
    assert "how many attention heads" in refused(tmp_path, gguf([ARCHITECTURE], tensors, 1024))


def sparse(path: Path, head: bytes, size: int) -> Path:
    """A file of a size that it does not take up on the disk."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def test_huge_files_of_nothing_are_refused_in_time(tmp_path: Path) -> None:
    size = 1 << 40
    path = tmp_path / "huge.gguf"
    assert "begin" in refused_file(sparse(path, b"", size))
    assert "names no architecture" in refused_file(sparse(path, gguf([]), size))
    claimed = gguf([ARCHITECTURE], counts=(65_536, 1))[:-7]
    assert "no name" in refused_file(sparse(path, claimed, size))
    # Texts of nothing, as many as may be, and one more.
    many = struct.pack("<IQ", 8, MAX_STRINGS)
    keys = [ARCHITECTURE, key("tokenizer.ggml.tokens", 9, many)]
    started = time.thread_time()
    assert "empty or there twice" in refused_file(sparse(path, gguf(keys, counts=(0, 3)), size))
    assert time.thread_time() - started < SECONDS
    more = struct.pack("<IQ", 8, MAX_STRINGS + 1)
    assert "more than it can hold" in refused(tmp_path, gguf([key("a", 9, more)]))
    longest = [key(f"k{n}", 8, struct.pack(Q, 4 << 20) + b"a" * (4 << 20)) for n in range(33)]
    assert "longer than 128 MB" in refused(tmp_path, gguf(longest))


@pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    assert "not a file" in refused_file(tmp_path / "pipe.gguf")
    assert "not a file" in refused_file(Path("/dev/zero"))
    (tmp_path / "round.gguf").symlink_to(tmp_path / "round.gguf")
    assert "cannot be read" in refused_file(tmp_path / "round.gguf")


def test_a_path_that_cannot_be_is_a_sentence(tmp_path: Path) -> None:
    for name in ("a\0b.gguf", "x" * 5000):
        with pytest.raises(GgufError, match="cannot be read"):
            check(tmp_path / name)


def mutated(chance: random.Random, header: bytes) -> bytes:
    """Some bytes, or whole numbers as they stand in a header, changed."""
    content = bytearray(header)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(content) - 8)
        if chance.random() < 0.5:
            content[at] = chance.choice([0, 1, 9, 127, 128, 255, chance.randrange(256)])
        else:
            value = chance.choice([0, 1, 2, 255, 1 << 16, 1 << 31, (1 << 32) - 1, HUGE])
            width = chance.choice([4, 8])
            content[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(content)


LOADING = """
import sys, llama_cpp
quiet = llama_cpp.llama_log_callback(lambda *_: None)
llama_cpp.llama_log_set(quiet, None)
params = llama_cpp.llama_model_default_params()
params.vocab_only = True
for path in sys.argv[1:]:
    print(path, flush=True)
    model = llama_cpp.llama_model_load_from_file(path.encode(), params)
    if model:
        llama_cpp.llama_model_free(model)
print("all", flush=True)
"""


def test_a_changed_header_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    """docs/experiments.md has the long run: tens of thousands, loaded and asked for tokens."""
    chance = random.Random(11)
    whole = DEMO_GGUF.read_bytes()
    figures_end = whole.index(b"tokenizer.ggml.tokens")
    tensors_from = whole.index(b"output_norm.weight") - 16
    kept: list[str] = []
    for number in range(250):
        near = chance.choice([(0, figures_end), (tensors_from, tensors_from + 4000)])
        part = mutated(chance, whole[near[0] : near[1]])
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(whole[: near[0]] + part + whole[near[1] :])
        started = time.thread_time()
        try:
            check(path)
            kept.append(str(path))
        except GgufError:
            path.unlink()
        assert time.thread_time() - started < SECONDS
    assert 5 < len(kept) < 150
    command = [sys.executable, "-c", LOADING, *kept[:40]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[-1:] == ["all"], done.stderr[-500:]


def test_missing_and_folder_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(GgufError, match=r"cannot be read"):
        check(tmp_path / "none.gguf")
    with pytest.raises(GgufError, match=r"not a file"):
        check(tmp_path)


def test_command_line(tmp_path: Path, q4_gguf: Path) -> None:
    def run(path: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "model.gguf_check", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = run(q4_gguf)
    assert good.returncode == 0
    assert "qwen2" in good.stdout
    bad = run(tmp_path / "none.gguf")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "none.gguf" in bad.stderr
