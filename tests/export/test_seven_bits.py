"""Bytes as text in a page: what HTML would change is not there, and the page's own code reads them back."""

import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest
import reverie
from reverie.export import seven_bits

CODE = pathlib.Path(reverie.__file__).parent / "export" / "page" / "src" / "seven_bits.js"
CONTENTS = [b"", b"a", bytes(300), bytes(range(256)) * 3, b"</script><!--\r\n", np.random.default_rng(0).bytes(1001)]


@pytest.mark.parametrize("content", CONTENTS)
def test_bytes_come_back_from_their_text(content):
    assert seven_bits.as_bytes(seven_bits.as_text(content)) == content


@pytest.mark.parametrize("content", CONTENTS)
def test_a_text_has_no_character_that_a_script_in_html_would_lose_change_or_end_by(content):
    assert not set("\0\r\n<") & set(seven_bits.as_text(content))


def test_a_text_is_a_fifth_longer_than_its_bytes_where_base64_is_a_third():
    content = np.random.default_rng(0).bytes(100_000)
    assert len(seven_bits.as_text(content).encode()) < 1.2 * len(content)


def test_the_code_of_the_page_reads_the_same_bytes(tmp_path):
    node = shutil.which("node")
    if not node:
        pytest.skip("needs node")
    script = tmp_path / "read.mjs"
    texts = json.dumps([seven_bits.as_text(content) for content in CONTENTS])
    script.write_text(f"""
import {{ asBytes }} from {json.dumps(CODE.resolve().as_uri())};
console.log(JSON.stringify({texts}.map((text) => Array.from(asBytes(text)))));
""")
    done = subprocess.run([node, str(script)], capture_output=True, text=True, check=True, timeout=60)
    assert [bytes(values) for values in json.loads(done.stdout)] == CONTENTS
