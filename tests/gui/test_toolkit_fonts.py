"""What a window draws with stays as it is while another process imports the toolkit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gui.toolkit_fonts import put
from storage.paths import PROGRAM_DIR

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fonts lie in no folder of ours")


def imported_with(home: Path) -> dict[str, tuple[int, int, bytes]]:
    """The fonts in a user's folder after another import: each file's number, time and content."""
    code = "import shutil\nb = shutil.copy\nfrom gui import toolkit_fonts\nassert shutil.copy is b"
    subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(home)},
        cwd=PROGRAM_DIR,
        check=True,
    )
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes())
        for path in (home / ".fonts").iterdir()
    }


def test_fonts_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    first = imported_with(tmp_path)
    assert {"Roboto-Regular.ttf", "CustomTkinter_shapes_font.otf"} <= set(first)
    assert imported_with(tmp_path) == first


def test_another_font_is_replaced_as_a_whole(tmp_path: Path) -> None:
    source, folder = tmp_path / "new" / "a.ttf", tmp_path / "fonts"
    for path, content in ((source, b"new"), (folder / "a.ttf", b"old and longer")):
        path.parent.mkdir()
        path.write_bytes(content)
    with (folder / "a.ttf").open("rb") as still_open:
        assert put(str(source), str(folder)) == str(folder / "a.ttf")
        assert still_open.read() == b"old and longer"
    assert (folder / "a.ttf").read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["a.ttf"]
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError):
        put(str(source), str(folder))
