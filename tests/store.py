"""A Google Cloud Storage of one's own: the emulator of PyPI behind the names that TensorFlow's client insists on.

TensorFlow's client speaks to https://www.googleapis.com and https://storage.googleapis.com and knows no setting for
another host. It does go by the variables of libcurl: `https_proxy` leads it to the proxy here, which answers for those
names with a certificate that `CURL_CA_BUNDLE` makes it trust, and hands every request on to the emulator.
"""

import contextlib
import http.client
import http.server
import pathlib
import shutil
import ssl
import subprocess
import sys
import threading
import time

import pytest

from .cluster import free_ports

BUCKET = "shelf"


class Store:
    """The emulator and its proxy; use it as a context manager.

    Arguments:
      folder: for the certificate.

    Attributes:
      environment: what a process needs whose TensorFlow is to find its gs:// here.
      requests: "METHOD path" of every request that came.
    """

    def __init__(self, folder: pathlib.Path):
        pytest.importorskip("gcp_storage_emulator", reason="needs pip install gcp-storage-emulator")
        if not shutil.which("openssl"):
            pytest.skip("needs openssl for a certificate")
        self._certificate, self._key = folder / "certificate.pem", folder / "key.pem"
        names = "subjectAltName=DNS:www.googleapis.com,DNS:storage.googleapis.com"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=store",
             "-addext", names, "-keyout", str(self._key), "-out", str(self._certificate)],
            check=True, capture_output=True,
        )  # fmt: skip
        self.requests: list[str] = []

    def __enter__(self):
        self._port = int(free_ports(1)[0].rpartition(":")[2])
        self._emulator = subprocess.Popen(
            [sys.executable, "-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={self._port}",
             "--in-memory", f"--default-bucket={BUCKET}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._wait()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key)
        handler = type("Handler", (_Proxy,), {"port": self._port, "context": context, "requests": self.requests})
        self._proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        self.environment = {
            "https_proxy": f"http://127.0.0.1:{self._proxy.server_address[1]}",
            "CURL_CA_BUNDLE": str(self._certificate),
            "GOOGLE_AUTH_TOKEN_FOR_TESTING": "token",
            "NO_GCE_CHECK": "true",
        }
        return self

    def __exit__(self, *_):
        self._proxy.shutdown()
        self._proxy.server_close()
        self._emulator.terminate()
        self._emulator.wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 60.0
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                connection = http.client.HTTPConnection("127.0.0.1", self._port)
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.1)
        raise TimeoutError("the emulator did not start")


class _Proxy(http.server.BaseHTTPRequestHandler):
    """Answers CONNECT with a secured line, and what comes through it from the emulator."""

    protocol_version = "HTTP/1.1"
    port: int
    context: ssl.SSLContext
    requests: list[str]

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        with contextlib.suppress(OSError):
            secured = self.context.wrap_socket(self.connection, server_side=True)
            _Proxy.port, _Proxy.requests = self.port, self.requests
            _Secured(secured, self.client_address, self.server)
        self.close_connection = True

    def _pass_on(self) -> None:
        self.requests.append(f"{self.command} {self.path}")
        body, kept = self._body(), ("Content-Type", "Content-Range", "Range", "X-Upload-Content-Length")
        headers = {name: self.headers[name] for name in (*kept, "Host") if name in self.headers}
        path = self.path
        if "uploadType=media" in path and not body:  # The mark of a folder: the emulator fails on a body of nothing.
            path = path.replace("uploadType=media", "uploadType=multipart")
            part = "--x\r\nContent-Type: {}\r\n\r\n{}\r\n"
            parts = part.format("application/json", "{}"), part.format("application/octet-stream", "")
            body, headers["Content-Type"] = f"{''.join(parts)}--x--\r\n".encode(), "multipart/related; boundary=x"
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(self.command, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "date", "server", "connection"):
                self.send_header(name, value.replace("http://", "https://") if name == "Location" else value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _body(self) -> bytes:
        """TensorFlow sends chunks and a length; where there are both, the chunks count."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def log_message(self, *_) -> None:
        pass


class _Secured(_Proxy):
    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _Proxy._pass_on
