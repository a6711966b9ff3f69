"""A client that reads the whole file into memory before it uploads it."""

import sys
import urllib.request

url, path = sys.argv[1:3]
with open(path, "rb") as file:
    body = file.read()
with urllib.request.urlopen(urllib.request.Request(url, data=body, method="PUT")) as response:
    response.read()
