"""Tests of bounded bodies: bombs, bodies without end, and wrong content encodings."""

from __future__ import annotations

import gzip
import json
import resource
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from support.ask_teacher import ask, completed, failure, request, teacher
from support.hostile_server import Hostile, Peer, good

from synthkd.teachers.remote.http.bounded_body import decoder

#: Megabytes that a run may take beyond what it had, where it must not hold a body.
_FLAT = 40


def bomb(megabytes: int, bits: int = 31) -> bytes:
    """Return spaces, a thousand of them to a byte.

    The checksum at the end is wrong: nobody should come so far.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, bits)
    first, again = (
        packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2)
    )
    return first + again * (megabytes - 1) + packer.flush()


def peak_megabytes(work: Callable[[], object]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def endless(head: bytes, piece: bytes) -> Callable[[Peer], None]:
    def answer(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 " + head + b"\r\n\r\n")
        while True:
            peer.send(piece)

    return answer


CHUNKED = b"transfer-encoding: chunked"
_CHUNK = b"10000\r\n" + b" " * 65536 + b"\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        lambda peer: peer.reply(bomb(300), content_encoding="gzip"),
        lambda peer: peer.reply(bomb(300, 15), content_encoding="deflate"),
        lambda peer: peer.reply(bomb(300, -15), content_encoding="deflate"),
        lambda peer: peer.reply(gzip.compress(b" " * 100_000) * 900, content_encoding="gzip"),
        endless(b"200 X\r\n" + CHUNKED, _CHUNK),
        endless(b"200 X\r\ncontent-length: 99999999999999", b" " * 65536),
        endless(b"200 X", b" " * 65536),
        endless(
            b"200 X\r\n" + CHUNKED + b"\r\ncontent-encoding: gzip",
            b"1000\r\n" + bomb(5)[:4096] + b"\r\n",
        ),
    ],
    ids=[
        "gzip",
        "deflate",
        "raw-deflate",
        "members",
        "chunks",
        "length",
        "until-closed",
        "gzip-in-chunks",
    ],
)
def test_a_body_beyond_the_bound_is_a_bad_response_and_is_not_held(
    answer: Callable[[Peer], None],
) -> None:
    with Hostile(answer) as server:
        who = teacher(server.url, attempts=1, max_answer_megabytes=2)
        answers = []
        taken = peak_megabytes(lambda: answers.extend(ask(who, request())))
    assert failure(answers).reason == "bad_response"
    assert taken < _FLAT


def test_the_bound_is_named_by_its_setting() -> None:
    with Hostile(lambda peer: peer.reply(good("x" * 3_000_000))) as server:
        found = failure(ask(teacher(server.url, attempts=1, max_answer_megabytes=2), request()))
        assert "teacher.max_answer_megabytes (2 MB)" in found.detail
        completed(ask(teacher(server.url, attempts=1, max_answer_megabytes=4), request()))


@pytest.mark.parametrize("status", [400, 500])
def test_an_error_is_read_as_far_as_its_bound(status: int) -> None:
    with Hostile(lambda peer: peer.reply(b"no room " + b"x" * 50_000_000, status)) as server:
        answers = []
        taken = peak_megabytes(
            lambda: answers.extend(ask(teacher(server.url, attempts=1), request()))
        )
    assert failure(answers).detail.startswith("no room")
    assert taken < _FLAT + 100  # the server, which is in this process too, holds one


def test_an_error_without_end_is_cut_off() -> None:
    with Hostile(endless(b"404 X\r\n" + CHUNKED, _CHUNK)) as server:
        found = failure(ask(teacher(server.url, attempts=1), request()))
    assert found.reason == "http_404"


@pytest.mark.slow
def test_an_answer_that_drips_without_end_ends_with_its_time() -> None:
    def answer(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 X\r\n" + CHUNKED + b"\r\n\r\n")
        while True:
            peer.send(b"1\r\n \r\n")
            time.sleep(0.01)

    with Hostile(answer) as server:
        found = failure(ask(teacher(server.url, attempts=1, timeout=0.3), request()))
    assert (found.reason, found.tokens) == ("timeout", None)


@pytest.mark.parametrize(
    ("pack", "name"),
    [
        (gzip.compress, "gzip"), (gzip.compress, "x-gzip"), (gzip.compress, "GZIP"), (zlib.compress,
        "deflate"),
        (lambda data: zlib.compress(data)[2:-4], "deflate"), (lambda data: data, "identity"),
        (lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:]), "gzip"),
    ],
)  # fmt: skip
def test_a_body_is_read_in_each_encoding_that_was_asked_for(
    pack: Callable[[bytes], bytes], name: str
) -> None:
    packed = pack(json.dumps(good("x" * 50_000)).encode())
    with Hostile(lambda peer: peer.reply(packed, content_encoding=name)) as server:
        (answer,) = completed(ask(teacher(server.url), request()))
    assert len(answer.text) == 50_000
    assert server.seen[0][1]["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"{}", "br"), (b"{}", "gzip, gzip"), (b"{}", "zstd"), (gzip.compress(b"{}", mtime=0)[:-9],
    "gzip"), (b"\x1f\x8bxx", "gzip"),
     (gzip.compress(b"{}", mtime=0) + b"tail", "gzip"), (b"", "gzip")],
)  # fmt: skip
def test_a_body_that_does_not_decode_is_a_bad_response(data: bytes, name: str) -> None:
    with Hostile(lambda peer: peer.reply(data, content_encoding=name)) as server:
        found = failure(ask(teacher(server.url, attempts=1), request()))
    assert (found.reason, found.tokens) == ("bad_response", None)


def test_pieces_of_a_bomb_come_out_within_their_bound() -> None:
    decode, most = decoder("gzip"), 100_000
    tracemalloc.start()
    found = decode(bomb(50), most)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == most
    assert peak < 2_000_000


def test_many_bodies_beyond_the_bound_side_by_side_stay_within_it() -> None:
    asked = [request(({"role": "user", "content": str(number)},)) for number in range(16)]
    packed = bomb(200)
    with Hostile(lambda peer: peer.reply(packed, content_encoding="gzip")) as server:
        who = teacher(server.url, attempts=1, max_answer_megabytes=1)
        answers = []
        taken = peak_megabytes(lambda: answers.extend(ask(who, *asked)))
    assert {answer.reason for answer in answers} == {"bad_response"}
    assert taken < 2 * _FLAT
