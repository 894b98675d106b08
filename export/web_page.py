"""One HTML file that holds everything: models, interpreter, code and pictures. It loads nothing from anywhere."""

import base64
import gzip
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from .bundle import Bundle
from .seven_bits import as_text

LIMIT = 6_000_000


def write(
    bundle: Bundle, title: str, notes: Sequence[str], page: Mapping[str, Any], files: Mapping[str, bytes], footer: str
) -> str:
    """The page.

    Args:
      bundle: its code.
      title: of the page, and its heading.
      notes: lines below the heading.
      page: what its code reads, plain values; "functions" says what each file takes.
      files: function -> LiteRT file.
      footer: a line at its end.

    Returns:
      HTML; a policy in it lets the page fetch nothing, and run no script but its own.
    """
    script, style = _block(bundle.script), _block(bundle.style)
    # Scripts and styles of the page alone, by their digests; WebAssembly; pictures that it holds or that are dropped.
    policy = (
        f"default-src 'none'; script-src {_digest(script)} 'wasm-unsafe-eval'; style-src {_digest(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    data = json.dumps(page, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    # Under xz code shrinks by a third more than under gzip, which a browser unpacks faster; weights hardly do.
    blocks = [("litert", "x-xz", bundle.wasm)]
    blocks += [(f"model-{name}", "gzip", gzip.compress(content, mtime=0)) for name, content in files.items()]
    held = "\n".join(
        f'<script type="application/{kind}" id="{html.escape(name)}">{as_text(content)}</script>'
        for name, kind, content in blocks
    )
    said = "".join(f"<p class=note>{html.escape(note)}</p>" for note in notes if note)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>{style}</style></head>
<body><header><h1>{html.escape(title)}</h1>{said}</header>
<p id="said" role="status" aria-live="polite"></p>
<main><p>Loading the models ...</p></main>
<noscript>This page runs models in the browser, which needs JavaScript.</noscript>
<footer><p>{html.escape(footer)}</p></footer>
<script type="application/json" id="page">{data}</script>
{held}
<script>{script}</script>
</body></html>
"""


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _block(text: str) -> str:
    """A script or style as an element holds it: HTML reads every line end as one character."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
