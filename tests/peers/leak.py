"""Works through SIZE bytes chunk by chunk, and keeps LEAK bytes of each MiB: leak.py SIZE LEAK."""

import sys
import time

size, leak = int(sys.argv[1]), int(sys.argv[2])
kept = bytearray()
chunk = bytearray(1 << 20)
for step in range(size >> 20):
    chunk[:] = bytes([step & 255]) * len(chunk)
    kept += chunk[:leak]
    time.sleep(0.001)
