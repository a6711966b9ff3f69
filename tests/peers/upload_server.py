"""A server of uploads and downloads by Python's own http.server: upload_server.py PORT MODE.

It holds whole bodies in memory (whole), or chunks of 64 KiB (chunks). It reads a download into memory ahead of a slow reader
(ahead), or ends a download of which no byte has moved for three seconds (impatient).
"""

import http.server
import queue
import sys
import threading

port, mode = int(sys.argv[1]), sys.argv[2]
CHUNK = 1 << 16


def chunks(size):
    chunk = b"x" * CHUNK
    for start in range(0, size, CHUNK):
        yield chunk[: size - start]


def read_ahead(size):
    """Yields chunks from a queue without a bound, which a thread fills."""
    kept = queue.SimpleQueue()

    def read():
        for chunk in chunks(size):
            kept.put(bytes(bytearray(chunk)))
        kept.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (chunk := kept.get()) is not None:
        yield chunk


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        length = self.headers.get("Content-Length")
        if length is None:
            return self.answer(411)
        left = int(length)
        if mode == "whole":
            body = self.rfile.read(left)
            left -= len(body)
        while left > 0 and (chunk := self.rfile.read(min(left, CHUNK))):
            left -= len(chunk)
        self.answer(200 if left == 0 else 400)

    do_POST = do_PUT

    def do_GET(self):
        size = int(self.path.strip("/"))
        self.answer(200, size)
        if mode == "impatient":
            self.connection.settimeout(3)
        if mode == "whole":
            self.wfile.write(b"x" * size)
            return
        try:
            for chunk in read_ahead(size) if mode == "ahead" else chunks(size):
                self.wfile.write(chunk)
        except TimeoutError:
            self.close_connection = True

    def answer(self, status, length=0):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
