"""The page of examples/page embeds the file that `reverie explore` writes; in a browser: tests/browser."""

import html.parser
import pathlib
import re
import shutil

import pytest
import reverie
from reverie import cli

from ..conftest import tiny_config, write_tiny_npz

INDEX = pathlib.Path(reverie.__file__).parent / "examples" / "page" / "index.html"


class _Elements(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.comments: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data):
        self.comments.append(data)

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def elements():
    parser = _Elements()
    parser.feed(INDEX.read_text(encoding="utf-8"))
    return parser


@pytest.fixture(scope="module")
def site(elements, code, tmp_path_factory):
    """The folder that the commands at the top of the page make."""
    folder = tmp_path_factory.mktemp("embedding")
    run = reverie.train(tiny_config(write_tiny_npz(folder / "tiny.npz"), steps=10), folder / "run")
    said = re.search(r"^ +(reverie explore --workdir\S+ --out\S+)", elements.comments[0], re.MULTILINE)[1]
    said = said.replace("runs/a", str(run.folder)).replace("site/", f"{folder}/site/")
    assert cli.main([*said.split(), f"--code={code}"]) == 0
    shutil.copy(INDEX, folder / "site")
    return folder / "site"


def test_the_page_shows_the_file_that_explore_writes_and_nothing_from_elsewhere(elements, site):
    named = [value for _, found in elements.found for key, value in found.items() if key in ("src", "href")]
    assert "explore.html" in named
    assert [
        name for name in named if name[0] != "#" and not name.startswith("data:") and not (site / name).is_file()
    ] == []
    assert not re.search(r"https?:", INDEX.read_text(encoding="utf-8"))


def test_the_frame_has_a_name_is_reached_by_the_keyboard_and_may_run_scripts_alone(elements):
    (frame,) = elements.all("iframe")
    assert frame["title"] and "tabindex" not in frame and frame["sandbox"] == "allow-scripts"
    identifiers = {found["id"] for _, found in elements.found if "id" in found}
    assert frame["aria-describedby"] in identifiers
    (skip,) = (found for found in elements.all("a") if found["href"].startswith("#"))
    assert skip["href"][1:] in identifiers


def test_a_page_of_explore_lets_itself_be_embedded(site):
    policy = re.search(
        r'Content-Security-Policy" content="([^"]+)"', (site / "explore.html").read_text(encoding="utf-8")
    )
    assert "frame-ancestors" not in policy[1] and "sandbox" not in policy[1]
