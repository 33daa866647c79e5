// Measures the viewer page in Chromium and writes benches/VIEWER.md: how soon the first annotated frame is seen, how old a
// picture is when it is seen, and whether frames are lost at 1280x720@30 with twelve boxes a frame.
//
// Glass to glass: the camera is a film of numbered pictures. The number is read from each picture as the camera gives it to the
// page (a second reader of the same track) and from the page's canvas after each drawing; the time of display is the animation
// frame after that drawing, when the compositor has taken it. Both clocks are the page's.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, launch, startWorker } from "../tests/browser/harness.mjs";
import { SQUARE, writeCamera } from "../tests/browser/counter_camera.mjs";
import { counterWorker, reached, statistic } from "../tests/browser/viewer.mjs";

const { values } = parseArgs({ options: { runs: { type: "string", default: "10" }, seconds: { type: "string", default: "60" }, dry: { type: "boolean", default: false } } });
const RUNS = Number(values.runs);
const SECONDS = Number(values.seconds);

/** Runs in the page before its script: keeps the camera's track, and notes every picture taken and every picture shown. */
function watch(square) {
  const seen = (window.seen = { captured: new Map(), ages: [], shown: 0, numbers: new Set(), firstBox: null, source: null });
  const read = (data, step, scale = 1) => {
    let number = 0;
    for (let bit = 0; bit < 8; bit += 1) if (data[Math.floor((bit + 0.5) * square * scale) * step] > 128) number |= 1 << bit;
    return number;
  };
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await real(wanted);
    if (window.readCamera) readAll(stream.getVideoTracks()[0].clone());
    return stream;
  };
  async function readAll(track) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 2 }).readable.getReader();
    const row = new Uint8Array(square * 8 * 3);
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const frame = next.value;
      const told = frame.metadata?.().captureTime;
      const at = told ?? performance.now();
      seen.source = told === undefined ? "arrival at a second reader" : "capture time of the frame";
      await frame.copyTo(row, { rect: { x: 0, y: square / 2, width: square * 8, height: 2 } });
      frame.close();
      seen.captured.set(read(row, 1), at);
      seen.taken = (seen.taken ?? 0) + 1;
    }
  }
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...args) {
    draw.apply(this, args);
    if (this.canvas.id !== "picture") return;
    seen.shown += 1;
    if (!window.readCamera) return;
    // The browser may send smaller pictures than the camera gives.
    const scale = this.canvas.width / Number(document.getElementById("size").value.split("x")[0]);
    const number = read(this.getImageData(0, (square * scale) / 2, square * 8 * scale, 1).data, 4, scale);
    seen.numbers.add(number);
    const taken = seen.captured.get(number);
    if (taken !== undefined) requestAnimationFrame(() => requestAnimationFrame((at) => seen.ages.push(at - taken)));
  };
  const box = CanvasRenderingContext2D.prototype.strokeRect;
  CanvasRenderingContext2D.prototype.strokeRect = function (...args) {
    seen.firstBox ??= performance.now();
    box.apply(this, args);
  };
}

async function open(browser, url, { readCamera, size = "640x480" }) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 860 } });
  const page = await context.newPage();
  await page.addInitScript(watch, SQUARE);
  await page.addInitScript((flag) => (window.readCamera = flag), readCamera);
  // Pressed as soon as the form is there, as by somebody who waits for it.
  await page.addInitScript((wanted) => {
    const timer = setInterval(() => {
      if (!document.getElementById("worker")?.dataset.level) return;
      clearInterval(timer);
      document.getElementById("size").value = wanted;
      document.getElementById("start").click();
    }, 5);
  }, size);
  await page.goto(url);
  await reached(page, "running");
  return { page, close: () => context.close() };
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const at = (list, share) => sorted(list)[Math.min(list.length - 1, Math.floor(list.length * share))];
const ms = (value) => `${value.toFixed(0)} ms`;

async function firstFrames(browser, url) {
  const times = [];
  for (let run = 0; run < RUNS; run += 1) {
    const { page, close } = await open(browser, url, { readCamera: false });
    await page.waitForFunction(() => window.seen.shown > 0);
    times.push(await page.evaluate(() => window.seen.firstBox ?? performance.now()));
    await close();
  }
  return times;
}

