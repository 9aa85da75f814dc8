"""Valid HTTP/1.1 answers in every form, for tests that cut or mutate them."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st

from support.byte_server import answer_to, cut

INTERIM = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\nX-Step: 1\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
)
_PACK = {
    "": lambda data: data,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "x-gzip": lambda data: gzip.compress(data[:5], mtime=0) + gzip.compress(data[5:], mtime=0),
    "deflate": zlib.compress,
    "identity": lambda data: data,
}


@dataclass(frozen=True)
class Shape:
    """Form of an answer on the wire.

    ``chunks`` are places at which the body is cut into chunks; None: it is not chunked.
    """

    framing: str = "length"
    encoding: str = ""
    status: int = 200
    version: str = "1.1"
    head: tuple[bytes, ...] = ()
    interim: tuple[bytes, ...] = ()
    chunks: tuple[int, ...] = ()
    extension: bytes = b""
    trailers: bytes = b""
    content: str = "bread"

    def content_of(self, number: int) -> bytes:
        return answer_to(number, text=self.content)

    def wire(self, number: int) -> bytes:
        body = _PACK[self.encoding](self.content_of(number))
        head = [f"HTTP/{self.version} {self.status} OK".encode(), *self.head]
        if self.encoding:
            head.append(b"content-encoding: " + self.encoding.encode())
        if self.framing == "length":
            head.append(b"Content-Length: %d" % len(body))
        elif self.framing == "chunked":
            head.append(b"Transfer-Encoding: chunked")
            sized = (
                b"%X%b\r\n%b\r\n" % (len(x), self.extension, x) for x in cut(body, self.chunks)
            )
            body = b"".join(sized) + b"0\r\n" + self.trailers + b"\r\n"
        return b"".join(self.interim) + b"\r\n".join(head) + b"\r\n\r\n" + body


_HEADS = st.sampled_from(
    [b"Server: x", b"X-Empty:", b"X-Spaces:  a  b \t", b"Date: now", b"Connection: keep-alive",
     b"Connection: close", b"upgrade: h2c", b"X-Bytes: \xff\xfe", b"Content-Type: text/html"]
)  # fmt: skip
shapes = st.builds(
    Shape,
    framing=st.sampled_from(["length", "chunked", "end"]),
    encoding=st.sampled_from(list(_PACK)),
    status=st.sampled_from([200, 201, 203, 400, 404, 429, 500]),
    version=st.sampled_from(["1.1", "1.0"]),
    head=st.lists(_HEADS, max_size=3).map(tuple),
    interim=st.lists(st.sampled_from(INTERIM), max_size=2).map(tuple),
    chunks=st.lists(st.integers(1, 80), max_size=6).map(tuple),
    extension=st.sampled_from([b"", b";a", b";a=b", b';a="b c";d']),
    trailers=st.sampled_from([b"", b"X-Sum: 1\r\n", b"Content-Encoding: gzip\r\nA: b\r\n"]),
    content=st.text(max_size=40),
)
#: One of each framing and encoding, for tests of every place in an answer.
EACH = [
    Shape(),
    Shape(status=500, head=(b"Connection: close",)),
    Shape(encoding="gzip", interim=INTERIM[:3]),
    Shape("chunked", chunks=(1, 7, 8), extension=b';a="b"', trailers=b"X-Sum: 1\r\nY: 2\r\n"),
    Shape("chunked", "deflate", chunks=(2, 9)),
    Shape("length", "x-gzip", version="1.0", head=(b"Connection: keep-alive",)),
]
IDS = ["length", "error-close", "gzip-interim", "chunked", "deflate-chunks", "members-1.0"]
#: Without the phase that explains a failure, which takes minutes.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink]
HEALTH = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
