"""A keyring kept in a file, chosen by PYTHON_KEYRING_BACKEND: a real one answers no test."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

FILE = "TEST_KEYRING_FILE"


class FileKeyring(KeyringBackend):
    priority = 1.0

    def _path(self) -> Path:
        return Path(os.environ[FILE])

    def _all(self) -> dict[str, str]:
        return json.loads(self._path().read_text()) if self._path().exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._all().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._path().write_text(json.dumps({**self._all(), f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        kept = self._all()
        if kept.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not there")
        self._path().write_text(json.dumps(kept))


class LockedKeyring(FileKeyring):
    """Waits for a password that nobody types."""

    def get_password(self, service: str, username: str) -> str | None:
        time.sleep(60)
        return None


class NullKeyring(FileKeyring):
    """Takes everything and keeps nothing, as `keyring --disable` leaves it."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class TalkativeKeyring(FileKeyring):
    """Its errors quote what they were given."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise RuntimeError(f"cannot keep {password}")

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError("broken")
