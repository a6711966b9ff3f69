#!/usr/bin/env python3
"""Takes uploads, writing each chunk to disk as it comes: memory stays constant. Needs eventlet.

usage: server.py FOLDER [PORT]     prints the port it listens on
"""
import os
import sys
import urllib.parse

import eventlet
import eventlet.wsgi

CHUNK = 65_563


def application(folder):
    def answer(environ, start_response):
        query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
        name = os.path.basename(query.get("file", ["upload"])[0])
        if environ["REQUEST_METHOD"] not in ("PUT", "POST") or not name or name.startswith("."):
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [b"PUT /?file=NAME\n"]
        unfinished = os.path.join(folder, f".{name}.part")
        size = 0
        with open(unfinished, "wb") as file:
            while chunk := environ["wsgi.input"].read(CHUNK):
                file.write(chunk)
                size += len(chunk)
        os.replace(unfinished, os.path.join(folder, name))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d bytes\n" % size]

    return answer


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    listener = eventlet.listen(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) == 3 else 0))
    print(listener.getsockname()[1], flush=True)
    eventlet.wsgi.server(listener, application(sys.argv[1]), log_output=False)
