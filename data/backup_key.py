"""Encrypts backups, in the format of `age` (age-encryption.org), which also opens them.

A home that encrypts has a pair of keys in data_storage/backup.key: the public one, with which
backups are encrypted without asking anybody, and the secret one, itself encrypted with a passphrase
(scrypt; about a second and 256 MB). Each archive carries the file, so that it opens with the
passphrase that counted when it was made, and with nothing else from its home.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from storage.errors import MynahError
from storage.manifest import write_text_atomically
from storage.paths import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST = 10
"""Characters of a passphrase: whoever has the file may try as many as they like."""

VARIABLE = "MYNAH_BACKUP_PASSPHRASE"


class PassphraseError(MynahError):
    """There is no passphrase, or not the right one."""


class EncryptionError(MynahError):
    """Backups cannot be encrypted here, or what is encrypted is damaged."""


class SealBrokenError(EncryptionError):
    """What is encrypted is damaged."""


@dataclass(frozen=True)
class BackupKey:
    """A home's pair of keys; what is secret in it is encrypted."""

    recipient: str
    """The public key, such as "age1tfn5...": whoever has it can encrypt, and read nothing."""
    wrapped: str
    """The secret key as an armoured age file."""

    @property
    def key_id(self) -> str:
        """By it an encrypted file tells whose it is; 16 hex digits."""
        return hashlib.sha256(self.recipient.encode()).hexdigest()[:16]

    def to_text(self) -> str:
        return json.dumps({"recipient": self.recipient, "secret": self.wrapped}, indent=2) + "\n"

    @classmethod
    def from_text(cls, text: str) -> BackupKey:
        """Raises EncryptionError."""
        try:
            kept = json.loads(text)
            return cls(str(kept["recipient"]), str(kept["secret"]))
        except (ValueError, KeyError, TypeError) as error:
            raise SealBrokenError("The key of the backups is damaged.") from error


def key_file(home: Home) -> Path:
    """Where a home's key lies; without it backups are not encrypted."""
    return home.data_storage / "backup.key"


def read_key(home: Home) -> BackupKey | None:
    """The home's key, or None where backups are not encrypted. Raises EncryptionError, OSError."""
    path = key_file(home)
    return BackupKey.from_text(path.read_text(encoding="utf-8")) if path.is_file() else None


def make_key(home: Home, passphrase: str) -> BackupKey:
    """Make a pair of keys and keep it: backups from now on open with this passphrase.

    Raises PassphraseError, EncryptionError, OSError.
    """
    if len(passphrase) < SHORTEST:
        raise PassphraseError(f"A passphrase has at least {SHORTEST} characters; take some words.")
    pyrage = _pyrage()
    identity = pyrage.x25519.Identity.generate()
    wrapped = pyrage.passphrase.encrypt(str(identity).encode(), passphrase, armored=True)
    key = BackupKey(str(identity.to_public()), wrapped.decode("ascii"))
    write_text_atomically(key_file(home), key.to_text())
    key_file(home).chmod(0o600)
    return key


class Opener:
    """Decrypts what was encrypted to keys that one passphrase opens; each is opened once."""

    def __init__(self, passphrase: str | None) -> None:
        self._passphrase = passphrase
        self._identities: dict[str, Any] = {}

    def decrypt(self, key: BackupKey, source: IO[bytes], target: IO[bytes]) -> None:
        """Raises PassphraseError; EncryptionError where the file is damaged; OSError."""
        identity = self._identity(key)
        with _in_words():
            _pyrage().decrypt_io(source, target, [identity])

    def _identity(self, key: BackupKey) -> Any:
        if key.recipient not in self._identities:
            if self._passphrase is None:
                raise PassphraseError(
                    "This backup is encrypted: give its passphrase with --passphrase-file, in the "
                    f"environment variable {VARIABLE}, or at the prompt."
                )
            pyrage = _pyrage()
            try:
                text = pyrage.passphrase.decrypt(key.wrapped.encode("ascii"), self._passphrase)
            except (pyrage.DecryptError, UnicodeError):
                raise PassphraseError(
                    "This is not the passphrase that the backup was made with."
                ) from None
            self._identities[key.recipient] = pyrage.x25519.Identity.from_str(text.decode())
        return self._identities[key.recipient]


def encrypt(key: BackupKey, source: IO[bytes], target: IO[bytes]) -> None:
    """Raises OSError, EncryptionError."""
    pyrage = _pyrage()
    with _in_words():
        pyrage.encrypt_io(source, target, [pyrage.x25519.Recipient.from_str(key.recipient)])


@contextmanager
def _in_words() -> Iterator[None]:
    """pyrage tells a full disk as its own error, and damage as an OSError without a number."""
    pyrage = _pyrage()
    try:
        yield
    except pyrage.EncryptError as error:
        raise OSError(str(error)) from error
    except pyrage.DecryptError as error:
        raise SealBrokenError("What is encrypted is damaged, or another key's.") from error
    except OSError as error:
        if error.errno is None:
            raise SealBrokenError("What is encrypted is damaged.") from error
        raise


def _pyrage() -> Any:
    try:
        import pyrage
    except ImportError as error:
        raise EncryptionError(
            "Encrypted backups need the package pyrage, which is not installed: pip install pyrage."
        ) from error
    return pyrage
