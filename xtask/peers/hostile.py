"""Strangers of all kinds at once: hostile.py CLEARTEXT TLS CONNECTIONS SECONDS

Opens hostile connections to a server on this machine, each kind as many, and keeps them at work for some seconds. Prints
a line of JSON when all are open, and one at the end with the connections of each kind: opened, and still open.
"""

import asyncio
import json
import socket
import ssl
import sys
import time

try:
    from aioquic.asyncio.client import connect
    from aioquic.asyncio.protocol import QuicConnectionProtocol
    from aioquic.buffer import encode_uint_var
    from aioquic.quic.configuration import QuicConfiguration
except ImportError:
    connect = None

CLEARTEXT, TLS, COUNT, SECONDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
# How often a flood goes on, so that the strangers leave the processor to the server and its neighbour.
PACE = 0.25


def address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


# HTTP/1.1: an opening, and what follows at each pace.
def head(method, path, *fields):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {CLEARTEXT}", *fields]
    return "\r\n".join(lines).encode()


END = b"\r\n\r\n"
PUT_CHUNKED = head("PUT", "/x", "Transfer-Encoding: chunked") + END

# HTTP/2: frames by hand.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(**values):
    names = {"window": 4, "frame": 5}
    pairs = (names[name].to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in values.items())
    return frame(4, 0, 0, b"".join(pairs))


def literal(prefix, text):
    return prefix + bytes([len(text)]) + text.encode()


def fields(method, path):
    return {"GET": b"\x82", "POST": b"\x83"}[method] + b"\x86" + literal(b"\x04", path) + literal(b"\x01", CLEARTEXT)


def get(stream, path):
    return frame(1, 5, stream, fields("GET", path))


OPEN = PREFACE + settings() + frame(4, 1, 0)
NO_WINDOW = PREFACE + settings(window=0) + frame(4, 1, 0)
POST = OPEN + frame(1, 4, 1, fields("POST", "/x"))


def streams(path, count=128):
    return b"".join(get(2 * n + 1, path(n)) for n in range(count))


class Rapid:
    """Streams that are opened and reset at once."""

    def __init__(self):
        self.stream = 1

    def __call__(self):
        pieces = []
        for _ in range(100):
            pieces += [get(self.stream, "/?size=1MiB"), frame(3, 0, self.stream, b"\0\0\0\x08")]
            self.stream += 2
        return b"".join(pieces)


def once(data):
    return lambda: (data, lambda: b"")


def flood(opening, piece):
    return lambda: (opening, lambda: piece)