async function glassToGlass(browser, url, size, seconds) {
  const { page, close } = await open(browser, url, { readCamera: true, size });
  await page.waitForTimeout(3000); // the bit rate estimate has settled
  await page.evaluate(() => Object.assign(window.seen, { ages: [], shown: 0, taken: 0 }));
  const before = await counts(page);
  await page.waitForTimeout(seconds * 1000);
  const result = await page.evaluate(() => ({ ages: window.seen.ages, shown: window.seen.shown, taken: window.seen.taken, source: window.seen.source, said: document.getElementById("latency-now").textContent }));
  const after = await counts(page);
  await close();
  return { ...result, size: after.size, dropped: after.dropped - before.dropped, unmatched: after.unmatched - before.unmatched };
}

async function counts(page) {
  const number = async (name) => Number((await statistic(page, name)) ?? 0);
  return { dropped: await number("Frames the decoder dropped"), unmatched: await number("Frames without a result"), size: await statistic(page, "Sent") };
}

const folder = mkdtempSync(join(tmpdir(), "viewer-bench-"));
const rows = [];
const row = (what, reach, value, n) => {
  rows.push(`| ${what} | ${reach} | ${value} | ${n} |`);
  console.log(rows.at(-1));
};

async function main() {
  const small = writeCamera(join(folder, "small.y4m"), { frames: 128 });
  const large = writeCamera(join(folder, "large.y4m"), { width: 1280, height: 720, frames: 128 });
  const worker = await counterWorker();
  const detector = await startWorker();
  const first = await launch({ camera: small });
  for (const [name, url] of [["twelve boxes, no model", worker.url], ["the bundled detector", detector.url]]) {
    const times = await firstFrames(first, url);
    row(`page opened to first annotated frame, ${name}`, "1000 ms", `p50 ${ms(at(times, 0.5))}, worst ${ms(Math.max(...times))}`, times.length);
  }
  const glass = await glassToGlass(first, worker.url, "640x480", SECONDS / 2);
  row("glass to glass at 640x480@30, twelve boxes, no model", "p50 80 ms", `p50 ${ms(at(glass.ages, 0.5))}, p95 ${ms(at(glass.ages, 0.95))} (the page says ${glass.said})`, glass.ages.length);
  await first.close();
  const second = await launch({ camera: large });
  const hd = await glassToGlass(second, worker.url, "1280x720", SECONDS);
  const metrics = await (await fetch(`${worker.url}/metrics`)).text();
  row(`1280x720@30 with twelve boxes, ${SECONDS} s`, "no frame lost", `${hd.taken} taken, ${hd.shown} shown, ${hd.unmatched} without boxes, ${hd.dropped} dropped by the decoder, at the end ${hd.size}; p50 ${ms(at(hd.ages, 0.5))}, p95 ${ms(at(hd.ages, 0.95))}`, hd.shown);
  await second.close();
  const drops = metrics.split("\n").filter((line) => /^framewire_\w*dropped\w*\{/.test(line) && !/ 0$/.test(line));
  const { version } = JSON.parse(readFileSync(join(ROOT, "tests/browser/node_modules/playwright-core/package.json"), "utf8"));
  const text = [
    "# The viewer page",
    "",
    `Written by \`make bench-viewer\`. ${cpus().length} cores (${cpus()[0].model.trim()}), load ${loadavg()[0].toFixed(1)} at the end; Chromium without GPU or window, playwright-core ${version};`,
    `worker and browser on this machine over loopback. Time of taking: ${glass.source}; time of display: the animation frame after the drawing. See benches/viewer.mjs.`,
    "",
    "| what | reach | measured | n |",
    "|---|---|---|---|",
    ...rows,
    "",
    `Dropped by the worker over all runs: ${drops.length ? drops.join(", ") : "nothing"}.`,
    "",
  ].join("\n");
  if (!values.dry) writeFileSync(join(ROOT, "benches/VIEWER.md"), text);
  await worker.kill();
  await detector.kill();
}

await main().finally(() => rmSync(folder, { recursive: true }));
