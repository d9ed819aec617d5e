"""The models that a home has downloaded: gets one, checks it, and registers it as a candidate.

Each lies in models/downloaded/VERSION with a manifest that names its repository, commit and SHA-256
for good; while it comes, .VERSION.part lies beside it. Blocking; a script's own process.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from model.catalogue import CatalogueModel
from model.chat_format import LayoutError, layout_of
from model.download import Download
from model.gguf_check import GgufError, check
from model.hub import Source
from model.tokenizers import VocabularyFile, refuse_controls_in_words
from model.web import DownloadError, shown
from storage.manifest import Manifest, making, read_manifest, write_manifest
from storage.model_registry import ModelRegistry
from storage.paths import Home
from storage.records import ModelVersion

KIND = "downloaded model"
LOCK_S = 5.0
"""How long one that was just stopped may take to end."""
_OTHER = re.compile(r"[^a-z0-9.]+")


class BusyError(DownloadError):
    """Another process downloads the same model."""


@dataclass(frozen=True)
class Wanted:
    """A model to get."""

    model_id: str
    name: str
    file: str
    licence: str = ""


def wanted_of(model: CatalogueModel) -> Wanted:
    return Wanted(model.model_id, model.name, model.file, model.licence)


def wanted_of_url(url: str, name: str = "") -> Wanted:
    """A GGUF that no catalogue names; its id is `name`, else the file's name."""
    last = shown(url).rsplit("/", 1)[-1]
    model_id = _OTHER.sub("-", (name or last.lower().removesuffix(".gguf")).lower()).strip("-.")
    if not model_id:
        raise DownloadError("The address names no file; give the model a name with --name.")
    return Wanted(model_id, name or model_id, f"{model_id}.gguf")


class Downloaded:
    """The downloaded models of one home."""

    def __init__(self, home: Home, registry: ModelRegistry) -> None:
        self._home = home
        self._registry = registry
        self.folder = home.models / "downloaded"

    def find(self, model_id: str) -> Path | None:
        """The file of the newest download of that model, or None."""
        found = [
            (m.created_at_ms, path) for m, path in self._all() if m.config["model"] == model_id
        ]
        return max(found)[1] if found else None

    def part_bytes(self, model_id: str) -> int:
        """How much of it has come so far."""
        part = self._part(model_id)
        return part.stat().st_size if part.is_file() else 0

    def keep(self, wanted: Wanted) -> ModelVersion | None:
        """The version of a model that is there already, registered; None where it is not."""
        path = self.find(wanted.model_id)
        return None if path is None else self._registered(path.parent, wanted)

    def get(
        self, wanted: Wanted, source: Source, make: Callable[[Source, Path], Download]
    ) -> ModelVersion:
        """Download, check, put into place, register. Raises what `Download.run` raises, BusyError,
        GgufError, and DownloadError where Mynah could not answer with it (the file stays)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        version_id = self._free_id(wanted.model_id, source.sha256)
        folder = self.folder / version_id
        with self._locked(wanted.model_id):
            manifest = read_manifest(folder)
            if manifest is None or source.sha256 not in _hashes(manifest):
                download = make(source, self._part(wanted.model_id))
                part = download.run()
                try:
                    check(part)
                except GgufError:
                    download.discard()
                    raise
                _put(part, folder, wanted, source)
                download.discard()
        return self._registered(folder, wanted)

    def _registered(self, folder: Path, wanted: Wanted) -> ModelVersion:
        manifest = read_manifest(folder)
        assert manifest is not None
        [(file, entry)] = manifest.files.items()
        path = folder / file
        _refuse_other_layout(path)
        return self._registry.register(
            ModelVersion(
                version_id=folder.name,
                kind="base",
                status="candidate",
                gguf_path=self._home.relative(path),
                sha256=entry.sha256,
                size_bytes=entry.size_bytes,
                created_at_ms=time.time_ns() // 1_000_000,
                base=wanted.name,
                notes=f"downloaded; {wanted.licence}" if wanted.licence else "downloaded",
            )
        )

    def _all(self) -> Iterator[tuple[Manifest, Path]]:
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            manifest = None if folder.name.startswith(".") else read_manifest(folder)
            if manifest is not None and manifest.kind == KIND and len(manifest.files) == 1:
                yield manifest, folder / next(iter(manifest.files))

    def _free_id(self, model_id: str, sha256: str) -> str:
        """The model's id, unless that is another file's name already."""
        others = {v.version_id for v in self._registry.list() if v.sha256 != sha256}
        others |= {path.parent.name for m, path in self._all() if sha256 not in _hashes(m)}
        return f"{model_id}-{sha256[:8]}" if model_id in others else model_id

    def _part(self, model_id: str) -> Path:
        return self.folder / f".{model_id}.part"

    @contextmanager
    def _locked(self, model_id: str) -> Iterator[None]:
        """Against a second process. The lock's own file goes with the process that held it."""
        lock = FileLock(self.folder / f".{model_id}.lock")
        try:
            lock.acquire(timeout=LOCK_S)
        except Timeout:
            raise BusyError(f"{model_id} is being downloaded already elsewhere.") from None
        try:
            yield
        finally:
            lock.release()


def _hashes(manifest: Manifest) -> set[str]:
    return {entry.sha256 for entry in manifest.files.values()}


def _put(part: Path, folder: Path, wanted: Wanted, source: Source) -> None:
    """Into its place with a manifest. The part stays until that is done, where the disk knows
    links: whoever is killed here loses nothing."""
    config = {
        "model": wanted.model_id,
        "name": wanted.name,
        "licence": wanted.licence,
        "repository": source.repository,
        "revision": source.revision,
        "url": shown(source.url),
        "sha256": source.sha256,
    }
    with making(folder) as temporary:
        target = temporary / wanted.file
        try:
            os.link(part, target)
        except OSError:
            part.replace(target)
        try:
            manifest = write_manifest(temporary, KIND, config, {})
            if _hashes(manifest) != {source.sha256}:
                raise DownloadError(
                    f"The disk under {folder} does not give back what was written to it. "
                    "Check the disk, then start again."
                )
        except BaseException:
            if not part.exists():
                with suppress(OSError):
                    target.replace(part)
            raise


def _refuse_other_layout(path: Path) -> None:
    """Raise DownloadError where the engine could not answer with it."""
    with VocabularyFile(path) as vocabulary:
        try:
            refuse_controls_in_words(vocabulary.tokenizer, layout_of(vocabulary.tokenizer))
        except LayoutError as error:
            raise DownloadError(
                f"{path} is there, but Mynah cannot answer with it by itself: {error}. Or serve it "
                "with a model server and set model_url."
            ) from None
