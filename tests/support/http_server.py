"""Small real servers on loopback for tests: one that answers as it is told, and an HTTP proxy."""

from __future__ import annotations

import http.client
import json
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

GOOD = {
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "bread"}}
    ]
}


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


#: What TLS says in the place of a handshake: internal error.
_ALERT = b"\x15\x03\x03\x00\x02\x02\x50"
Reply = tuple[int, Any, dict[str, str]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Any

    def log_message(self, format: str, *args: object) -> None:
        pass

    def seen(self) -> Seen:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Seen(self.command, self.path, headers, self.rfile.read(length))

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    owner: Any

    def get_request(self) -> tuple[Any, Any]:
        plain, where = super().get_request()
        if self.owner.tls is None:
            return plain, where
        if self.owner.breaks:
            self.owner.breaks -= 1
            plain.sendall(_ALERT)
            plain.close()
            raise OSError("broken on purpose")
        try:
            return self.owner.tls.wrap_socket(plain, server_side=True), where
        except OSError:
            plain.close()
            raise


@dataclass
class _Server:
    """A server in a thread of its own.

    Use as a context manager. ``breaks`` is how many handshakes fail.
    """

    tls: ssl.SSLContext | None = None
    breaks: int = 0
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Any:
        handler = type("Handler", (self.handler,), {"owner": self})
        self._server = _Listening(("127.0.0.1", 0), handler)
        self._server.owner = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    handler = _Handler

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}/v1"


class _Answering(_Handler):
    def do_POST(self) -> None:
        seen = self.seen()
        self.owner.seen.append(seen)
        status, body, headers = self.owner.reply(seen)
        self.answer(status, body if isinstance(body, bytes) else json.dumps(body).encode(), headers)

    do_GET = do_POST


@dataclass
class Answering(_Server):
    """Answers each request with what ``reply`` makes of it."""

    reply: Callable[[Seen], Reply] = lambda seen: (200, GOOD, {})
    handler = _Answering


def answering(status: int = 200, body: Any = GOOD, **headers: str) -> Answering:
    """Return a server that always says the same."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answering(reply=lambda seen: (status, body, named))


class _Proxying(_Handler):
    def refused(self) -> bool:
        if self.owner.refuses:
            self.answer(self.owner.refuses, b"{}", {"proxy-authenticate": "Basic"})
        return bool(self.owner.refuses)

    def do_POST(self) -> None:
        seen = self.seen()
        self.owner.seen.append(seen)
        if self.refused():
            return
        target = urlsplit(seen.path)
        onward = http.client.HTTPConnection(target.netloc, timeout=10)
        try:
            headers = {
                name: value for name, value in seen.headers.items() if not name.startswith("proxy-")
            }
            onward.request(seen.method, target.path, seen.body, headers)
            reply = onward.getresponse()
            self.answer(reply.status, reply.read(), {"via": "1.1 test"})
        finally:
            onward.close()

    def do_CONNECT(self) -> None:
        self.owner.seen.append(self.seen())
        if self.refused():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as onward:
            self.send_response(200, "Connection established")
            self.end_headers()
            self.wfile.flush()
            pairs = {self.connection: onward, onward: self.connection}
            while ready := select.select(list(pairs), [], [], 10)[0]:
                for one in ready:
                    data = one.recv(65536)
                    if not data:
                        self.close_connection = True
                        return
                    pairs[one].sendall(data)


@dataclass
class Proxy(_Server):
    """An HTTP proxy, which tunnels too. With the status ``refuses`` it lets nobody through."""

    refuses: int = 0
    handler = _Proxying

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@dataclass
class Authority:
    """Files of an authority, and a server's side of TLS with a certificate of it."""

    folder: Path

    @property
    def file(self) -> str:
        return str(self.folder / "ca.pem")

    def serving(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context


def made(folder: Path, name: str = "IP:127.0.0.1") -> Authority:
    """Make an authority, with a server's certificate for a name."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, timeout=60)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req",
        "-x509",
        *new,
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-days",
        "2",
        "-subj",
        "/CN=test-ca",
    )
    openssl("req", *new, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=test-server")
    (folder / "names").write_text(f"subjectAltName={name}\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "server.pem", "-days", "2", "-extfile", "names",
    )  # fmt: skip
    return Authority(folder)
