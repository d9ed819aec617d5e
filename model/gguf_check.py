"""Reads a GGUF's header within bounds, before anything else touches it. Standard library alone.

A crafted or truncated file can hang a reader or abort the whole process inside llama.cpp. Nothing
here trusts a count: each is compared with a limit and with the bytes that the file has left, long
lists of numbers are stepped over, and every tensor must lie inside the file. What the header says
of the model is judged in `model/gguf_figures.py`. The weights are not read, so a check costs well
under a second however big the file is.

    python -m model.gguf_check FILE        exit 0 and a summary, or 1 and the reason

Format: ggml's docs/gguf.md; the rules on offsets are those of ggml/src/gguf.cpp.
"""

from __future__ import annotations

import io
import struct
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from model.gguf_figures import MAX_BLOCKS, Numbers, Scalar, Vocabulary, faults, missing_attention
from storage.errors import MynahError

MAX_KEYS = 4096
MAX_TENSORS = 65_536
MAX_KEY_BYTES = 65_535
MAX_STRING_BYTES = 4 << 20
MAX_ARRAY_ITEMS = 4 << 20
MAX_STRINGS = 2 << 20
"""Of all lists together. The largest vocabularies: 0.26 million tokens, 0.5 million merges."""
MAX_HEADER_BYTES = 128 << 20
MAX_TENSOR_NAME_BYTES = 63
MAX_DIMENSIONS = 4
MAX_ALIGNMENT = 1 << 20

_TOKENS, _TOKEN_TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"

_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i",
    6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip

# ggml type -> (values a block, bytes a block); gguf-py's GGML_QUANT_SIZES. Q8_1 (9) and Q8_K (15)
# are left out: llama.cpp computes with them, and crashes where weights are stored so.
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36),
    41: (128, 18), 42: (64, 18),
}  # fmt: skip
_F32 = 0
_PLAIN = ("norm", "ssm_a", "ssm_conv1d", "ssm_d.", "shortconv.conv")
_NO_WEIGHTS = {24, 25, 26, 27, 28}
"""Whole numbers and F64: multiplying by them is a call of nothing."""


class GgufError(MynahError):
    """A file is missing or no sound GGUF; the sentence says what is wrong with it."""


@dataclass(frozen=True)
class GgufHeader:
    """What the head of a GGUF says about the model."""

    architecture: str
    name: str
    size_bytes: int
    tensor_count: int
    parameter_count: int
    metadata: dict[str, Scalar] = field(repr=False)
    """Every key that holds one value."""
    array_lengths: dict[str, int] = field(repr=False)
    """Every key that holds a list, with its length."""
    lists: dict[str, Numbers] = field(default_factory=dict, repr=False)
    """The lists of at most MAX_BLOCKS numbers themselves: figures that differ from layer to
    layer."""
    bytes_by_type: dict[int, int] = field(default_factory=dict, repr=False)
    """How many bytes of weights there are of each ggml type (0 F32, 12 Q4_K, 14 Q6_K)."""

    @property
    def context_length(self) -> int:
        """Tokens the model was made for; 0 where the file does not say."""
        return self._number(f"{self.architecture}.context_length")

    @property
    def embedding_length(self) -> int:
        return self._number(f"{self.architecture}.embedding_length")

    @property
    def vocabulary_size(self) -> int:
        return self.array_lengths.get("tokenizer.ggml.tokens", 0)

    @property
    def file_type(self) -> int:
        """llama.h's `enum llama_ftype` (1 F16, 15 Q4_K_M); -1 where the file does not say."""
        value = self.metadata.get("general.file_type", -1)
        return value if isinstance(value, int) else -1

    def _number(self, key: str) -> int:
        value = self.metadata.get(key, 0)
        return value if isinstance(value, int) else 0


