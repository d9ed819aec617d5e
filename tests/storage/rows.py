"""Makes records for the storage tests."""

from __future__ import annotations

from typing import Any

from storage.records import MessageRecord, ModelVersion, Origin

START_MS = 1_700_000_000_000


def message(message_id: int, content: str = "hello there", **values: Any) -> MessageRecord:
    """A message of channel 1 by author 7, one second apart by id, unless said otherwise."""
    defaults: dict[str, Any] = {
        "channel_id": 1,
        "author_id": 7,
        "created_at_ms": START_MS + message_id * 1000,
        "origin": Origin.SAMPLE,
    }
    return MessageRecord(message_id=message_id, content=content, **{**defaults, **values})


def version(version_id: str, **values: Any) -> ModelVersion:
    """A tuned candidate without a file."""
    defaults: dict[str, Any] = {
        "kind": "tuned",
        "status": "candidate",
        "gguf_path": f"models/{version_id}.gguf",
        "sha256": "0" * 64,
        "size_bytes": 1,
        "created_at_ms": START_MS,
        "base": "demo-base",
    }
    return ModelVersion(version_id=version_id, **{**defaults, **values})
