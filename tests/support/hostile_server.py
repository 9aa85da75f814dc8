"""A loopback server that writes arbitrary bytes, for answers that no true server would give."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any


class Peer:
    """One connection: what was asked on it, and how to answer.

    ``number`` counts requests over all connections.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.number = 0
        self.line = ""
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def asked(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self, body: Any, status: int = 200, **headers: str) -> None:
        self.send(rendered(body, status, **headers))


def rendered(body: Any, status: int = 200, **headers: str) -> bytes:
    """Return a whole answer; bytes as they stand, all else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "application/json", "content-length": str(len(data))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in named.items() if value)]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + data


def good(text: str = "bread", **more: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": "stop",
        "message": {"role": "assistant", "content": text},
    }
    return {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}} | more


class Hostile:
    """Calls ``answer`` for each request, in a thread of the connection. Use as a context manager.

    ``greet`` is called for a new connection before it is read; ``tls`` wraps it.
    """

    def __init__(
        self,
        answer: Callable[[Peer], None],
        greet: Callable[[Peer], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.answer, self.greet, self.tls = answer, greet, tls
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Hostile:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self._open:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self._listening.getsockname()[1]}/v1"

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError, ValueError):
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            self._open.append(sock)
            peer = Peer(sock)
            if self.greet:
                self.greet(peer)
            rest = b""
            while True:
                while b"\r\n\r\n" not in rest:
                    rest += self._read(sock)
                head, _, rest = rest.partition(b"\r\n\r\n")
                peer.line, *lines = head.decode("latin-1").split("\r\n")
                named = (line.partition(":") for line in lines)
                peer.headers = {name.lower(): value.strip() for name, _, value in named}
                length = int(peer.headers.get("content-length", 0))
                while len(rest) < length:
                    rest += self._read(sock)
                peer.body, rest = rest[:length], rest[length:]
                with self._lock:
                    self.seen.append((peer.line, peer.headers))
                    peer.number = len(self.seen)
                self.answer(peer)
        sock.close()

    def _read(self, sock: socket.socket) -> bytes:
        data = sock.recv(65536)
        if not data:
            raise OSError("closed")
        return data
