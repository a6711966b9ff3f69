"""curl over HTTP/3 alone: h3.py up|down URL FILE CA_FILE"""
import os
import sys

import pycurl

HTTP_3_ONLY = 31

direction, url, path, ca_file = sys.argv[1:]
curl = pycurl.Curl()
curl.setopt(pycurl.URL, url)
curl.setopt(pycurl.CAINFO, ca_file)
curl.setopt(pycurl.HTTP_VERSION, HTTP_3_ONLY)
if direction == "up":
    file = open(path, "rb")
    curl.setopt(pycurl.UPLOAD, 1)
    curl.setopt(pycurl.READDATA, file)
    curl.setopt(pycurl.INFILESIZE_LARGE, os.path.getsize(path))
    curl.setopt(pycurl.WRITEFUNCTION, lambda data: len(data))
else:
    file = open(path, "wb")
    curl.setopt(pycurl.WRITEDATA, file)
curl.perform()
file.close()
print(curl.getinfo(pycurl.RESPONSE_CODE), curl.getinfo(pycurl.INFO_HTTP_VERSION))
