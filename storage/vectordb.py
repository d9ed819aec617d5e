"""The index of memory vectors: message ids and vectors in LanceDB, never a word of text.

LanceDB does not erase what it deletes and does not fsync, so nothing lies here that could not be
built again from SQLite: the builder moves a folder that cannot be read aside and starts empty. That
a file is damaged is known by its seal (vector_seal.py), before LanceDB reads it.

From `INDEXED_FROM` vectors on a search compares with codes of one bit a dimension (LanceDB's
IVF_RQ, after RaBitQ, Gao and Long 2024), all of them, and then with the vectors of the nearest few
hundred. That takes 62 bytes a message in memory and 16 ms at a million, where reading every vector
takes 1.3 s. What has no code yet is compared with as well, so whatever is added is found at once.
The codes lie among LanceDB's own files: sealed with them, and made anew where something is to be
forgotten.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import warnings
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("LANCEDB_LOG", "error")
"""It warns of each part of an index that is empty, on stderr."""

import lancedb  # noqa: E402 - reads that as it is imported
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from lancedb.background_loop import LOOP  # noqa: E402
from lancedb.index import BTree, IvfRq  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from storage import vector_seal  # noqa: E402
from storage.errors import MynahError  # noqa: E402

_log = logging.getLogger(__name__)

BUILT_WITH = "embedder.sha256"
"""Beside the vectors: which embedder made them. Another one's do not compare."""

_TABLE = "vectors"
_COMPACT_EVERY = 64
"""Each write leaves a small file; every so many they are merged."""
_KEEP_VERSIONS = timedelta(minutes=1)
"""How long a merged-away version stays for other processes' readers; a search takes 20 ms."""
_EACH_TIME = timedelta(0)
"""How often it is looked what another process (scripts/5_build_memory.py) has written."""
_DELETE_CHUNK = 1_000
_COPIED_AT_ONCE = 10_000

INDEXED_FROM = 5_000
"""Vectors. With fewer all are read, which is exact: 1.3 ms a thousand."""
_CODES, _IDS = "codes", "ids"
"""The names of LanceDB's indexes."""
_MOST_SEGMENTS = 8
"""What was written since the codes were made gets a segment of its own at each merging. A search
looks into each (0.3 ms); beyond so many all codes are made anew: 1 s for 100,000, 30 s for a
million."""
_ALL_PARTS = 1 << 20
"""LanceDB would look only into the nearest parts of its index and miss one neighbour in ten. All
codes of a million take 10 ms."""
_COMPARED = 192
"""How many of the nearest by their codes are compared with exactly, at least."""
_CACHE_BYTES = 16_000_000
_CACHE_BYTES_EACH = 128
"""What LanceDB may keep in memory of its indexes: twice what the codes of all messages take."""


class VectorError(MynahError):
    """Vectors of the wrong shape or without a direction, or an index that cannot be read."""


