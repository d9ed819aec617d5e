"""What has no manifest does not exist: crashes, cancels and changed files."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.manifest import (
    MANIFEST_NAME,
    ManifestError,
    content_hash,
    making,
    read_manifest,
    sha256_file,
    verify_manifest,
    write_manifest,
)
from storage.paths import PROGRAM_DIR

ABC_SHA256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def fill(folder: Path, text: str = "abc") -> None:
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text(text)
    (folder / "deep" / "b.bin").write_bytes(b"\0" * 10)


def fail_in_making(target: Path, error: type[BaseException]) -> None:
    with making(target) as folder:
        fill(folder, "other")
        write_manifest(folder, "dataset", {}, {})
        raise error


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("abc")
    assert sha256_file(tmp_path / "a") == ABC_SHA256


def test_a_manifest_comes_back_as_it_was_written(tmp_path: Path) -> None:
    fill(tmp_path)
    written = write_manifest(tmp_path, "dataset", {"seed": 1, "ä": [1, 2]}, {"examples": 3})
    assert written.files["a.txt"].sha256 == ABC_SHA256
    assert written.files["deep/b.bin"].size_bytes == 10
    assert abs(written.created_at_ms / 1000 - time.time()) < 60
    assert read_manifest(tmp_path) == written
    assert verify_manifest(tmp_path) == written
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "deep", MANIFEST_NAME]
    again = write_manifest(tmp_path, "dataset", {}, {}, files=["a.txt"])
    assert list(again.files) == ["a.txt"]


def test_the_content_hash_names_what_is_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="missing or incomplete"):
        content_hash(tmp_path)
    fill(tmp_path)
    write_manifest(tmp_path, "dataset", {"seed": 1}, {})
    first = content_hash(tmp_path)
    write_manifest(tmp_path, "dataset", {"seed": 1}, {"made again": 1})
    assert content_hash(tmp_path) == first
    (tmp_path / "a.txt").write_text("abd")
    write_manifest(tmp_path, "dataset", {"seed": 1}, {})
    assert content_hash(tmp_path) != first


def test_the_content_hash_leaves_out_what_a_step_does_not_use(tmp_path: Path) -> None:
    hashes = []
    for later in ("one", "two"):
        (tmp_path / "a.txt").write_text("stays")
        (tmp_path / "later.txt").write_text(later)
        write_manifest(tmp_path, "dataset", {}, {})
        hashes.append((content_hash(tmp_path), content_hash(tmp_path, {"later.txt"})))
    (first, without_first), (second, without_second) = hashes
    assert without_first == without_second
    assert len({first, second, without_first}) == 3


def test_a_missing_file_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"model\.gguf is missing"):
        write_manifest(tmp_path, "gguf", {}, {}, files=["model.gguf"])
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / MANIFEST_NAME).unlink(),
        lambda folder: (folder / MANIFEST_NAME).write_text('{"kind": "dat'),
        lambda folder: (folder / MANIFEST_NAME).write_bytes(b"\xff\xfe"),
        lambda folder: (folder / MANIFEST_NAME).write_text("[1]"),
        lambda folder: (folder / MANIFEST_NAME).write_text('{"format": 99}'),
        lambda folder: (folder / "a.txt").unlink(),
        lambda folder: (folder / "a.txt").write_text("ab"),
    ],
)
def test_an_incomplete_folder_does_not_exist(tmp_path: Path, spoil: object) -> None:
    fill(tmp_path)
    write_manifest(tmp_path, "dataset", {}, {})
    spoil(tmp_path)  # type: ignore[operator]
    assert read_manifest(tmp_path) is None
    with pytest.raises(ManifestError, match="missing or incomplete"):
        verify_manifest(tmp_path)
    assert read_manifest(tmp_path / "never made") is None


def test_a_changed_file_of_the_same_size_is_found_by_its_hash(tmp_path: Path) -> None:
    fill(tmp_path)
    write_manifest(tmp_path, "dataset", {}, {})
    (tmp_path / "a.txt").write_text("abd")
    assert read_manifest(tmp_path) is not None
    with pytest.raises(ManifestError, match=r"a\.txt differs"):
        verify_manifest(tmp_path)


def test_making_puts_the_folder_into_place(tmp_path: Path) -> None:
    target = tmp_path / "datasets" / "one"
    for text in ("abc", "abcd"):
        with making(target) as folder:
            fill(folder, text)
            write_manifest(folder, "dataset", {"text": text}, {})
            assert target.exists() == (text == "abcd")  # the old one stands until the end
        assert verify_manifest(target).config == {"text": text}
        assert [p.name for p in target.parent.iterdir()] == ["one"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_making_leaves_nothing_behind_on_failure(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "one"
    with pytest.raises(error):
        fail_in_making(target, error)
    assert list(tmp_path.iterdir()) == []
    with making(target) as folder:
        fill(folder)
        write_manifest(folder, "dataset", {}, {})
    with pytest.raises(error):
        fail_in_making(target, error)
    assert verify_manifest(target).files["a.txt"].sha256 == ABC_SHA256
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


def test_a_folder_made_without_a_manifest_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="without a manifest"), making(tmp_path / "one") as new:
        fill(new)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_artefact_and_its_rest_is_swept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from storage.manifest import making\n"
        "with making(Path(sys.argv[1])) as f:\n"
        "    (f / 'half').write_text('x')\n"
        "    os._exit(137)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM_DIR)}
    target = tmp_path / "one"
    done = subprocess.run([sys.executable, "-c", code, str(target)], env=environment, check=False)
    assert done.returncode == 137
    assert read_manifest(target) is None
    (leftover,) = tmp_path.iterdir()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(leftover, (two_days_ago, two_days_ago))
    with making(target) as folder:
        fill(folder)
        write_manifest(folder, "dataset", {}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["one"]
