"""What a self-contained HTML page is made of: sections, pictures that enlarge, a policy that forbids every request."""

import base64
import hashlib
import html
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_STYLE = """
:root{color-scheme:light dark;--ink:#222;--soft:#555;--line:#ddd;--ground:#fff;--card:#f6f6f4;--wrong:#b00;
--wrong-ground:#fee;--heed:#8a5a00;--heed-ground:#fff6e0;--link:#0b57a4}
@media(prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#aaa;--line:#444;--ground:#161616;--card:#222;
--wrong:#ff8a80;--wrong-ground:#3a1616;--heed:#ffca66;--heed-ground:#33280e;--link:#8ab8ff}}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:74rem;padding:0 1rem;color:var(--ink);
background:var(--ground)}a{color:var(--link)}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .3rem}table{border-collapse:collapse;margin:.6rem 0}.wide{overflow-x:auto}
td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top}td{overflow-wrap:anywhere}
td:first-child,th:first-child{min-width:8.5rem}h1,h2,h3,figcaption,p,li,summary,dialog{overflow-wrap:anywhere}
td.n{text-align:right;font-variant-numeric:tabular-nums;min-width:6.5rem}td.best{font-weight:700}figure{margin:1rem 0}
img{max-width:100%;height:auto}figcaption,p.note{color:var(--soft)}figcaption{font-size:.9rem}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0;margin:.6rem 0}
.headlines{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:.8rem;margin:1rem 0}
.headlines div{background:var(--card);border-radius:.4rem;padding:.6rem .8rem}
.headlines strong{display:block;font-size:1.7rem}.headlines span{display:block;font-size:.85rem}
.headlines small{display:block;font-size:.8rem;color:var(--soft);margin-top:.3rem}
.gallery{display:flex;flex-wrap:wrap;gap:.5rem 2rem;align-items:flex-start}.gallery figcaption{max-width:34rem}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(32rem,100%),1fr));gap:1rem}
.chart{min-width:0}.drawn.vega-embed{display:block;padding-right:0}.drawn.vega-embed>svg{max-width:100%}
details{margin:.4rem 0}summary{cursor:pointer}
.wrong,.heed{border-left:.3rem solid var(--wrong);background:var(--wrong-ground);padding:.6rem 1rem;margin:1rem 0}
.heed{border-color:var(--heed);background:var(--heed-ground)}.wrong ul,.heed ul{margin:.3rem 0}
button.enlarge{border:0;padding:0;background:none;cursor:zoom-in;display:block;max-width:100%}
button:focus-visible,a:focus-visible,summary:focus-visible{outline:3px solid var(--link);outline-offset:2px}
dialog{border:0;border-radius:.4rem;padding:1rem;max-width:96vw;max-height:96vh;background:var(--ground);
color:var(--ink)}dialog::backdrop{background:#000b}dialog img{display:block;margin:.6rem auto;image-rendering:pixelated;
max-width:92vw}dialog form{position:sticky;top:0}dialog button{font:inherit;padding:.3rem .8rem}
"""
# Pictures enlarge in a dialog, which the browser closes by Escape and keeps the keyboard in; arrows turn the pages.
_ENLARGE = """
(() => {
  const dialog = document.getElementById("large"), shown = [...document.querySelectorAll("button.enlarge")];
  if (!dialog || !shown.length) return;
  const image = dialog.querySelector("img"), words = dialog.querySelector("p");
  let at = 0;
  const show = (number) => {
    at = (number + shown.length) % shown.length;
    const small = shown[at].querySelector("img"), caption = shown[at].closest("figure").querySelector("figcaption");
    image.src = small.src;
    image.alt = small.alt;
    // Up to four times its size where all of it can be seen; a tall one keeps its size, and the dialog scrolls.
    const wide = innerWidth * 0.9 / small.naturalWidth, fits = Math.min(wide, innerHeight * 0.7 / small.naturalHeight);
    image.width = Math.round(small.naturalWidth * (fits > 1 ? Math.min(fits, 4) : Math.min(wide, 1)));
    dialog.scrollTop = 0;
    words.textContent = caption ? caption.textContent : small.alt;
    if (!dialog.open) dialog.showModal();
  };
  shown.forEach((button, number) => button.addEventListener("click", () => show(number)));
  dialog.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (turn) { event.preventDefault(); show(at + turn); }
  });
  dialog.addEventListener("click", (event) => {
    const does = event.target.dataset.does;
    if (does === "close" || event.target === dialog) dialog.close();
    if (does === "back") show(at - 1);
    if (does === "on") show(at + 1);
  });
  dialog.addEventListener("close", () => shown[at].focus());
})();
"""
_DIALOG = (
    '<dialog id=large aria-label="Enlarged picture"><form method=dialog><button type=button data-does=back>Previous'
    "</button> <button type=button data-does=on>Next</button> <button type=button data-does=close autofocus>Close"
    '</button></form><img alt="" src="data:,"><p></p></dialog>'
)