class VectorIndex:
    """Vectors by message id, L2-normalised, in one folder. Any thread, several processes."""

    def __init__(self, folder: Path, dimensions: int, *, repair: bool = True) -> None:
        """Open or make the index.

        A broken one, or one of other dimensions, is moved aside and logged. `repair` is the
        builder's: without it nothing is made or moved, and VectorError is raised instead.
        """
        self.folder = folder
        self.dimensions = dimensions
        self._writes = 0
        self._schema = pa.schema(
            [
                pa.field("id", pa.int64(), nullable=False),
                pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
            ]
        )
        try:
            self._table = self._open(repair)
        except BaseException as error:
            if not _is_lances(error):
                raise
            if not repair:
                raise _unreadable(folder, error) from error
            aside = self._move_aside()
            _log.warning(
                "The memory index in %s could not be read (%s); it was moved to %s and starts "
                "empty. scripts/5_build_memory.py builds it again.",
                folder,
                error,
                aside,
            )
            self._table = self._open(repair)
        if repair:
            vector_seal.seal(folder)

    def check(self) -> None:
        """Raise VectorError where a file is not what was written. 100,000 vectors: 0.2 s."""
        try:
            vector_seal.check(self.folder)
        except (ValueError, OSError) as error:
            raise _unreadable(self.folder, error) from error

    def count(self) -> int:
        """How many vectors there are."""
        return int(self._table.count_rows())

    def ids(self) -> set[int]:
        """The message ids that have a vector."""
        found: set[int] = set(self._table.search().select(["id"]).to_arrow()["id"].to_pylist())
        return found

    def add(self, ids: Sequence[int], vectors: NDArray[np.float32]) -> None:
        """Add or replace: `vectors` is (n, dimensions), row i for `ids[i]`.

        Of a repeated id the last row counts. They are normalised here. Raises VectorError for
        another shape and for zero or non-finite rows.
        """
        if vectors.shape != (len(ids), self.dimensions):
            raise VectorError(
                f"{len(ids)} ids want vectors of shape {(len(ids), self.dimensions)}, "
                f"not {tuple(vectors.shape)}; was the memory built with another embedder?"
            )
        if not ids:
            return
        last = {message_id: row for row, message_id in enumerate(ids)}
        unit = _normalised(vectors[list(last.values())])
        column = pa.FixedSizeListArray.from_arrays(pa.array(unit.ravel()), self.dimensions)
        rows = pa.table([pa.array(list(last), pa.int64()), column], schema=self._schema)
        merge = self._table.merge_insert("id").when_matched_update_all()
        merge.when_not_matched_insert_all().execute(rows)
        self._writes += 1
        if self._writes % _COMPACT_EVERY == 0:
            self.compact()
        else:
            vector_seal.seal(self.folder)

    def delete(self, ids: Iterable[int]) -> None:
        """Take vectors out of every search; unknown ids are no error.

        Their bytes go with `compact`.
        """
        iterator = iter(ids)
        while chunk := list(islice(iterator, _DELETE_CHUNK)):
            self._table.delete(_among(chunk))
            vector_seal.seal(self.folder)

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """The `k` nearest to `vector` (dimensions,) as (message id, cosine -1 to 1), best first.

        Exact below INDEXED_FROM vectors. Above, cosines are exact and 97% and more of the nearest
        are found (scripts/bench_search.py). Raises VectorError for another shape, and where the
        index cannot be read any more.
        """
        if vector.shape != (self.dimensions,):
            raise VectorError(
                f"A query wants shape {(self.dimensions,)}, not {tuple(vector.shape)}."
            )
        if k < 1:
            return []
        unit = _normalised(vector[None, :])[0]
        try:
            query = self._read.vector_search(unit).distance_type("cosine").nprobes(_ALL_PARTS)
            query = query.refine_factor(max(2, math.ceil(_COMPARED / k)))
            found = LOOP.run(query.select(["id", "_distance"]).limit(k).to_arrow())
        except BaseException as error:
            if not _is_lances(error):
                raise
            raise _unreadable(self.folder, error) from error
        distances = found["_distance"].to_pylist()
        return [
            (int(i), 1.0 - float(d))
            for i, d in zip(found["id"].to_pylist(), distances, strict=True)
        ]

    def vectors(self, ids: Collection[int]) -> dict[int, NDArray[np.float32]]:
        """The vectors of those of the messages that have one, each (dimensions,) of length 1.

        200 take 5 ms, more where they lie far apart. Raises VectorError where the index cannot be
        read any more.
        """
        if not ids:
            return {}
        try:
            query = self._read.query().where(_among(sorted(ids))).limit(len(ids))
            found = LOOP.run(query.to_arrow())
        except BaseException as error:
            if not _is_lances(error):
                raise
            raise _unreadable(self.folder, error) from error
        rows = found["vector"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        rows = rows.reshape(-1, self.dimensions)
        return dict(zip(found["id"].to_pylist(), rows, strict=True))

    def compact(self) -> None:
        """Merge small files, give what was written since its codes, and drop versions older than a
        minute. Safe while others read."""
        self._table.optimize(cleanup_older_than=_KEEP_VERSIONS)
        _index(self._table)
        vector_seal.seal(self.folder)

    def _open(self, make: bool) -> Any:
        if make:
            self.folder.mkdir(parents=True, exist_ok=True)
        vector_seal.check(self.folder)
        connection = lancedb.connect(self.folder, read_consistency_interval=_EACH_TIME)
        if make:
            table = connection.create_table(_TABLE, schema=self._schema, exist_ok=True)
        else:
            table = connection.open_table(_TABLE)
        if table.schema != self._schema:
            raise ValueError(f"its rows are {table.schema}, not of {self.dimensions} dimensions")
        self._read = LOOP.run(_for_reading(self.folder, table.count_rows()))
        _probe(self._read, self.dimensions)
        return table

    def _move_aside(self) -> Path:
        aside = self.folder.with_name(self.folder.name + ".broken")
        shutil.rmtree(aside, ignore_errors=True)  # one is enough to look at
        with contextlib.suppress(FileNotFoundError):
            self.folder.replace(aside)
        return aside


def built_with(folder: Path) -> str:
    """The hash of the embedder that made the vectors in `folder`; "" where none were made. Of a
    marker that is damaged something that is no embedder's."""
    marker = folder / BUILT_WITH
    return marker.read_text(encoding="utf-8", errors="replace") if marker.is_file() else ""


def vector_ids(folder: Path) -> set[int]:
    """The message ids that have a vector in `folder`; none where there is no index.

    Raises VectorError.
    """
    if not (folder / f"{_TABLE}.lance").is_dir():
        return set()
    try:
        table = lancedb.connect(folder).open_table(_TABLE)
        return set(table.search().select(["id"]).to_arrow()["id"].to_pylist())
    except BaseException as error:
        if not _is_lances(error):
            raise
        raise _unreadable(folder, error) from error


def rebuild_without(folder: Path, ids: Collection[int]) -> int:
    """Write the vectors anew but for these messages', and take all older files away: what LanceDB
    deletes stays in its files. Returns how many vectors were left out; 0 where there is no index.

    Other processes' readers go on; one that is in the middle of a search raises VectorError. The
    caller keeps other writers out. Raises VectorError where the index cannot be read; a process
    that dies half-way leaves the old vectors or the new, and a second call finishes.
    """
    if not (folder / f"{_TABLE}.lance").is_dir():
        return 0
    kept = folder / ".kept.arrow"
    try:
        vector_seal.check(folder)
        connection = lancedb.connect(folder, read_consistency_interval=timedelta(0))
        table = connection.open_table(_TABLE)
        left_out = _copy_without(table, set(ids), kept)
        with pa.memory_map(str(kept)) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of what is wanted here
            reader = pa.ipc.open_file(file)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            new = connection.create_table(
                _TABLE,
                data=pa.RecordBatchReader.from_batches(reader.schema, batches),
                schema=reader.schema,
                mode="overwrite",
            )
            _index(new)
            new.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        vector_seal.seal(folder)
    except BaseException as error:
        if not _is_lances(error):
            raise
        raise _unreadable(folder, error) from error
    finally:
        kept.unlink(missing_ok=True)
    return left_out


def _index(table: Any) -> None:
    """Make the codes, and the order by id that `vectors` and `add` look rows up in, where they are
    worth it and missing, or in too many segments."""
    if table.count_rows() < INDEXED_FROM:
        return
    made = {index.name: index for index in table.list_indices()}
    if _IDS not in made:
        table.create_index("id", config=BTree(), name=_IDS)
    if _CODES not in made or made[_CODES].num_segments > _MOST_SEGMENTS:
        table.create_index("vector", config=IvfRq(distance_type="cosine"), name=_CODES)


def _among(ids: Iterable[int]) -> str:
    return f"id IN ({', '.join(str(int(i)) for i in ids)})"


def _copy_without(table: Any, ids: set[int], target: Path) -> int:
    """The table's rows as an Arrow file: it cannot be read and written anew at once."""
    left_out = 0
    with pa.OSFile(str(target), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        for batch in table.search().to_batches(batch_size=_COPIED_AT_ONCE):
            is_kept = [message_id not in ids for message_id in batch["id"].to_pylist()]
            left_out += len(is_kept) - sum(is_kept)
            writer.write_batch(batch.filter(pa.array(is_kept, pa.bool_())).cast(table.schema))
    return left_out


def _is_lances(error: BaseException) -> bool:
    """LanceDB has no exceptions of its own (ValueError, RuntimeError, OSError); what Rust panics of
    is no Exception."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _unreadable(folder: Path, error: BaseException) -> VectorError:
    return VectorError(
        f"The memory index in {folder} cannot be read ({error}); scripts/5_build_memory.py builds "
        "it again."
    )


async def _for_reading(folder: Path, rows: int) -> Any:
    """The table as LanceDB's own loop sees it: its blocking calls go there and back six times a
    search. What it keeps in memory of its indexes is bounded."""
    cache = lancedb.Session(index_cache_size_bytes=_CACHE_BYTES + _CACHE_BYTES_EACH * rows)
    connection = await lancedb.connect_async(
        folder, read_consistency_interval=_EACH_TIME, session=cache
    )
    return await connection.open_table(_TABLE)


def _probe(table: Any, dimensions: int) -> None:
    """Search once: where there is no seal that is the only check; and the next search is not the
    first, which reads all codes (0.4 s for a million)."""
    query = table.vector_search(np.ones(dimensions, np.float32)).distance_type("cosine")
    LOOP.run(query.nprobes(_ALL_PARTS).limit(1).to_arrow())


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not lengths.all():
        raise VectorError("A vector is zero or not finite, so it has no direction to compare.")
    return np.asarray(vectors / lengths, dtype=np.float32)
