// What the viewer page says when it does not work: each thing that can be in the way, the step it names, and what to try.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { scenario } from "./harness.mjs";
import { Path, kind, route } from "./relay.mjs";
import { PLAIN, moreFrames, plainWorker, failure, fill, reached, shot, start } from "./viewer.mjs";

const folder = mkdtempSync(join(tmpdir(), "viewer-"));
after(() => rmSync(folder, { recursive: true }));
const CAMERA = { camera: true };
const REFUSED = [/Failed to load resource/];

/** Presses Start; the failure must name this step and cause, mark the step, and say something to try. */
async function fails(page, step, cause, words) {
  await page.click("#start");
  const told = await failure(page);
  assert.deepEqual([told.step, told.cause], [step, cause], told.text);
  assert.ok(told.marked, "the step is marked");
  assert.ok(told.advice >= 1, "something to try");
  if (words) assert.match(told.text, words);
  assert.equal(await page.isVisible("#start"), true, "it can be tried again");
}

scenario("no camera, a denied one, a busy one, one that is pulled out", async (scene) => {
  const worker = await plainWorker(scene);
  const none = await scene.page(worker.url, { context: { permissions: ["camera"] } });
  await fill(none, "camera");
  await fails(none, "source", "camera_none");
  const denied = await scene.page(worker.url, { browser: { args: ["--use-fake-device-for-media-stream"] }, context: { permissions: [] } });
  await fill(denied, "camera");
  await fails(denied, "source", "camera_denied");
  const busy = await scene.page("about:blank", { browser: CAMERA });
  await busy.addInitScript(() => {
    const { mediaDevices } = navigator;
    const real = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (wanted) => {
      if (window.busy) throw new DOMException("Could not start video source", "NotReadableError");
      return (window.stream = await real(wanted));
    };
    window.busy = true;
  });
  await busy.goto(worker.url);
  await fill(busy, "camera");
  await fails(busy, "source", "camera_busy", /Could not start video source/);
  await busy.evaluate(() => (window.busy = false));
  await start(busy);
  await busy.evaluate(() => window.stream.getVideoTracks()[0].dispatchEvent(new Event("ended")));
  assert.equal((await failure(busy)).cause, "camera_lost");
  await worker.until("the session is gone", ({ sessions }) => sessions === 0);
});

scenario("a page that is not secure gets no camera", async (scene) => {
  const keys = join(folder, "keys");
  writeFileSync(keys, "good-key\n");
  const worker = await plainWorker(scene, ["--api-key-file", keys]);
  const browser = { args: ["--host-resolver-rules=MAP viewer.test 127.0.0.1"] };
  const page = await scene.page(worker.url.replace("127.0.0.1", "viewer.test"), { browser });
  await fill(page, "camera");
  await page.fill("#key", "good-key");
  await fails(page, "source", "insecure_context", /localhost/);
});

scenario("a key that is missing or wrong", async (scene) => {
  const keys = join(folder, "keys");
  writeFileSync(keys, "good-key\n");
  const worker = await plainWorker(scene, ["--api-key-file", keys]);
  const page = await scene.page(worker.url, { browser: CAMERA, expected: REFUSED });
  await fill(page, "camera");
  await page.click("#start");
  assert.match(await page.textContent("#complaint"), /API key/);
  await page.fill("#key", "bad-key");
  await fails(page, "worker", "key_rejected");
  assert.ok(!(await page.content()).includes("bad-key"), "the key is not on the page");
  await page.fill("#key", "good-key");
  await start(page);
});

scenario("a worker that is full, or goes away", async (scene) => {
  const worker = await plainWorker(scene, ["--max-sessions", "1"]);
  const first = await scene.page(worker.url, { browser: CAMERA, expected: [/ERR_/] });
  await fill(first, "camera");
  await start(first);
  const second = await scene.page(worker.url, { browser: CAMERA, expected: REFUSED });
  await fill(second, "camera");
  assert.match(await second.textContent("#worker"), /is full/);
  await fails(second, "worker", "worker_busy", /all 1 sessions/);
  await worker.kill();
  assert.equal((await failure(first)).cause, "worker_gone");
});

scenario("models and workflows that are not there or not right", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page("about:blank", { browser: CAMERA, expected: REFUSED });
  await page.route("**/models", (route) => route.fulfill({ json: { models: [{ id: "no/model", task_type: "object-detection" }] } }));
  await page.goto(worker.url);
  await fill(page, "camera", { workflow: null });
  await fails(page, "session", "not_found", /no\/model/);
  await fill(page, "camera", { workflow: { ...PLAIN, steps: [{ type: "no/such_block@v1", name: "wrong" }] } });
  await fails(page, "session", "bad_workflow", /not a block this worker knows/);
  await page.check("[name=run][value=id]", { force: true });
  await page.fill("#workspace", "somewhere");
  await page.fill("#workflow", "something");
  await fails(page, "session", "worker_refused", /needs an API key/);
  await page.fill("#key", "any");
  await fails(page, "session", "not_found", /something/);
  await fill(page, "camera", { workflow: "{ this is no JSON" });
  await page.click("#start");
  assert.match(await page.textContent("#complaint"), /no JSON/);
});

