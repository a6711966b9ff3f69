#!/usr/bin/env python3
"""Uploads a file of any size in chunks of 65,563 bytes, by hand: memory stays constant.

usage: client.py URL FILE [CA_FILE]     with URL http://HOST:PORT or https://HOST:PORT
"""
import http.client
import mimetypes
import os
import ssl
import sys
import urllib.parse

CHUNK = 65_563


def upload(url, path, ca_file=None):
    target = urllib.parse.urlsplit(url)
    if target.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(target.netloc, context=context)
    else:
        connection = http.client.HTTPConnection(target.netloc)
    name = os.path.basename(path)
    connection.putrequest("PUT", "/?" + urllib.parse.urlencode({"file": name}))
    connection.putheader("Content-Type", mimetypes.guess_type(name)[0] or "application/octet-stream")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            connection.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    connection.send(b"0\r\n\r\n")
    response = connection.getresponse()
    return response.status, response.read().decode()


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    status, text = upload(*sys.argv[1:])
    print(text.strip())
    sys.exit(0 if status < 300 else 1)
