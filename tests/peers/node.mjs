// A client of Node.js: node.mjs fetch|http|http2 up|down URL FILE. Prints the status of the response.
import { createReadStream, createWriteStream } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [module, direction, url, file] = process.argv.slice(2);
const isUpload = direction === "up";

// undici, which sends a stream of unknown length in chunks.
async function byFetch() {
  const upload = { method: "PUT", body: isUpload && Readable.toWeb(createReadStream(file)), duplex: "half" };
  const response = await fetch(url, isUpload ? upload : {});
  return { status: response.status, body: Readable.fromWeb(response.body) };
}

function byHttp() {
  return new Promise((resolve, reject) => {
    const request = (url.startsWith("https:") ? https : http).request(url, { method: isUpload ? "PUT" : "GET" });
    request.on("response", (response) => resolve({ status: response.statusCode, body: response }));
    request.on("error", reject);
    isUpload ? createReadStream(file).pipe(request) : request.end();
  });
}

function byHttp2() {
  return new Promise((resolve, reject) => {
    const { origin, pathname, search } = new URL(url);
    const session = http2.connect(origin);
    const stream = session.request({ ":method": isUpload ? "PUT" : "GET", ":path": pathname + search });
    stream.on("response", (headers) => resolve({ status: headers[":status"], body: stream }));
    stream.on("close", () => session.close());
    session.on("error", reject);
    stream.on("error", reject);
    isUpload ? createReadStream(file).pipe(stream) : stream.end();
  });
}

const { status, body } = await { fetch: byFetch, http: byHttp, http2: byHttp2 }[module]();
await pipeline(body, createWriteStream(isUpload ? "/dev/null" : file));
console.log(status);
