import contextlib
import http.client
import json
import socketserver
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from reverie.cli import main
from reverie.errors import UserError
from reverie.export import examples, serve_check, serving_clients

from ..serving import serving


@pytest.fixture(scope="module")
def addresses(published):
    with serving(published.parent, "xcov") as addresses:
        yield addresses


def test_a_right_server_passes_every_check_on_both_protocols(addresses, published):
    findings = serve_check.check("xcov", *addresses, saved_model=str(published), requests=5)
    assert [finding for finding in findings if not finding.passed] == []
    checks = {finding.check for finding in findings}
    for signature in ("encode", "reconstruct", "classify", "generate", "encode_bytes"):
        for protocol in ("grpc", "rest"):
            assert f"{protocol}: {signature} equals the local SavedModel" in checks
        assert f"grpc and rest agree: {signature}" in checks
    assert "grpc: refuses NaN pixels" in checks and "rest: refuses NaN pixels" in checks


@pytest.mark.thorough
def test_another_models_numbers_are_noticed(addresses, trained_model, real_images, tmp_path):
    from .conftest import publish

    kept = trained_model.get_weights()
    trained_model.set_weights([weights * 1.1 for weights in kept])
    other = publish(trained_model, tmp_path / "m", real_images, lite_variants=(), with_warmup=False)
    trained_model.set_weights(kept)
    findings = serve_check.check("xcov", addresses[0], saved_model=str(other), requests=1)
    failed = {finding.check for finding in findings if not finding.passed}
    assert "grpc: encode equals the local SavedModel" in failed


def test_the_command_prints_each_check_and_reports_failure_by_its_exit_code(addresses, published, capsys):
    arguments = [f"--grpc={addresses[0]}", f"--rest={addresses[1]}", f"--saved_model={published}", "--requests=2"]
    assert main(["reverie", "serve-check", *arguments]) == 0
    assert "ok   grpc: latency of encode, 1 image: p50" in capsys.readouterr().out


def test_nobody_there_and_unknown_models_are_told_in_one_line(addresses):
    with pytest.raises(UserError, match="needs --grpc"):
        serve_check.check("xcov")
    with pytest.raises(UserError, match=r"127.0.0.1:9: no answer for model 'xcov' \(UNAVAILABLE"):
        serve_check.check("xcov", grpc="127.0.0.1:9", timeout=2.0)
    with pytest.raises(UserError, match="no answer for model 'xcov'"):
        serve_check.check("xcov", rest="http://127.0.0.1:9", timeout=2.0)
    with pytest.raises(UserError, match="no answer for model 'other'.*NOT_FOUND"):
        serve_check.check("other", grpc=addresses[0])
    with pytest.raises(UserError, match="no answer for model 'other'.*404"):
        serve_check.check("other", rest=addresses[1])


_OK = b"HTTP/1.0 200 OK\r\n\r\n"
ANSWERS = {
    "a page": _OK + b"<html>hello</html>",
    "nothing": b"",
    "another protocol": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "metadata of something else": _OK + b'{"metadata": []}',
    "signatures that are none": _OK + b'{"metadata": {"signature_def": {"signature_def": {"a": [1]}}}}',
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_what_is_no_tensorflow_serving_is_told_in_one_line(kind):
    with _speaking(ANSWERS[kind]) as port:
        for address in ({"rest": f"http://127.0.0.1:{port}"}, {"grpc": f"127.0.0.1:{port}"}):
            with pytest.raises(UserError, match="no answer for model 'xcov'") as refused:
                serve_check.check("xcov", **address, timeout=2.0)
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize("address", ["localhost:8501", "http://[", "http://127.0.0.1:port", "ftp//x", "http://a b"])
def test_addresses_that_are_none_are_told_in_one_line(address):
    with pytest.raises(UserError, match="no answer for model"):
        serve_check.check("xcov", rest=address, timeout=2.0)


@contextlib.contextmanager
def _speaking(answer: bytes):
    """A server that says the same to everybody; yields its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()


def test_a_signature_that_the_server_cannot_run_is_a_finding(addresses, published, monkeypatch):
    whole = serving_clients.RestClient._fetch

    def failing(self, path, read, body=None):
        if b'"classify"' in (body or b""):
            raise serving_clients.RequestError("HTTP 500: out of memory")
        return whole(self, path, read, body)

    monkeypatch.setattr(serving_clients.RestClient, "_fetch", failing)
    findings = serve_check.check("xcov", rest=addresses[1], saved_model=str(published), requests=1)
    failed = {finding.check: finding.detail for finding in findings if not finding.passed}
    assert failed["rest: classify equals the local SavedModel"] == "HTTP 500: out of memory"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "JSON Parse error"),
        (b"[1]", "Missing 'inputs'"),
        (b"{}", "Missing 'inputs'"),
        (b'{"signature_name": "dream", "inputs": {}}', "not found"),
        (b'{"signature_name": 3, "inputs": {}}', "must be a string"),
        (b'{"signature_name": "encode", "inputs": {"pictures": [1]}}', "unexpected key: pictures"),
        (b'{"signature_name": "encode", "inputs": {"images": [[1], [1, 2]]}}', "images: "),
        (b'{"signature_name": "encode", "inputs": {"images": "x"}}', "images: "),
        (b'{"signature_name": "encode", "inputs": {}}', "expected inputs"),
        (b'{"signature_name": "encode_bytes", "inputs": {"image_bytes": [{"b64": "?"}]}}', "image_bytes: "),
        (b'{"signature_name": "encode_bytes", "inputs": {"image_bytes": ["x"]}}', "image_bytes: "),
        (b"\xff\x00", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b'{"signature_name": "encode", "inputs": {"images": 1e999}}', "expected shape [n, 8, 8, 1]"),
        (b'{"signature_name": "encode", "inputs": {"images": null}}', "expected shape [n, 8, 8, 1]"),
    ],
)
def test_the_stand_in_refuses_what_is_no_request_in_one_line_and_goes_on(addresses, published, body, reason):
    request = urllib.request.Request(f"{addresses[1]}/v1/models/xcov:predict", body)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
    message = json.loads(refused.value.read())["error"]
    assert refused.value.code == 400 and reason in message and "\n" not in message
    client = serving_clients.RestClient(addresses[1], "xcov", 10.0)
    assert set(client.signatures["encode"].inputs) == {"images"}
    assert client.predict("encode", examples.read(published)["encode"])["features"].shape == (3, 2)


def test_the_stand_in_answers_a_length_that_is_none_and_one_connection_many_times(addresses):
    place = urllib.parse.urlsplit(addresses[1]).netloc
    connection = http.client.HTTPConnection(place, timeout=10)
    for _ in range(3):
        connection.request("POST", "/v1/models/xcov:predict", b"{")
        answer = connection.getresponse()
        assert answer.status == 400 and b"JSON Parse error" in answer.read()
    for length in ("-1", "many"):
        connection.putrequest("POST", "/v1/models/xcov:predict")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        answer = connection.getresponse()
        assert answer.status == 400 and f"Content-Length is {length}".encode() in answer.read()
    connection.close()
