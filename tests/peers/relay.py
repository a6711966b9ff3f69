"""A proxy that passes bytes on: chunk by chunk, or without a bound on those that it holds in memory or on disk."""

import os
import queue
import socket
import sys
import tempfile
import threading

port, upstream, mode = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
CHUNK = 1 << 16


def chunks(source):
    """Yields what arrives, in one buffer that is used again and again."""
    buffer = memoryview(bytearray(CHUNK))
    try:
        while size := source.recv_into(buffer):
            yield buffer[:size]
    except OSError:
        pass


def held(source):
    """Yields what arrives, and reads on meanwhile."""
    pieces, place = queue.SimpleQueue(), 0
    spool = tempfile.TemporaryFile() if mode == "disk" else None

    def read():
        for chunk in chunks(source):
            if spool:
                spool.write(chunk)
                spool.flush()
            pieces.put(len(chunk) if spool else bytes(chunk))
        pieces.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (piece := pieces.get()) is not None:
        if spool:
            yield os.pread(spool.fileno(), piece, place)
            place += piece
        else:
            yield piece


def relay(source, sink):
    try:
        for chunk in chunks(source) if mode == "chunks" else held(source):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


listener = socket.create_server(("127.0.0.1", port))
while True:
    client, _ = listener.accept()
    try:
        server = socket.create_connection(("127.0.0.1", upstream))
    except OSError:
        client.close()
        continue
    for pair in (client, server), (server, client):
        threading.Thread(target=relay, args=pair, daemon=True).start()
