"""A server of uploads and downloads by Python's own http.server. It holds whole bodies in memory, or chunks of 64 KiB."""

import http.server
import sys

port, mode = int(sys.argv[1]), sys.argv[2]
CHUNK = 1 << 16


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
        if mode == "whole":
            self.wfile.write(b"x" * size)
        else:
            chunk = b"x" * CHUNK
            for start in range(0, size, CHUNK):
                self.wfile.write(chunk[: size - start])

    def answer(self, status, length=0):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
print("ready", flush=True)
server.serve_forever()
