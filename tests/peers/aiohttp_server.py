"""A server by aiohttp: aiohttp_server.py PORT chunks|whole. It holds whole bodies, or passes over them chunk by chunk."""

import sys

from aiohttp import web

port, mode = int(sys.argv[1]), sys.argv[2]


async def upload(request):
    if mode == "whole":
        await request.read()
    else:
        async for _ in request.content.iter_chunked(1 << 16):
            pass
    return web.Response()


async def download(request):
    size = int(request.match_info["size"])
    if mode == "whole":
        return web.Response(body=b"x" * size)
    response = web.StreamResponse()
    await response.prepare(request)
    chunk = b"x" * (1 << 16)
    for start in range(0, size, len(chunk)):
        await response.write(chunk[: size - start])
    return response


app = web.Application(client_max_size=1 << 40)
app.add_routes([web.put("/", upload), web.get("/{size}", download)])
web.run_app(app, host="127.0.0.1", port=port, print=None)