scenario("a camera URL nobody answers at", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url, { expected: REFUSED });
  await fill(page, "url", { url: "rtsp://user:secret@127.0.0.1:1/stream" });
  await fails(page, "source", "source_refused");
  assert.ok(!(await page.textContent("#failure")).includes("secret"));
});

/** A page whose media passes only what `passes` lets through. */
async function narrow(scene, passes, worker) {
  worker ??= await plainWorker(scene);
  const page = await scene.page(worker.url, { browser: CAMERA, expected: [/Failed to load resource|ERR_/] });
  await route(page, async (port) => {
    const path = await Path.to(port);
    path.passes = (datagram) => passes.now(datagram);
    return path;
  });
  await fill(page, "camera");
  return page;
}

const BLOCKED = [
  ["no datagram passes", () => false, "ice", "udp_blocked", /worker: host udp/],
  ["only STUN passes", (datagram) => kind(datagram) === "stun", "dtls", "dtls_blocked"],
  ["nothing passes after the handshake", (datagram) => datagram[0] !== 23, "channel", "data_channel_blocked"],
];
scenario("whatever is blocked, the step that hangs is named", async (scene) => {
  // All at once: each takes the 15 s that the page waits.
  const all = BLOCKED.map(async ([what, passes, step, cause, words]) => {
    const page = await narrow(scene, { now: passes });
    await fails(page, step, cause, words).catch((error) => {
      throw new Error(`${what}: ${error.message}`);
    });
  });
  await Promise.all(all);
});

scenario("pictures that stop while the connection is up are waited for, a path that breaks for good is not", async (scene) => {
  const stopped = { now: () => true };
  const broken = { now: () => true };
  const pages = [await narrow(scene, stopped), await narrow(scene, broken)];
  for (const page of pages) await start(page);
  stopped.now = (datagram) => kind(datagram) !== "rtp";
  broken.now = () => false;
  const status = (text) => pages[0].waitForFunction((wanted) => document.getElementById("status").textContent === wanted, text);
  await status("No frame comes…");
  const { step, cause } = await failure(pages[1]);
  assert.deepEqual([step, cause], ["ice", "connection_lost"]);
  // More than 15 s without a picture by now.
  assert.match(await pages[0].textContent("#hud"), /^No frame for \d+ s$/);
  stopped.now = () => true;
  await status("Running.");
  await moreFrames(pages[0]);
});

scenario("a path that breaks is replaced without anybody doing anything", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url, { browser: CAMERA });
  const paths = [];
  await route(page, async (port) => {
    paths.push(await Path.to(port));
    return paths.at(-1);
  });
  await fill(page, "camera");
  await start(page);
  await moreFrames(page);
  paths[0].passes = () => false;
  await page.waitForFunction(() => document.getElementById("status").textContent.startsWith("The connection broke"));
  await shot(page, "recovering");
  await page.waitForFunction(() => document.getElementById("status").textContent === "Running.");
  await moreFrames(page);
  assert.ok(paths.length >= 2);
  assert.equal(await worker.info().then(({ sessions }) => sessions), 1);
});

const HELD = [
  ["source", () => true],
  ["session", () => true],
  ["ice", () => false],
  ["dtls", (datagram) => kind(datagram) === "stun"],
  ["channel", (datagram) => datagram[0] !== 23],
  ["first", (datagram) => kind(datagram) !== "rtp"],
];
scenario("stop during each step leaves nothing behind", async (scene) => {
  const worker = await plainWorker(scene);
  const passes = {};
  const page = await narrow(scene, passes, worker);
  await page.evaluate(() => {
    window.tracks = [];
    const { mediaDevices } = navigator;
    const { fetch } = window;
    const real = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (wanted) => {
      const stream = await real(wanted);
      window.tracks.push(...stream.getTracks());
      if (window.step === "source") await new Promise((resolve) => (window.release = resolve));
      return stream;
    };
    window.fetch = (route, request) => {
      if (window.step !== "session" || route !== "initialise_webrtc_worker") return fetch(route, request);
      return new Promise((_, reject) => request.signal.addEventListener("abort", () => reject(request.signal.reason)));
    };
  });
  for (const [index, [step, passed]] of HELD.entries()) {
    passes.now = passed;
    await page.evaluate((name) => (window.step = name), step);
    await page.click("#start");
    await page.waitForSelector(`#step-${step}[data-is=now]`);
    if (step === "source") await page.waitForFunction(() => window.release);
    await page.click("#stop");
    await reached(page, "idle");
    await page.evaluate(() => window.release());
    await page.waitForFunction((count) => window.tracks.length === count && window.tracks.every(({ readyState }) => readyState === "ended"), index + 1);
  }
  await page.evaluate(() => (window.step = ""));
  passes.now = () => true;
  await start(page);
  await page.click("#stop");
  await reached(page, "done");
});
