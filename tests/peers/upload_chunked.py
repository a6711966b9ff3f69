"""A client that uploads a file in chunks of 64 KiB, by Python's own http.client."""

import http.client
import sys
import urllib.parse

url, path = sys.argv[1:3]
parts = urllib.parse.urlsplit(url)
connection = http.client.HTTPConnection(parts.hostname, parts.port)


def chunks(file):
    while chunk := file.read(1 << 16):
        yield chunk


with open(path, "rb") as file:
    connection.request("PUT", parts.path, body=chunks(file), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    response = connection.getresponse()
    response.read()
sys.exit(response.status != 200)
