"""What the site needs beside its pages: files of the repository that pages link to, and sources with docstrings.

mkdocs knows only what lies in `docs`. A page that links to `../models/contract.py` gets a page with that file, under
`source/`; so no link of a document is dead, neither here nor where the repository is read.
"""

import ast
import pathlib
import posixpath
import re
import shutil

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PACKAGE = ROOT / "build" / "site_sources" / "reverie"
FOLDERS = ("cli", "configs", "evaluation", "experiments", "export", "layers", "models", "pipelines", "training")
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
LANGUAGES = {".py": "python", ".c": "c", ".toml": "toml", ".html": "html"}


def on_startup(command, dirty):
    """Copies the package's sources to where docstrings are read: the repository itself is the package `reverie`."""
    shutil.rmtree(PACKAGE.parent, ignore_errors=True)
    for path in [*ROOT.glob("*.py"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))]:
        target = PACKAGE / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = _sections(path.read_text(encoding="utf-8"))
        target.write_text(text + _imports(text), encoding="utf-8")


def on_files(files, config):
    """Adds a page for every file outside `docs` that a page links to, and for what those link to."""
    pending = [_real(file.src_uri) for file in files.documentation_pages()]
    while pending:
        page = pending.pop()
        for target in _outside(page):
            uri = _uri(target)
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=_content(target)))
                pending.append(target)
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links out of `docs` to those pages, and the links of those pages back."""
    real = _real(page.file.src_uri)

    def turned(match) -> str:
        target = _target(real, match[1])
        if target is None or (target.is_relative_to(DOCS) and real.is_relative_to(DOCS)):
            return match[1]
        return posixpath.relpath(_uri(target), posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(turned, markdown)


def _sections(text: str) -> str:
    """A source with the sections of its docstrings as their reader knows them."""

    def code(match) -> str:
        indent, lines = match[1], match[2].rstrip("\n")
        if ">>>" not in lines:
            lines = f"{indent}  ```python\n{lines}\n{indent}  ```"
        return f"{indent}Examples:\n{lines}\n"

    text = re.sub(r"^( *)Class attributes:$", r"\1Attributes:", text, flags=re.MULTILINE)
    return re.sub(r"^( *)Example:\n((?:\1  .*\n|\n(?=\1  ))+)", code, text, flags=re.MULTILINE)


def _imports(text: str) -> str:
    """The imports that a module with a literal `_HOMES` (home -> names) makes when its names are first asked for."""
    table = re.search(r"^_HOMES = (\{.*?^\})", text, flags=re.MULTILINE | re.DOTALL)
    homes = ast.literal_eval(table[1]) if table and " for " not in table[1] else {}
    return "".join(f"from .{home} import {', '.join(names)}\n" for home, names in homes.items())


def _outside(page: pathlib.Path) -> list[pathlib.Path]:
    if page.is_dir():
        return sorted(path for path in page.iterdir() if path.suffix in LANGUAGES)
    if page.suffix != ".md":
        return []
    targets = [_target(page, name) for name in LINK.findall(page.read_text(encoding="utf-8"))]
    return [target for target in targets if target is not None and not target.is_relative_to(DOCS)]


def _target(page: pathlib.Path, name: str) -> pathlib.Path | None:
    """The file of the repository that a link leads to, None where it is no such link."""
    target = ((page if page.is_dir() else page.parent) / name).resolve()
    return target if target.exists() and target.is_relative_to(ROOT) and target != ROOT else None


def _uri(target: pathlib.Path) -> str:
    """Where a file of the repository lies in the site."""
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    name = target.relative_to(ROOT).as_posix()
    return f"source/{name}" if target.suffix == ".md" else f"source/{name}.md"


def _real(uri: str) -> pathlib.Path:
    """The file that a page of the site shows."""
    if not uri.startswith("source/"):
        return DOCS / uri
    name = uri.removeprefix("source/")
    return ROOT / name if (ROOT / name).exists() else ROOT / name.removesuffix(".md")


def _content(target: pathlib.Path) -> str:
    if target.suffix == ".md":
        return target.read_text(encoding="utf-8")
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {target.relative_to(ROOT).as_posix()}\n\n"
    if target.is_dir():
        return head + "".join(f"- [{path.name}]({path.name})\n" for path in _outside(target))
    return f"{head}````{LANGUAGES.get(target.suffix, 'text')}\n{target.read_text(encoding='utf-8')}````\n"
