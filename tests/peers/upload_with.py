"""Uploads a file by a library: upload_with.py requests|httpx|aiohttp chunks|whole URL FILE."""

import asyncio
import sys

library, mode, url, path = sys.argv[1:5]


def chunks(file):
    while chunk := file.read(1 << 16):
        yield chunk


async def achunks(file):
    for chunk in chunks(file):
        yield chunk


def by_requests(file):
    import requests

    return requests.put(url, data=file.read() if mode == "whole" else chunks(file)).status_code


def by_httpx(file):
    import httpx

    return httpx.put(url, content=file.read() if mode == "whole" else chunks(file), timeout=None).status_code


def by_aiohttp(file):
    import aiohttp

    async def put():
        async with aiohttp.ClientSession() as session:
            async with session.put(url, data=file.read() if mode == "whole" else achunks(file)) as response:
                return response.status

    return asyncio.run(put())


with open(path, "rb") as file:
    status = {"requests": by_requests, "httpx": by_httpx, "aiohttp": by_aiohttp}[library](file)
sys.exit(status != 200)
