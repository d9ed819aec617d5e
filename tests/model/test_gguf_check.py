"""Sound files pass, crafted and truncated ones are refused quickly and with a sentence."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from model.gguf_check import GgufError, check
from tests.model import tiny

Q, U32 = "<Q", "<I"


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
    started = time.monotonic()
    with pytest.raises(GgufError) as fault:
        check(path)
    assert time.monotonic() - started < 1.0
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
    started = time.monotonic()
    for _ in range(600):
        content = bytearray(small())
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content))] = chance.choice([0, 1, 9, 127, 128, 255])
        path.write_bytes(content)
        try:
            check(path)
        except GgufError as fault:
            assert str(fault)  # noqa: PT017
    assert time.monotonic() - started < 10


HUGE = 1 << 62


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
        (gguf(figures(**{**SHAPE, "attention__head_count": 0})), "by 0 heads"),
        (gguf(figures(rope__dimension_count=64)), "width None"),
        (gguf([ARCHITECTURE], [tensor("t", [HUGE, HUGE], 0, 0)]), "shape"),
        (gguf([ARCHITECTURE], [tensor("t", [100], 12, 0)], 4096), "shape"),
        (gguf([ARCHITECTURE], [tensor("t", [256], 33, 0)], 4096), "unknown type"),
        (gguf([ARCHITECTURE], [tensor("t", [256], 0, 32)], 4096), "not where"),
        (gguf([ARCHITECTURE], [tensor("t", [256] * 5, 0, 0)], 4096), "dimensions"),
        (gguf([ARCHITECTURE], [tensor("t", [256], 0, 0)], 1023), "incomplete"),
        (gguf([ARCHITECTURE], [tensor("t", [4], 0, 0), tensor("t", [4], 0, 32)], 64), "twice"),
    ],
)  # fmt: skip
def test_crafted_files_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    assert reason in refused(tmp_path, content)


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
