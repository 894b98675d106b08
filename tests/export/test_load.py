"""The benchmark that puts servers under load: it finds nothing wrong with a right server, and finds what is wrong."""

import importlib.util
import pathlib

import numpy as np
import pytest
import reverie

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def load():
    path = pathlib.Path(reverie.__file__).parent / "benchmarks" / "load.py"
    spec = importlib.util.spec_from_file_location("load", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_right_and_malformed_requests_at_once_get_what_they_should(load, published):
    found = load.load([published], requests=120, malformed=120, connections=4)
    assert found["wrong"] == found["not_refused"] == found["servers_that_died"] == []
    assert found["signatures"] == 8 and found["kinds_of_malformed"] > 20
    assert all(found["milliseconds"][protocol]["p50"] > 0.0 for protocol in ("grpc", "rest"))


def test_a_wrong_answer_and_a_malformed_request_that_is_answered_are_found(load, published, monkeypatch):
    right, malformed = load._right, load._malformed

    def other(number, folder, draws):
        for sent in right(number, folder, draws):
            moved = {name: np.asarray(value) + 1 for name, value in (sent.expected or {}).items()}
            yield sent._replace(expected=moved if sent.kind == "classify" else sent.expected)

    monkeypatch.setattr(load, "_right", other)
    monkeypatch.setattr(
        load,
        "_malformed",
        lambda *given: [*malformed(*given), *(s._replace(expected=None, kind="right") for s in right(*given))],
    )
    found = load.load([published], requests=100, malformed=1500, connections=4)
    assert found["wrong"] and all("classify: " in line for line in found["wrong"])
    assert found["not_refused"] == ["grpc, right: answered", "rest, right: answered"]
