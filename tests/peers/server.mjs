// A server by node:http: server.mjs PORT chunks|whole. It holds whole bodies, or passes over them chunk by chunk.
import http from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const [port, mode] = process.argv.slice(2);

function* chunks(size) {
  const chunk = Buffer.alloc(1 << 16, "x");
  for (let start = 0; start < size; start += chunk.length) yield chunk.subarray(0, size - start);
}

const server = http.createServer(async (request, response) => {
  if (request.method === "GET") {
    const size = Number(request.url.slice(1));
    if (mode === "whole") return response.end(Buffer.alloc(size, "x"));
    return pipeline(Readable.from(chunks(size)), response).catch(() => {});
  }
  const kept = [];
  for await (const chunk of request) if (mode === "whole") kept.push(chunk);
  response.end(String(kept.length));
});
server.listen(Number(port), "127.0.0.1");
