"""Downloads a base: its files at one commit, each verified, put into place together at the end.

What has come lies in models/bases/.NAME.part, big files with a note of their own
(`model/download.py`), so whoever is killed at any byte goes on from there; the commit that was
begun with is kept beside. The finished folder has a manifest that names repository, commit, licence
and hashes for good. A licence that is not open is accepted once, in accepted_licences.json.
Blocking; a script's own process.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from model.base_check import check_base
from model.base_files import is_base_file, is_weights
from model.base_models import BaseModel, base_folder
from model.catalogue import RESERVE_BYTES, free_bytes, in_words
from model.download import Download, NoSpaceError, OnProgress, WrongHashError
from model.downloaded import LOCK_S, BusyError
from model.hub import Hub, Listing, RemoteFile, Source
from model.text_part import take_text_part
from model.web import DownloadError
from storage.manifest import making, read_manifest, write_manifest, write_text_atomically
from storage.paths import Home

KIND = "base"
_SOURCE = "source.json"
_ACCEPTED = "accepted_licences.json"

MakeDownload = Callable[[Source, Path, OnProgress], Download]


class LicenceError(DownloadError):
    """A licence that is not open has not been accepted, or an account is wanted."""


def usual_download(source: Source, part: Path, on_progress: OnProgress) -> Download:
    return Download(source, part, on_progress=on_progress)


class BaseDownload:
    """One base of one home."""

    def __init__(
        self,
        base: BaseModel,
        home: Home,
        hub: Hub,
        *,
        on_progress: OnProgress = lambda done, total: None,
        make: MakeDownload = usual_download,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._base = base
        self._hub = hub
        self._on_progress = on_progress
        self._make = make
        self._free = free
        self.folder = base_folder(home, base.base_id)
        self._part = self.folder.with_name(f".{base.base_id}.part")

    @property
    def is_there(self) -> bool:
        return read_manifest(self.folder) is not None

    @property
    def part_bytes(self) -> int:
        """How much of it has come so far."""
        found = self._part.iterdir() if self._part.is_dir() else ()
        return sum(path.stat().st_size for path in found if path.is_file())

    def run(self, *, accept_licence: bool = False) -> bool:
        """Have the base in its folder; False where it was there already.

        Raises LicenceError, BusyError, UnsuitedBaseError, and what `Download.run` raises; then what
        has come is kept.
        """
        if self.is_there:
            return False
        self._part.mkdir(parents=True, exist_ok=True)
        accepted_at_ms = self._accepted(accept_licence)
        self._refuse_without_account()
        with self._locked():
            listing = self._listing()
            files = _wanted(listing)
            self._refuse_if_full(files)
            self._fetch(listing, files)
            self._put(listing, files, accepted_at_ms)
            shutil.rmtree(self._part, ignore_errors=True)
        return True

    # -- before anything comes ------------------------------------------------------------------

    def _accepted(self, accept_licence: bool) -> int | None:
        """When the licence was accepted; None for one that needs no accepting."""
        base = self._base
        if base.is_open:
            return None
        path = self.folder.with_name(_ACCEPTED)
        known = _read_json(path)
        mine = known.get(base.base_id)
        if isinstance(mine, dict) and mine.get("licence") == base.licence:
            return int(mine["accepted_at_ms"])
        if not accept_licence:
            raise LicenceError(
                f"{base.name} comes under a licence with conditions: {base.licence}, "
                f"{base.licence_url}. Read it; if you accept it, add --accept-licence."
            )
        now_ms = time.time_ns() // 1_000_000
        kept = {"licence": base.licence, "url": base.licence_url, "accepted_at_ms": now_ms}
        write_text_atomically(path, json.dumps({**known, base.base_id: kept}, indent=2) + "\n")
        return now_ms

    def _refuse_without_account(self) -> None:
        if self._base.is_gated and not self._hub.token_for(self._hub.endpoint):
            where = f"https://huggingface.co/{self._base.repository}"
            raise LicenceError(
                f"{self._base.name} is given only to accounts that accepted its licence at "
                f"{where}. Do that, make an access token there (Settings, Access Tokens; one that "
                "may read), put it into the environment variable HF_TOKEN, then start again."
            )

    def _listing(self) -> Listing:
        """The files at the commit that is pinned, or was begun with."""
        path = self._part / _SOURCE
        begun = str(_read_json(path).get("revision", ""))
        listing = self._hub.listing(self._base.repository, self._base.revision or begun or "main")
        if self._base.revision not in ("", listing.commit):
            raise DownloadError(
                f"The hub answers with another commit of {self._base.repository} than was asked "
                "for, so nothing is downloaded. Try later, or without HF_ENDPOINT."
            )
        if begun and begun != listing.commit:  # another version of Mynah pinned another one
            shutil.rmtree(self._part)
            self._part.mkdir()
        write_text_atomically(path, json.dumps({"revision": listing.commit}) + "\n")
        return listing

    def _refuse_if_full(self, files: tuple[RemoteFile, ...]) -> None:
        missing = sum(file.size_bytes for file in files) - self.part_bytes
        again = 2 * self._base.parameters if self._base.sees else 0
        needed, free = max(missing, 0) + again + RESERVE_BYTES, self._free(self._part)
        if needed > free:
            raise NoSpaceError(
                f"The disk has {in_words(free)} free; {in_words(needed)} are needed for "
                f"{self.folder.parent}. Make room, then start again."
            )

    # -- what comes -----------------------------------------------------------------------------

    def _fetch(self, listing: Listing, files: tuple[RemoteFile, ...]) -> None:
        """Every file, the small ones first: what is no base shows before gigabytes came."""
        total = sum(file.size_bytes for file in files)
        done = 0
        for file in sorted(files, key=lambda file: (bool(file.sha256), file.name)):
            path = self._part / file.name
            if not (path.is_file() and path.stat().st_size == file.size_bytes):
                self._fetch_one(listing, file, path, done, total)
            done += file.size_bytes
            self._on_progress(done, total)

    def _fetch_one(
        self, listing: Listing, file: RemoteFile, path: Path, before: int, total: int
    ) -> None:
        if not file.sha256:
            temporary = path.with_name(f"{path.name}.new")
            temporary.write_bytes(self._hub.read(listing, file))
            temporary.replace(path)
            return
        download = self._make(
            self._hub.source(listing, file),
            path.with_name(f"{path.name}.coming"),
            lambda done, _: self._on_progress(before + done, total),
        )
        download.run().replace(path)
        download.discard()

    def _put(
        self, listing: Listing, files: tuple[RemoteFile, ...], accepted_at_ms: int | None
    ) -> None:
        """Into its place with a manifest. What has come stays until that is done, where the disk
        knows links: whoever is killed here loses nothing."""
        base = self._base
        config = {
            "base": base.base_id,
            "name": base.name,
            "repository": base.repository,
            "revision": listing.commit,
            "licence": base.licence,
            "licence_url": base.licence_url,
            "licence_accepted_at_ms": accepted_at_ms,
            "text_part_of": {f.name: f.sha256 for f in files if f.sha256} if base.sees else None,
        }
        with making(self.folder) as temporary:
            for file in files:
                if not (base.sees and _is_of_the_whole(file.name)):
                    _link(self._part / file.name, temporary / file.name)
            if base.sees:
                take_text_part(self._part, temporary)
            report = check_base(temporary)
            manifest = write_manifest(
                temporary, KIND, config, {"parameters": report.shape.parameters}
            )
            for file in files:
                entry = manifest.files.get(file.name)
                is_own = not (base.sees and _is_of_the_whole(file.name))
                if entry and is_own and file.sha256 not in ("", entry.sha256):
                    (self._part / file.name).unlink(missing_ok=True)
                    raise WrongHashError(
                        f"The disk does not give back {file.name} as it was written. Check the "
                        "disk, then start again."
                    )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Against a second process. The lock's own file goes with the process that held it."""
        lock = FileLock(self.folder.with_name(f".{self._base.base_id}.lock"))
        try:
            lock.acquire(timeout=LOCK_S)
        except Timeout:
            raise BusyError(
                f"{self._base.base_id} is being downloaded already elsewhere."
            ) from None
        try:
            yield
        finally:
            lock.release()


def _wanted(listing: Listing) -> tuple[RemoteFile, ...]:
    """The files of a base. Raises DownloadError where it is none, or nothing could be verified."""
    files = tuple(file for file in listing.files if is_base_file(file.name))
    names = {file.name for file in files}
    if not {"config.json", "tokenizer.json"} <= names or not any(map(is_weights, names)):
        raise DownloadError(
            f"{listing.repository} holds no base that can be trained any more: configuration, "
            "tokenizer.json or safetensors are missing. Update Mynah, or choose another base."
        )
    for file in files:
        if not (file.sha256 or file.git_sha1):
            raise DownloadError(
                f"The hub names no hash of {file.name}, so nothing could be verified."
            )
    return files


def _is_of_the_whole(name: str) -> bool:
    """What the text part has anew: weights, their index and the configuration."""
    return is_weights(name) or name in ("config.json", "model.safetensors.index.json")


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:
        path.replace(target)


def _read_json(path: Path) -> Mapping[str, Any]:
    """What stands in a small file of ours; nothing where it is not there, or broken."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
