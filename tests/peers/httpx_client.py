"""A client of httpx: httpx_client.py 1|2 up|down URL FILE CA_FILE. Prints the status of the response."""
import ssl
import sys

import httpx

version, direction, url, path, ca_file = sys.argv[1:]
CHUNK = 1 << 20


def content():
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


trust = ssl.create_default_context(cafile=ca_file)
with httpx.Client(http1=version == "1", http2=version == "2", verify=trust, timeout=120) as client:
    if direction == "up":
        response = client.put(url, content=content())
    else:
        with client.stream("GET", url) as response, open(path, "wb") as file:
            for chunk in response.iter_raw(CHUNK):
                file.write(chunk)
assert response.http_version == {"1": "HTTP/1.1", "2": "HTTP/2"}[version], response.http_version
print(response.status_code)
