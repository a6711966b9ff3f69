"""A server over HTTP/1.1 that takes one small upload well, and then ends, or never answers again.

Usage: odd_server.py PORT ends|hangs
"""

import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, CONDUCT = int(sys.argv[1]), sys.argv[2]
UPLOADS = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        UPLOADS.append(self.path)
        if len(UPLOADS) > 1:
            if CONDUCT == "ends":
                os._exit(3)
            time.sleep(60)
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
