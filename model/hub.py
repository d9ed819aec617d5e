"""Asks the hub where a model's file is: commit, address, size and SHA-256, before any byte of it.

HF_ENDPOINT names a mirror, HF_TOKEN opens what wants an account; both are handed in and the token
stands in no sentence, manifest or repr. Blocking; any thread.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from model.catalogue import CatalogueModel
from model.web import (
    SHORT_WAITS_S,
    TIMEOUT_S,
    ConnectionLostError,
    DownloadError,
    NotThereError,
    get,
    lost,
    repeatedly,
    shown,
)

DEFAULT_ENDPOINT = "https://huggingface.co"
SHA256 = re.compile("[0-9a-f]{64}")
_COMMIT = re.compile("[0-9a-f]{40}")
_MOST_ANSWER_BYTES = 16 << 20


@dataclass(frozen=True)
class Source:
    """One file to download, and how it is known to be the right one."""

    url: str = field(repr=False)
    """May hold a signature in its query."""
    sha256: str
    size_bytes: int = 0
    """0: the server tells."""
    repository: str = ""
    revision: str = ""
    """A commit."""
    token: str = field(default="", repr=False)


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository as the hub lists it."""

    name: str
    size_bytes: int
    sha256: str = ""
    """Of a big file (LFS)."""
    git_sha1: str = ""
    """Of a small one: SHA-1 over "blob SIZE\\0" and its bytes, as git names it."""


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one commit."""

    repository: str
    commit: str
    files: tuple[RemoteFile, ...]


class Hub:
    """One endpoint."""

    def __init__(
        self,
        endpoint: str = DEFAULT_ENDPOINT,
        token: str = "",
        *,
        timeout_s: float = TIMEOUT_S,
        waits_s: tuple[float, ...] = SHORT_WAITS_S,
    ) -> None:
        """Raises DownloadError where the endpoint is no http(s) address."""
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise DownloadError("HF_ENDPOINT has to be an address that begins with https://.")
        self.endpoint = endpoint.rstrip("/")
        self._token = token
        self._timeout_s = timeout_s
        self._waits_s = waits_s

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Hub:
        """HF_ENDPOINT and HF_TOKEN; empty means not set."""
        endpoint = environment.get("HF_ENDPOINT", "").strip() or DEFAULT_ENDPOINT
        return cls(endpoint, environment.get("HF_TOKEN", "").strip())

    def token_for(self, url: str) -> str:
        """The token, where the address is this hub's own; "" for any other host."""
        own, other = urlsplit(self.endpoint), urlsplit(url)
        is_own = (own.scheme, own.netloc) == (other.scheme, other.netloc)
        return self._token if is_own else ""

    def find(self, model: CatalogueModel) -> Source:
        """Where the model's file is. Raises DownloadError with a sentence."""
        answer = self._asked(model)
        commit = _commit(answer, model.repository)
        file, sha256, size_bytes = _the_file(model, answer.get("siblings"))
        if model.sha256 and sha256 and sha256 != model.sha256:
            raise DownloadError(
                f"{model.repository} has another {file} than the catalogue names, so it is not "
                "downloaded. Update Mynah, or choose another model."
            )
        url = self._url(model.repository, commit, file)
        return Source(
            url, model.sha256 or sha256, size_bytes, model.repository, commit, self._token
        )

    def listing(self, repository: str, revision: str) -> Listing:
        """The files of a repository at a commit or a branch. Raises DownloadError."""
        answer = self._metadata(repository, revision)
        siblings = answer.get("siblings")
        found = map(_remote_file, siblings if isinstance(siblings, list) else ())
        files = tuple(file for file in found if file is not None)
        return Listing(repository, _commit(answer, repository), files)

    def source(self, listing: Listing, file: RemoteFile) -> Source:
        """Where a big file of a listing is."""
        url = self._url(listing.repository, listing.commit, file.name)
        return Source(
            url, file.sha256, file.size_bytes, listing.repository, listing.commit, self._token
        )

    def read(self, listing: Listing, file: RemoteFile) -> bytes:
        """A small file, as its hash has it. Raises DownloadError."""
        url = self._url(listing.repository, listing.commit, file.name)
        raw = repeatedly(lambda: self._read(url), self._waits_s)
        digest = hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False)
        if digest.hexdigest() != file.git_sha1:
            raise DownloadError(
                f"What came from {shown(url)} is not the file that was meant: its hash is another "
                "one. Start again, and if that repeats, trust neither the address nor the network."
            )
        return raw

    def _url(self, repository: str, commit: str, file: str) -> str:
        return f"{self.endpoint}/{quote(repository)}/resolve/{commit}/{quote(file)}"

    def _asked(self, model: CatalogueModel) -> dict[str, Any]:
        """The repository at the catalogue's revision, else at main (the hash decides)."""
        try:
            return self._metadata(model.repository, model.revision)
        except NotThereError:
            if model.revision == "main" or not model.sha256:
                raise
            return self._metadata(model.repository, "main")

    def _metadata(self, repository: str, revision: str) -> dict[str, Any]:
        name = f"{quote(repository)}/revision/{quote(revision, safe='')}"
        url = f"{self.endpoint}/api/models/{name}?blobs=true"
        try:
            answer = json.loads(repeatedly(lambda: self._read(url), self._waits_s))
        except ConnectionLostError as error:
            raise ConnectionLostError(f"{error} Check the network, then start again.") from None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise DownloadError(f"{shown(url)} does not answer as the hub does; check HF_ENDPOINT.")
        return answer

    def _read(self, url: str) -> bytes:
        with get(url, token=self._token, timeout_s=self._timeout_s) as response:
            try:
                text: bytes = response.read(_MOST_ANSWER_BYTES)
            except OSError as error:
                raise lost(url, error) from None
            if response.length:  # read() with a limit is silent where the connection was cut
                raise ConnectionLostError(f"The answer of {shown(url)} was cut off.")
            return text


def _commit(answer: Mapping[str, Any], repository: str) -> str:
    commit = str(answer.get("sha", ""))
    if not _COMMIT.fullmatch(commit):
        raise DownloadError(f"The hub names no revision of {repository}. Try later.")
    return commit


def _remote_file(one: Any) -> RemoteFile | None:
    """A file of the hub's answer; None where it says nothing that can be used."""
    if not isinstance(one, dict) or not isinstance(one.get("rfilename"), str):
        return None
    blob = one["lfs"] if isinstance(one.get("lfs"), dict) else {}
    found = str(blob.get("sha256") or blob.get("oid") or "").removeprefix("sha256:")
    size = blob.get("size") or one.get("size") or 0
    return RemoteFile(
        one["rfilename"],
        size if isinstance(size, int) else 0,
        found if SHA256.fullmatch(found) else "",
        "" if blob else str(one.get("blobId", "")),
    )


def _the_file(model: CatalogueModel, siblings: Any) -> tuple[str, str, int]:
    """Name, SHA-256 ("" where the hub has none and the catalogue does) and size of the file."""
    for one in map(_remote_file, siblings if isinstance(siblings, list) else ()):
        if one is not None and one.name == model.file:
            if not one.sha256 and not model.sha256:
                raise DownloadError(
                    f"The hub names no SHA-256 of {model.file}, so nothing could be verified."
                )
            return one.name, one.sha256, one.size_bytes
    raise DownloadError(
        f"{model.repository} has no {model.file} any more. Update Mynah, or choose another model."
    )
