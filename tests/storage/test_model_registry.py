"""Deployment verifies first, exactly one version is deployed, rollback walks back."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from storage.database import Database
from storage.manifest import sha256_file
from storage.model_registry import ModelRegistry, RegistryError
from storage.paths import Home
from storage.records import ModelVersion
from tests.storage.rows import START_MS, version


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).ensure()


@pytest.fixture
def registry(home: Home) -> Iterator[ModelRegistry]:
    ticks = count(START_MS)
    with Database.open(home.database) as db:
        yield ModelRegistry(db, home, clock_ms=lambda: next(ticks))


def add(registry: ModelRegistry, home: Home, name: str, **values: object) -> ModelVersion:
    path = home.finetuned / f"{name}.gguf"
    path.write_bytes(f"the weights of {name}".encode())
    return registry.register(
        version(
            name,
            gguf_path=home.relative(path),
            sha256=sha256_file(path),
            size_bytes=path.stat().st_size,
            **values,
        )
    )


def deployed_ids(registry: ModelRegistry) -> list[str]:
    return [v.version_id for v in registry.list() if v.status == "deployed"]


def test_a_version_keeps_its_lineage(registry: ModelRegistry, home: Home) -> None:
    made = add(
        registry,
        home,
        "a",
        dataset_sha256="d" * 64,
        profile="demo",
        parents=("demo-base", "other"),
        notes="ä",
    )
    assert registry.get("a") == made
    assert registry.path(made) == home.finetuned / "a.gguf"
    assert registry.deployed() is None


def test_deploying_retires_the_one_before(registry: ModelRegistry, home: Home) -> None:
    for name in ("a", "b"):
        add(registry, home, name)
    assert registry.deploy("a").status == "deployed"
    assert registry.deploy("b").status == "deployed"
    assert registry.deploy("b").status == "deployed"  # again: nothing changes
    assert [v.status for v in registry.list()] == ["retired", "deployed"]
    assert registry.deployed() == registry.get("b")


def test_rollback_walks_back_and_never_returns_to_what_was_rejected(
    registry: ModelRegistry, home: Home
) -> None:
    for name in ("a", "b", "c"):
        add(registry, home, name)
        registry.deploy(name)
    assert registry.rollback().version_id == "b"
    assert deployed_ids(registry) == ["b"]
    assert registry.rollback().version_id == "a"
    assert deployed_ids(registry) == ["a"]
    with pytest.raises(RegistryError, match="no earlier"):
        registry.rollback()
    assert deployed_ids(registry) == ["a"]
    registry.deploy("c")
    assert registry.rollback().version_id == "a"


def test_rollback_with_nothing_deployed(registry: ModelRegistry) -> None:
    with pytest.raises(RegistryError, match="no earlier"):
        registry.rollback()


def test_a_missing_or_changed_file_is_never_deployed(registry: ModelRegistry, home: Home) -> None:
    for name in ("a", "b"):
        add(registry, home, name)
    registry.deploy("a")
    path = home.finetuned / "b.gguf"
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"X")
    with pytest.raises(RegistryError, match="SHA-256"):
        registry.deploy("b")
    path.write_bytes(good + b"more")
    with pytest.raises(RegistryError, match="bytes, registered with"):
        registry.deploy("b")
    path.unlink()
    with pytest.raises(RegistryError, match="missing"):
        registry.deploy("b")
    assert deployed_ids(registry) == ["a"]
    path.write_bytes(good)
    registry.deploy("b")
    (home.finetuned / "a.gguf").unlink()
    with pytest.raises(RegistryError, match="missing"):
        registry.rollback()
    assert deployed_ids(registry) == ["b"]


def test_unknown_ids_name_the_known_ones(registry: ModelRegistry, home: Home) -> None:
    with pytest.raises(RegistryError, match="none yet"):
        registry.get("x")
    add(registry, home, "a")
    with pytest.raises(RegistryError, match="there are: a"):
        registry.deploy("x")


def test_registering_again_follows_the_file(registry: ModelRegistry, home: Home) -> None:
    made = add(registry, home, "a")
    registry.deploy("a")
    moved = home.models / "a.gguf"
    registry.path(made).replace(moved)
    again = registry.register(version("a", gguf_path=str(moved), sha256=made.sha256))
    assert (again.gguf_path, again.status) == (str(moved), "deployed")
    assert registry.verify("a").gguf_path == str(moved)
    with pytest.raises(RegistryError, match="another file"):
        registry.register(version("a", sha256="1" * 64))
