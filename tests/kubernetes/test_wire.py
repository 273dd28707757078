"""Answers arrive in any pieces; what is no answer is an error and never a hang."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.destinations.kubernetes.wire import BrokenAnswer, Cut, Wire


@contextlib.contextmanager
def _wire(pieces: list[bytes]) -> Iterator[Wire]:
    """A wire whose other side says these pieces and hangs up."""
    near, far = socket.socketpair()

    def say() -> None:
        with far, contextlib.suppress(OSError):  # the reader may have heard enough
            for piece in pieces:
                far.sendall(piece)

    speaker = threading.Thread(target=say)
    speaker.start()
    near.settimeout(5)
    wire = Wire(near)
    try:
        yield wire
    finally:
        wire.close()
        speaker.join()


def _read(wire: Wire) -> bytes:
    wire.head()
    return wire.body()


def _split(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


def _framed(body: bytes, how: str, sizes: list[int]) -> bytes:
    head = "HTTP/1.1 200 OK\r\nX-Other: a\r\n"
    if "gzip" in how:
        body = gzip.compress(body)
        head += "Content-Encoding: gzip\r\n"
    if "chunked" in how:
        chunks = [piece for piece in _split(body, sizes) if piece]
        body = b"".join(b"%x;note\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\nTrailer: x\r\n\r\n"
        head += "Transfer-Encoding: chunked\r\n"
    elif "length" in how:
        head += f"Content-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


_SIZES = st.lists(st.integers(1, 50), max_size=20)


@given(
    body=st.binary(max_size=500),
    how=st.sampled_from(["length", "chunked", "until its end", "length gzip", "chunked gzip"]),
    chunks=_SIZES,
    pieces=_SIZES,
)
def test_a_body_in_any_pieces(body: bytes, how: str, chunks: list[int], pieces: list[int]) -> None:
    answer = _framed(body, how, chunks)
    follows = b"" if how == "until its end" else answer
    with _wire(_split(b"HTTP/1.1 100 Continue\r\n\r\n" + answer + follows, pieces)) as wire:
        for _ in range(2 if follows else 1):
            head = wire.head()
            assert (head.status, head.headers["x-other"], head.keeps_alive) == (200, "a", True)
            assert wire.body() == body


@given(body=st.binary(min_size=1, max_size=200), chunked=st.booleans(), data=st.data())
def test_an_answer_that_ends_early_is_cut(body: bytes, chunked: bool, data: st.DataObject) -> None:
    answer = _framed(body, "chunked" if chunked else "length", [7] * 10)
    end = data.draw(st.integers(0, len(answer) - 1))
    with _wire([answer[:end]]) as wire, pytest.raises(Cut):
        _read(wire)


@given(noise=st.binary(max_size=300))
def test_noise_is_no_answer(noise: bytes) -> None:
    with _wire([noise]) as wire, contextlib.suppress(Cut, BrokenAnswer):
        _read(wire)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + gzip.compress(b"abc")[:10],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
    ],
    ids=["length", "encoding", "no gzip", "half a gzip", "chunk", "version", "status", "endless"],
)
def test_answers_that_make_no_sense(answer: bytes) -> None:
    with _wire([answer]) as wire, pytest.raises(BrokenAnswer):
        _read(wire)


def test_another_thread_wakes_a_reader() -> None:
    near, far = socket.socketpair()
    with far:
        near.settimeout(30)
        wire = Wire(near)

        def read() -> None:
            with pytest.raises(Cut):
                wire.head()

        reader = threading.Thread(target=read)
        reader.start()
        wire.abort()
        reader.join(5)
        assert not reader.is_alive()
        wire.abort()
        wire.close()
        wire.abort()
