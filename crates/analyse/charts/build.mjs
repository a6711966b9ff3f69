// Rebuilds the chart library inside report.html: the parts of Apache ECharts that the page uses, in one minified file,
// and the licences of what it contains. The same versions give the same bytes.
// usage: npm install --ignore-scripts && npm run build
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const page = "../src/formats/page";
const { echarts, tslib, zrender } = JSON.parse(readFileSync("package.json", "utf8")).dependencies;
const banner = `/*! Apache ECharts ${echarts}, Copyright 2017-2026 The Apache Software Foundation. Licensed under the Apache License,
 * Version 2.0: http://www.apache.org/licenses/LICENSE-2.0. A selection of its modules, bundled and minified.
 * With zrender ${zrender} (BSD-3-Clause) and tslib ${tslib} (0BSD). Their texts stand at the end of the page. */`;

const bundle = execFileSync(
  "node_modules/.bin/esbuild",
  [
    "library.js", "--bundle", "--minify", "--format=iife", "--global-name=echarts", "--target=es2020", "--charset=utf8",
    "--legal-comments=none", '--define:process.env.NODE_ENV="production"', `--banner:js=${banner}`, "--log-level=warning",
  ],
  { encoding: "utf8", maxBuffer: 1 << 26 },
);
if (bundle.includes("</script")) throw new Error("the bundle would end its script element");
writeFileSync(`${page}/echarts.min.js`, bundle);

const licence = (title, file) =>
  `${title}\n${"=".repeat(title.length)}\n\n${readFileSync(`node_modules/${file}`, "utf8")}\n\n`;
const texts = [
  licence(`Apache ECharts ${echarts}: NOTICE`, "echarts/NOTICE"),
  licence(`Apache ECharts ${echarts}: LICENSE`, "echarts/LICENSE"),
  ...readdirSync("node_modules/echarts/licenses").sort().map((name) =>
    licence(`Apache ECharts ${echarts}: licenses/${name}`, `echarts/licenses/${name}`)),
  licence(`zrender ${zrender}: LICENSE`, "zrender/LICENSE"),
  licence(`tslib ${tslib}: LICENSE`, "tslib/LICENSE.txt"),
].join("");
if (texts.includes("--")) throw new Error("the licences would end the comment that they stand in");
writeFileSync(`${page}/echarts.LICENSE`, texts);
