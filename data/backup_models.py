"""The models of backups: large files that seldom change lie once beside all archives."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, cast

from data.backup_archive import (
    BackupDamagedError,
    Blob,
    Contents,
    Entry,
    Hashing,
    key_of,
    reading,
)
from data.backup_key import BackupKey, Opener, encrypt
from data.backup_work import BackupError, put

FOLDER = "models"


def blob_name(sha256: str, key: BackupKey | None) -> str:
    """Its file's name; encrypted files of two keys are two."""
    return f"{sha256}.gguf" if key is None else f"{sha256}-{key.key_id}.gguf.age"


def store(path: Path, sha256: str, key: BackupKey | None, backups: Path, staging: Path) -> Blob:
    """Have a file lie beside the archives, encrypted where there is a key; once is enough.

    Raises BackupError where it is not what `sha256` says, OSError, EncryptionError.
    """
    stored = backups / FOLDER / blob_name(sha256, key)
    blob = Blob(sha256, path.stat().st_size, stored.name)
    if stored.is_file():
        return blob
    stored.parent.mkdir(exist_ok=True)
    made = staging / stored.name
    with path.open("rb") as file, made.open("wb") as out:
        source = Hashing(file)
        if key is None:
            source.copy_to(out)
        else:
            encrypt(key, cast(IO[bytes], source), out)
    if source.entry != Entry(blob.sha256, blob.size_bytes):
        raise BackupError(
            f"{path} is not the file that was registered (scripts/6_manage_models.py verify says "
            "more); deploy another version, or back up with --without-model."
        )
    put(made, stored)
    return blob


def fetch(archive: Path, blob: Blob, target: Path | None, opener: Opener) -> None:
    """Copy a model of an archive from beside it, decrypted (`target` None: only compare).

    Raises BackupDamagedError where it is missing or differs, PassphraseError, OSError.
    """
    stored = archive.parent / FOLDER / blob.stored
    if not stored.is_file():
        raise BackupDamagedError(
            f"{stored} is missing, which the backup needs: copy the folder {FOLDER} along with the "
            "archive, or restore it with --without-model."
        )
    with stored.open("rb") as file, target.open("wb") if target else nullcontext() as out:
        made = Hashing(out)
        if stored.suffix == ".age":
            key = key_of(archive)
            with reading(stored):
                opener.decrypt(key, file, cast(IO[bytes], made))
        else:
            Hashing(file).copy_to(cast(IO[bytes], made))
    if made.entry != Entry(blob.sha256, blob.size_bytes):
        raise BackupDamagedError(f"{stored} is damaged: remove it, and make a new backup.")


def drop_unnamed(backups: Path, archives: Iterable[Contents | None]) -> None:
    """Remove the models that no archive names. Where one cannot be read all stay: it may."""
    known = list(archives)
    if None in known:
        return
    named = {blob.stored for contents in known if contents for blob in contents.blobs.values()}
    for path in (backups / FOLDER).glob("*.gguf*"):
        if path.name not in named:
            path.unlink()
