// Uploads a file by fetch: upload_with.mjs chunks|whole URL FILE.
import { createReadStream, readFileSync } from "node:fs";
import { Readable } from "node:stream";

const [mode, url, file] = process.argv.slice(2);
const body = mode === "whole" ? readFileSync(file) : Readable.toWeb(createReadStream(file));
const response = await fetch(url, { method: "PUT", body, duplex: "half" });
process.exit(response.status === 200 ? 0 : 1);
