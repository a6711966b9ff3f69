"""Works through SIZE bytes chunk by chunk, and keeps LEAK bytes of each MiB: leak.py SIZE LEAK."""

import mmap
import sys
import time

size, leak = int(sys.argv[1]), int(sys.argv[2])
steps = size >> 20
# Pages that are used once they are written. A buffer that grows reserves an eighth in advance, and moves.
kept = mmap.mmap(-1, max(1, steps * leak), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
chunk = bytearray(1 << 20)
for step in range(steps):
    chunk[:] = bytes([step & 255]) * len(chunk)
    kept.write(chunk[:leak])
    time.sleep(0.001)
