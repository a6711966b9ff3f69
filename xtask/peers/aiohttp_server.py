"""A server of aiohttp that keeps uploads: aiohttp_server.py FOLDER PORT TLS_PORT CERT_FILE KEY_FILE"""
import asyncio
import pathlib
import ssl
import sys

from aiohttp import web

folder, port, tls_port, cert_file, key_file = sys.argv[1:]
files = pathlib.Path(folder) / "files"


async def put(request):
    with open(files / request.match_info["name"], "wb") as file:
        async for chunk in request.content.iter_any():
            file.write(chunk)
    return web.Response(status=201)


async def get(request):
    return web.FileResponse(files / request.match_info["name"])


async def main():
    app = web.Application(client_max_size=0)
    app.add_routes([web.put("/{name}", put), web.get("/{name}", get)])
    runner = web.AppRunner(app)
    await runner.setup()
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(cert_file, key_file)
    await web.TCPSite(runner, "127.0.0.1", int(port)).start()
    await web.TCPSite(runner, "127.0.0.1", int(tls_port), ssl_context=trust).start()
    await asyncio.Event().wait()


asyncio.run(main())