# Each kind of TCP: whether it is TLS, whether it reads, and a function that gives an opening and what follows.
TCP = {
    "silent": (False, False, once(b"")),
    "junk": (False, False, once(bytes(range(256)) * 64)),
    "slow head": (False, False, flood(head("GET", "/"), b"\r\na: b")),
    "endless head": (False, False, flood(head("GET", "/"), b"\r\na: " + b"b" * 16000)),
    "unread pages": (False, False, flood(b"", (head("GET", "/") + END) * 200)),
    "unread download": (False, False, once(head("GET", "/?size=1GiB&chunk=1MiB") + END)),
    "many seeds": (False, True, lambda: (b"", seeds())),
    "small chunks": (False, True, once(head("GET", "/?size=1GiB&chunk=1KiB") + END)),
    "slow body": (False, False, flood(head("PUT", "/x", "Content-Length: 1073741824") + END, b"x")),
    "chunk extensions": (False, False, flood(PUT_CHUNKED, b"1;" + b"a" * 8000 + b"\r\nx\r\n")),
    "endless trailers": (False, False, flood(PUT_CHUNKED + b"0\r\n", b"a: " + b"b" * 8000 + b"\r\n")),
    "zeros in a chunk size": (False, False, flood(PUT_CHUNKED, b"0" * 8000)),
    "TLS silent": (True, False, once(b"")),
    "TLS half a hello": (True, False, flood(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0")),
    "TLS junk": (True, False, once(b"\x17\x03\x03\x40\x00" + b"x" * 16384)),
    "h2 idle": (False, False, once(OPEN)),
    "h2 downloads, no window": (
        False, False, once(NO_WINDOW + streams(lambda n: f"/?size=1GiB&chunk=1MiB&seed={n}"))),
    "h2 pages, no window": (False, False, once(NO_WINDOW + streams(lambda _: "/"))),
    "h2 refusals, no window": (False, False, once(NO_WINDOW + streams(lambda _: "/?size=x"))),
    "h2 one-byte DATA": (False, False, flood(POST, frame(0, 0, 1, b"x") * 2000)),
    "h2 empty DATA": (False, False, flood(POST, frame(0, 0, 1) * 2000)),
    "h2 stalled uploads": (
        False, False, once(OPEN + b"".join(frame(1, 4, 2 * n + 1, fields("POST", "/x")) for n in range(128)))),
    "h2 CONTINUATION": (False, False, flood(OPEN + frame(1, 0, 1, b"\x82"), frame(9, 0, 1, literal(b"\0", "a") * 2) * 500)),
    "h2 rapid reset": (False, False, lambda: (OPEN, Rapid())),
    "h2 PING": (False, False, flood(OPEN, frame(6, 0, 0, b"12345678") * 1000)),
    "h2 SETTINGS": (False, False, flood(OPEN, settings() * 1000)),
    "h2 PRIORITY": (False, False, flood(OPEN, frame(2, 0, 1, b"\0\0\0\0\x10") * 1000)),
    "h2 WINDOW_UPDATE by one": (
        False, True, flood(NO_WINDOW + get(1, "/?size=1GiB"), frame(8, 0, 1, b"\0\0\0\x01"))),
}


def seeds():
    number = iter(range(1 << 30))
    return lambda: b"".join(head("HEAD", f"/?size=1GiB&seed={next(number)}") + END for _ in range(4))


async def tcp(kind, until, opened):
    is_tls, reads, make = TCP[kind]
    opening, following = make()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET) as peer:
        peer.setblocking(False)
        # What is not read is held by the server, not here.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await loop.sock_connect(peer, address(TLS if is_tls else CLEARTEXT))
        opened()

        async def write():
            await loop.sock_sendall(peer, opening)
            while True:
                await asyncio.sleep(PACE)
                await loop.sock_sendall(peer, following())

        async def drain():
            while reads and await loop.sock_recv(peer, 1 << 16):
                await asyncio.sleep(0.01)
            if not reads:
                await asyncio.Event().wait()

        return await work(until, write(), drain())


async def work(until, *tasks):
    """Works until the end, or until the server has had enough. Returns whether the connection is still open."""
    tasks = [asyncio.ensure_future(task) for task in tasks]
    done, pending = await asyncio.wait(tasks, timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.exception()
    return not done


# HTTP/3: the first bytes of the control stream, or of a request, and what follows.
def long_frame(kind):
    return encode_uint_var(kind) + encode_uint_var(1 << 30)


QUIC = {
    "h3 idle": (None, b"", b""),
    "h3 long HEADERS": (False, lambda: long_frame(1), b"x" * 4000),
    "h3 long unknown frame": (False, lambda: long_frame(33), b"x" * 4000),
    "h3 long SETTINGS": (True, lambda: b"\0" + long_frame(4), b"x" * 4000),
    "h3 no head": (False, lambda: b"\x01", b""),
    "h3 unknown streams": (True, lambda: encode_uint_var(0x40), b"x" * 100),
    "h3 empty frames": (False, lambda: b"", b"\x21\x00" * 1000),
    "h3 DATAGRAM": (None, b"", "datagram"),
}


async def quic(kind, until, opened):
    is_unidirectional, opening, following = QUIC[kind]
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE, max_datagram_frame_size=65535)
    host, port = address(TLS)
    async with connect(host, port, configuration=configuration, create_protocol=QuicConnectionProtocol) as client:
        opened()

        async def flood():
            link = client._quic
            if is_unidirectional is not None:
                stream = link.get_next_available_stream_id(is_unidirectional=is_unidirectional)
                link.send_stream_data(stream, opening())
                client.transmit()
            while True:
                await asyncio.sleep(PACE)
                if following == "datagram":
                    try:
                        link.send_datagram_frame(b"x")
                    except ValueError:
                        pass
                elif following:
                    link.send_stream_data(stream, following)
                client.transmit()

        return await work(until, flood(), client.wait_closed())


async def main():
    kinds = [(kind, tcp) for kind in TCP] + ([(kind, quic) for kind in QUIC] if connect else [])
    each = -(-COUNT // len(kinds))
    counts = {kind: [0, 0] for kind, _ in kinds}
    opening = 0.01 * each * len(kinds) + 2
    end = time.monotonic() + opening + SECONDS

    async def one(kind, run, delay):
        await asyncio.sleep(delay)

        def opened():
            counts[kind][0] += 1

        try:
            is_open = await run(kind, end, opened)
            counts[kind][1] += is_open
        except (OSError, asyncio.TimeoutError):
            pass

    # Connections come one after the other, so that no backlog overflows.
    tasks = [
        asyncio.ensure_future(one(kind, run, 0.01 * (n * len(kinds) + i)))
        for n in range(each) for i, (kind, run) in enumerate(kinds)
    ]
    await asyncio.sleep(opening)
    print(json.dumps({"event": "ready"}), flush=True)
    await asyncio.wait(tasks, timeout=SECONDS + 20)
    missing = [] if connect else [f"{kind}: needs aioquic" for kind in QUIC]
    rows = [[kind, *count] for kind, count in counts.items()]
    print(json.dumps({"event": "done", "kinds": rows, "missing": missing}), flush=True)


asyncio.run(main())
