"""A server by aiohttp: form_server.py PORT. It answers the fields of a form as JSON, with their digests, and reads a file
chunk by chunk. /moved redirects to the page /done."""

import hashlib
import sys

from aiohttp import hdrs, web


async def form(request):
    fields = []
    async for part in await request.multipart():
        digest, size = hashlib.sha256(), 0
        while chunk := await part.read_chunk(1 << 16):
            digest.update(chunk)
            size += len(chunk)
        fields.append([part.name, part.filename, part.headers.get(hdrs.CONTENT_TYPE), size, digest.hexdigest()])
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        print(repr((request.method, request.content_length, fields)), file=log)
    if request.path == "/moved":
        raise web.HTTPFound("/done")
    return web.json_response(fields)


async def done(request):
    with open(sys.argv[2], "a", encoding="utf-8") as log:
        print(repr((request.method, "done")), file=log)
    return web.Response()


app = web.Application(client_max_size=1 << 40)
app.add_routes([web.post("/", form), web.post("/moved", form), web.route("*", "/done", done)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
