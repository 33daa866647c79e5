// The viewer page with a file: upload, frames from the data channel, and what can be saved.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { CLIP, scenario } from "./harness.mjs";
import { Path, route } from "./relay.mjs";
import { plainWorker, failure, fill, reached, shot, start } from "./viewer.mjs";

const folder = mkdtempSync(join(tmpdir(), "viewer-"));
after(() => rmSync(folder, { recursive: true }));
const FRAMES = 250;

async function saved(page) {
  const files = {};
  for (const link of await page.$$("#downloads a")) {
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    const path = join(folder, `${Math.random()}-${download.suggestedFilename()}`);
    await download.saveAs(path);
    files[download.suggestedFilename()] = path;
  }
  return files;
}

function probe(path) {
  const asked = ["-v", "error", "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames:format=duration", "-of", "json"];
  const { stdout, stderr } = spawnSync("ffprobe", [...asked, path], { encoding: "utf8" });
  assert.equal(stderr, "");
  const { streams, format } = JSON.parse(stdout);
  return { ...streams[0], duration: Number(format.duration) };
}

scenario("a file is sent, every frame shown, and a video and a line of data a frame can be saved", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url, { context: { acceptDownloads: true } });
  await fill(page, "file", { file: CLIP });
  await start(page);
  await shot(page, "running-file");
  assert.match(await page.inputValue("#upload-text").catch(() => page.textContent("#upload-text")), /^510 kB of 510 kB$/);
  await reached(page, "done");
  assert.equal(await page.textContent("#status"), `Done: ${FRAMES} frames.`);
  assert.equal(await page.textContent("#work-text"), `${FRAMES} of ${FRAMES}`);
  await shot(page, "done-file");
  const files = await saved(page);
  const video = probe(files["annotated.webm"]);
  assert.deepEqual([video.codec_name, video.width, video.height, video.nb_read_frames], ["vp8", 640, 272, String(FRAMES)]);
  assert.ok(Math.abs(video.duration - 10) < 0.1, `${video.duration} s`);
  const lines = readFileSync(files["results.jsonl"], "utf8").trimEnd().split("\n").map(JSON.parse);
  assert.deepEqual(lines.map((line) => line.frame_id), Array.from({ length: FRAMES }, (_, index) => index + 1));
  assert.deepEqual(Object.keys(lines[0]), ["frame_id", "pts", "time_base", "received_at", "data", "errors"]);
  assert.ok(!JSON.stringify(lines).includes("base64"));
  await worker.until("the session is gone", ({ sessions }) => sessions === 0);
});

scenario("a file that is stopped leaves what was done, and the next start sends it anew", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page("about:blank", { context: { acceptDownloads: true } });
  // Without acknowledgements the worker waits: it is not done before somebody stops it.
  await page.addInitScript(() => {
    window.silent = true;
    const { prototype } = RTCDataChannel;
    const real = prototype.send;
    prototype.send = function (data) {
      if (!(window.silent && typeof data === "string" && data.includes('"ack"'))) real.call(this, data);
    };
  });
  await page.goto(worker.url);
  await fill(page, "file", { file: CLIP });
  await start(page);
  await page.click("#stop");
  await reached(page, "done");
  const files = await saved(page);
  const lines = readFileSync(files["results.jsonl"], "utf8").trimEnd().split("\n").length;
  assert.ok(lines >= 1 && lines < FRAMES, `${lines} lines`);
  assert.equal(Number(probe(files["annotated.webm"]).nb_read_frames), lines);
  await page.evaluate(() => (window.silent = false));
  await start(page);
  await reached(page, "done");
  assert.equal(await page.textContent("#status"), `Done: ${FRAMES} frames.`);
});

scenario("frames that cannot be shown hold nothing up, and when none can, it is said why", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page("about:blank");
  await page.addInitScript(() => {
    window.every = 3;
    let calls = 0;
    const real = window.createImageBitmap;
    window.createImageBitmap = async (blob) => {
      calls += 1;
      if (calls % window.every === 0) throw new Error("torn picture");
      return real(blob);
    };
  });
  await page.goto(worker.url);
  await fill(page, "file", { file: CLIP });
  await start(page);
  await reached(page, "done");
  assert.equal(await page.textContent("#status"), `Done: ${FRAMES} frames.`);
  await page.evaluate(() => (window.every = 1));
  await page.click("#start");
  const { step, cause, text } = await failure(page);
  assert.deepEqual([step, cause], ["first", "unreadable"]);
  assert.match(text, /torn picture/);
});

scenario("an upload that broke off goes on where it stopped", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url, { expected: [/ERR_|404/] });
  // 12 MB that are no video: what counts is what has to be sent the second time.
  const file = join(folder, "long.mp4");
  writeFileSync(file, Buffer.alloc(12_000_000, 7));
  let sent = 0;
  const paths = [];
  await route(page, async (port) => {
    const path = await Path.to(port);
    const first = paths.push(path) === 1;
    path.passes = (datagram, up) => {
      if (up) sent += datagram.length;
      return !first || sent < 5_000_000;
    };
    return path;
  });
  await page.route("**/webrtc/session/*/ice", (request) => request.fulfill({ status: 404, json: { message: "gone", error_type: "SessionNotFound" } }));
  await fill(page, "file", { file });
  await page.click("#start");
  assert.equal((await failure(page)).cause, "connection_lost");
  sent = 0;
  await page.click("#start");
  const { step, cause } = await failure(page);
  assert.deepEqual([step, cause], ["first", "file_undecodable"]);
  assert.ok(sent < 9_500_000, `${sent} bytes the second time`);
});

scenario("a file that is no video, or cannot be read, is said to be so", async (scene) => {
  const worker = await plainWorker(scene, ["--max-upload-bytes", "2000000"]);
  const page = await scene.page(worker.url);
  const named = (name, bytes) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  await fill(page, "file", { file: named("letter.mp4", "Dear all, this is no video. ".repeat(100)) });
  await page.click("#start");
  const undecodable = await failure(page);
  assert.deepEqual([undecodable.step, undecodable.cause, undecodable.marked], ["first", "file_undecodable", "Frames"]);
  assert.ok(undecodable.advice > 0);
  for (const [file, complaint] of [
    [named("nothing.mp4", ""), /empty/],
    [named("huge.mp4", Buffer.alloc(2_000_001)), /the worker takes 2 MB/],
  ]) {
    await page.setInputFiles("#file", file);
    await page.click("#start");
    assert.match(await page.textContent("#complaint"), complaint);
  }
  const changed = named("changed.mp4", "here for a moment");
  await page.setInputFiles("#file", changed);
  writeFileSync(changed, "here, but another one");
  await page.click("#start");
  await page.waitForFunction(() => document.getElementById("failure").dataset.cause === "file_unreadable");
  assert.equal((await failure(page)).step, "source");
});
