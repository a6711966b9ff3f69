"""A client of aiohttp: aiohttp_client.py up|down URL FILE CA_FILE"""
import asyncio
import ssl
import sys

import aiohttp

direction, url, path, ca_file = sys.argv[1:]
CHUNK = 1 << 20


async def content():
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


async def main():
    trust = ssl.create_default_context(cafile=ca_file)
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        if direction == "up":
            async with session.put(url, data=content(), ssl=trust) as response:
                await response.read()
        else:
            async with session.get(url, ssl=trust) as response:
                with open(path, "wb") as file:
                    async for chunk in response.content.iter_chunked(CHUNK):
                        file.write(chunk)


asyncio.run(main())