class Section(NamedTuple):
    """A part of a page.

    Attributes:
      title: of the section, and in the table of contents; "" for a part that has neither.
      body: HTML; the section is left out where it is empty.
      scripts: that it needs; one that several sections need stands in the page once.
    """

    title: str
    body: str
    scripts: tuple[str, ...] = ()


def page(title: str, sections: Sequence[Section]) -> str:
    """A self-contained HTML page, with a table of contents; empty sections are left out.

    The page's own policy lets it load nothing and run no script but those that stand in it, by their digests, so
    nothing that a caption or the name of a folder says can become one.

    Args:
      title: in plain text.
      sections: from top to bottom.

    Example:
      html = page("a run", [Section("", "<h1>A run</h1>"), Section("Numbers", table)])
    """
    there = [section for section in sections if section.body]
    titled = [section.title for section in there if section.title]
    entries = "".join(f'<li><a href="#{_anchor(name)}">{name}</a></li>' for name in titled)
    contents = f'<nav aria-label="Contents"><ul>{entries}</ul></nav>' if len(titled) > 1 else ""
    parts = [_section(section) for section in there]
    # The contents stand behind the head of the page, which has no title of its own.
    heads = next((number for number, section in enumerate(there) if section.title), len(there))
    parts.insert(heads, contents)
    body = "\n".join(part for part in parts if part)
    scripts = list(dict.fromkeys(script for section in there for script in section.scripts))
    scripts += [_ENLARGE] if "class=enlarge" in body else []
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {allowed}"
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{policy}">'
        '<meta name=viewport content="width=device-width,initial-scale=1"><link rel=icon href="data:,">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main>"
        f"{_DIALOG if 'class=enlarge' in body else ''}"
        + "".join(f'<script type="text/javascript">{script}</script>' for script in scripts)
        + "</body></html>\n"
    )


def image(content: bytes, name: str) -> str:
    """A PNG as an element of the page."""
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(content).decode()}">'


def figure(content: bytes, name: str, caption: str) -> str:
    """A PNG with its caption; a click, or Enter on it, enlarges it."""
    words = name.replace("_", " ")
    return (
        f'<figure><button type=button class=enlarge aria-label="{html.escape(f"Enlarge: {words}")}">'
        f"{image(content, words)}</button><figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def sentences(kind: str, title: str, said: Sequence[str]) -> str:
    """A box of sentences in plain text under a title, "" for none; `kind` is "wrong" or "heed"."""
    listed = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in said)
    return f"<div class={kind} role=note><strong>{title}</strong><ul>{listed}</ul></div>" if said else ""


def table(content: Mapping[str, str]) -> str:
    """Names and values in plain text, a row each."""
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td class=n>{html.escape(value)}</td></tr>" for name, value in content.items()
    )
    return f"<div class=wide><table>{rows}</table></div>"


def _section(section: Section) -> str:
    if not section.title:
        return section.body
    return f"<section id={_anchor(section.title)}><h2>{section.title}</h2>{section.body}</section>"


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