def check(path: Path) -> GgufHeader:
    """Read and judge the header of one GGUF. Raises GgufError with a sentence for any fault."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise GgufError(f"{path} is not a file")
        with path.open("rb", buffering=1 << 18) as file:
            return _Reader(file, path.name, size).header()
    except (OSError, ValueError) as problem:  # ValueError: a path that no system can have
        reason = getattr(problem, "strerror", None) or problem
        raise GgufError(f"{path} cannot be read: {reason}") from problem


class _Reader:
    """One pass over a header; every read is checked against the bytes that are left."""

    def __init__(self, file: BinaryIO, name: str, size: int) -> None:
        self._file = file
        self._name = name
        self._size = size
        self._at = 0
        self._strings_left = MAX_STRINGS
        self._metadata: dict[str, Scalar] = {}
        self._lengths: dict[str, int] = {}
        self._lists: dict[str, Numbers] = {}
        self._vocabulary = Vocabulary()
        self._names: set[str] = set()
        self._bytes_by_type: Counter[int] = Counter()

    def header(self) -> GgufHeader:
        if self._bytes(4) != b"GGUF":
            raise self._fault("it does not begin as a GGUF file does")
        version = self._number("<I")
        if version not in (2, 3):
            raise self._fault(f"its GGUF version is {version} (2 and 3 are known)")
        tensors = self._count("tensors", MAX_TENSORS, least_bytes=24)
        keys = self._count("keys", MAX_KEYS, least_bytes=13)
        for _ in range(keys):
            self._key()
        metadata = self._metadata
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise self._fault("it names no architecture")
        parts = metadata.get("split.count", 0)
        if isinstance(parts, int) and parts > 1:
            raise self._fault(f"it is one of {parts} parts; only whole files are taken")
        for fault in faults(architecture, metadata, self._lists, self._vocabulary):
            raise self._fault(fault)
        parameters = self._tensors(tensors, self._alignment())
        for fault in missing_attention(architecture, metadata, self._lists, self._names):
            raise self._fault(fault)
        return GgufHeader(
            architecture=architecture,
            name=str(metadata.get("general.name", "")),
            size_bytes=self._size,
            tensor_count=tensors,
            parameter_count=parameters,
            metadata=metadata,
            array_lengths=self._lengths,
            lists=self._lists,
            bytes_by_type=dict(self._bytes_by_type),
        )

    def _key(self) -> None:
        key = self._text("a key", MAX_KEY_BYTES)
        if not key or "\0" in key or key in self._metadata or key in self._lengths:
            raise self._fault(f"the key {key[:60]!r} is empty or there twice")
        kind = self._number("<I")
        if kind == _ARRAY:
            self._lengths[key] = self._array(key)
        elif kind == _STRING:
            value = self._text(key, MAX_STRING_BYTES)
            if "\0" in value:  # where llama.cpp would end it, so that it reads another word
                raise self._fault(f"the key {key[:60]!r} holds a NUL")
            self._metadata[key] = value
        elif kind in _SCALARS:
            self._metadata[key] = self._scalars(kind, 1)[0]
        else:
            raise self._fault(f"the key {key[:60]!r} has the unknown type {kind}")

    def _array(self, key: str) -> int:
        """Step over a list; its length. Lists of lists are refused, as llama.cpp does."""
        kind = self._number("<I")
        if kind == _STRING:
            items = self._count(f"items of {key[:60]!r}", MAX_STRINGS, least_bytes=8)
            self._strings(key, items)
            return items
        if kind not in _SCALARS:
            raise self._fault(f"the list {key[:60]!r} holds the unknown type {kind}")
        width = struct.calcsize(_SCALARS[kind])
        items = self._count(f"items of {key[:60]!r}", MAX_ARRAY_ITEMS, least_bytes=width)
        if key == _TOKEN_TYPES and width == 4:
            self._vocabulary.kinds = frozenset(self._scalars(kind, items))
        elif items <= MAX_BLOCKS:
            self._lists[key] = self._scalars(kind, items)
        else:
            self._skip(items * width, MAX_ARRAY_ITEMS * width)
        return items

    def _strings(self, key: str, items: int) -> None:
        """Step over a list of texts; the tokens among them are kept."""
        self._strings_left -= items
        if self._strings_left < 0:
            raise self._fault(f"it claims more than {MAX_STRINGS} texts in lists")
        length_bytes = struct.Struct("<Q")
        if key != _TOKENS:
            for _ in range(items):
                self._skip(length_bytes.unpack(self._bytes(8))[0], MAX_STRING_BYTES)
            return
        add = self._vocabulary.add
        for _ in range(items):
            add(self._raw("a token", length_bytes.unpack(self._bytes(8))[0], MAX_STRING_BYTES))

    def _alignment(self) -> int:
        alignment = self._metadata.get("general.alignment", 32)
        good = isinstance(alignment, int) and 0 < alignment <= MAX_ALIGNMENT
        if not good or int(alignment) & (int(alignment) - 1):
            raise self._fault(f"its alignment is {alignment}, not a power of two")
        return int(alignment)

    def _tensors(self, count: int, alignment: int) -> int:
        """See that each tensor lies inside the file; how many parameters there are in all."""
        expected_offset = 0
        end = 0
        parameters = 0
        names = self._names
        for _ in range(count):
            name = self._text("a tensor's name", MAX_TENSOR_NAME_BYTES)
            if not name or "\0" in name or name in names:
                raise self._fault(f"the tensor {name!r} has no name or is there twice")
            names.add(name)
            values, size = self._tensor_size(name)
            if self._number("<Q") != expected_offset:
                raise self._fault(f"the tensor {name!r} is not where the one before ends")
            parameters += values
            end = expected_offset + size
            expected_offset += _round_up(size, alignment)
        if count and _round_up(self._at, alignment) + end > self._size:
            raise self._fault("it ends before its last tensor does: the file is incomplete")
        return parameters

    def _tensor_size(self, name: str) -> tuple[int, int]:
        """Values and bytes of one tensor."""
        dimensions = self._number("<I")
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise self._fault(f"the tensor {name!r} has {dimensions} dimensions")
        shape = [self._number("<Q") for _ in range(dimensions)]
        kind = self._number("<I")
        if kind not in _BLOCKS:
            raise self._fault(f"the tensor {name!r} has the unknown type {kind}")
        block_values, block_bytes = _BLOCKS[kind]
        values = 1
        for length in shape:
            values *= length
        if not 0 < values < 1 << 62 or shape[0] % block_values:
            raise self._fault(f"the tensor {name!r} has the impossible shape {shape}")
        # Norms, biases and what a recurrent layer keeps are added to F32 and nothing else.
        plain = values == shape[0] or any(part in name for part in _PLAIN)
        if kind in _NO_WEIGHTS or (plain and kind != _F32):
            raise self._fault(f"the tensor {name!r} has the type {kind}, which does not fit it")
        size = values // block_values * block_bytes
        self._bytes_by_type[kind] += size
        return values, size

    def _count(self, what: str, limit: int, *, least_bytes: int) -> int:
        """A count of things that take at least `least_bytes` each."""
        count = self._number("<Q")
        if count > limit or count * least_bytes > self._size - self._at:
            raise self._fault(f"it claims {count} {what}, more than it can hold")
        return count

    def _text(self, what: str, limit: int) -> str:
        return self._raw(what, self._number("<Q"), limit).decode("utf-8", "replace")

    def _raw(self, what: str, length: int, limit: int) -> bytes:
        if length > limit or length > self._size - self._at:
            raise self._fault(f"{what[:60]!r} claims {length} bytes: it is incomplete")
        return self._bytes(length)

    def _scalars(self, kind: int, count: int) -> Numbers:
        layout = struct.Struct(f"<{count}{_SCALARS[kind][1]}")
        return layout.unpack(self._bytes(layout.size))

    def _skip(self, length: int, limit: int) -> None:
        if length > limit or length > self._size - self._at:
            raise self._fault(f"a value claims {length} bytes: it is incomplete")
        self._file.seek(length, io.SEEK_CUR)
        self._step(length)

    def _number(self, layout: str) -> int:
        return int(struct.unpack(layout, self._bytes(struct.calcsize(layout)))[0])

    def _bytes(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) != length:
            raise self._fault("it ends inside its header: the file is incomplete")
        self._step(length)
        return data

    def _step(self, length: int) -> None:
        self._at += length
        if self._at > MAX_HEADER_BYTES:
            raise self._fault(f"its header is longer than {MAX_HEADER_BYTES >> 20} MB")

    def _fault(self, reason: str) -> GgufError:
        return GgufError(f"{self._name} is no sound GGUF file: {reason}")


def _round_up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python -m model.gguf_check FILE", file=sys.stderr)
        return 2
    try:
        header = check(Path(arguments[0]))
    except GgufError as fault:
        print(fault, file=sys.stderr)
        return 1
    print(
        f"{header.architecture} {header.name!r}: {header.tensor_count} tensors, "
        f"{header.parameter_count:,} parameters, {header.size_bytes:,} bytes, "
        f"context {header.context_length}, vocabulary {header.vocabulary_size}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
