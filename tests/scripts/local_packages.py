"""Real little packages in a folder, so that a real pip installs something without a network."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

# A build backend that lies in the source distribution itself. It waits while the file that
# MYNAH_TEST_WAIT names exists, as a long build does.
BACKEND = """
import io, os, tarfile, time, zipfile
NAME, VERSION, MODULE = {name!r}, {version!r}, {module!r}
INFO = f"{{NAME}}-{{VERSION}}.dist-info"
METADATA = f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def prepare_metadata_for_build_wheel(directory, settings=None):
    os.mkdir(os.path.join(directory, INFO))
    for name, text in (("METADATA", METADATA), ("WHEEL", WHEEL)):
        with open(os.path.join(directory, INFO, name), "w") as file:
            file.write(text)
    return INFO

def build_wheel(directory, settings=None, metadata=None):
    while os.path.exists(os.environ.get("MYNAH_TEST_WAIT", "")):
        time.sleep(0.1)
    name = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr(f"{{MODULE}}.py", "built = True\\n")
        wheel.writestr(f"{{INFO}}/METADATA", METADATA)
        wheel.writestr(f"{{INFO}}/WHEEL", WHEEL)
        wheel.writestr(f"{{INFO}}/RECORD", "")
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
LLAMA_CPP = {
    "vendor/llama.cpp/convert_hf_to_gguf.py": "print('converter')\n",
    "vendor/llama.cpp/convert_lora_to_gguf.py": "",
    "vendor/llama.cpp/conversion/base.py": "",
    "vendor/llama.cpp/gguf-py/gguf/__init__.py": "",
    "vendor/llama.cpp/LICENSE": "MIT\n",
    "vendor/llama.cpp/ggml/src/large.cpp": "int main() {}\n",
}


def write_wheel(folder: Path, name: str, version: str = "1.0", *, module: str = "") -> None:
    """A pure Python wheel with one module, named like the package if nothing else is said."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{module or name.replace('-', '_')}.py", "built = False\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def write_source(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    module: str = "",
    files: dict[str, str] | None = None,
) -> Path:
    """A source distribution that builds itself without any other package."""
    stem = f"{name.replace('-', '_')}-{version}"
    module = module or name.replace("-", "_")
    backend = BACKEND.format(name=name.replace("-", "_"), version=version, module=module)
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = {"PKG-INFO": metadata, "pyproject.toml": PYPROJECT, "backend.py": backend}
    archive = folder / f"{stem}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path, text in {**content, **(files or {})}.items():
            data = text.encode()
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive
