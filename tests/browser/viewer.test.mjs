// The viewer page with a live camera: boxes on their own frames, stop and start, keyboard, sizes, colours, and what it is made of.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { ROOT, scenario } from "./harness.mjs";
import { SQUARE, writeCamera } from "./counter_camera.mjs";
import { PLAIN, counterWorker, moreFrames, plainWorker, fill, reached, shot, start, statistic } from "./viewer.mjs";

const folder = mkdtempSync(join(tmpdir(), "viewer-"));
after(() => rmSync(folder, { recursive: true }));
const NUMBERED = { camera: writeCamera(join(folder, "numbered.y4m")) };
const CAMERA = { camera: true };

/** Reads `count` pictures off the canvas as they come: the number written in each, and where its first box stands. */
function readPictures({ count, square }) {
  const canvas = document.getElementById("picture");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const read = () => {
    const { data } = context.getImageData(0, 0, canvas.width, 104);
    const bright = (x, y) => data[4 * (y * canvas.width + x) + 1];
    let number = 0;
    for (let bit = 0; bit < 8; bit += 1) if (bright(bit * square + square / 2, square / 2) > 128) number |= 1 << bit;
    // A label's black letters stand on colour; the box's upper edge lies at 100 and is coloured.
    let edge = null;
    for (let x = 0; x < canvas.width && edge === null; x += 1) {
      const at = 4 * (100 * canvas.width + x);
      const [red, green, blue] = data.subarray(at, at + 3);
      if (Math.max(red, green, blue) - Math.min(red, green, blue) > 60) edge = x;
    }
    return { number, edge };
  };
  return new Promise((resolve) => {
    const pictures = [];
    let last = -1;
    const look = () => {
      const picture = read();
      if (picture.number !== last) pictures.push(picture);
      last = picture.number;
      if (pictures.length < count) requestAnimationFrame(look);
      else resolve(pictures);
    };
    look();
  });
}

scenario("a box is never seen on another frame than its own", async (scene) => {
  const worker = await counterWorker();
  try {
    const page = await scene.page(worker.url, { browser: NUMBERED });
    await fill(page, "camera", { workflow: null });
    await start(page);
    await moreFrames(page, 5);
    const pictures = await scene.run(page, "60 pictures", readPictures, { count: 60, square: SQUARE });
    const boxed = pictures.filter(({ edge }) => edge !== null);
    // A result that was lost or late leaves a picture without boxes; a wrong one would have them elsewhere.
    assert.ok(boxed.length >= 10, `boxes on ${boxed.length} of 60 pictures`);
    for (const { number, edge } of boxed) {
      const off = Math.abs(edge - ((13 * number) % 100));
      assert.ok(Math.min(off, 100 - off) <= 3, `picture ${number}: box at ${edge}`);
    }
    assert.ok(new Set(boxed.map(({ number }) => number)).size >= 5, "many different pictures");
    await shot(page, "running-boxes");
  } finally {
    await worker.kill();
  }
});

scenario("a camera is shown with the detector's boxes, stopped, and started again", async (scene) => {
  const worker = await scene.worker();
  const page = await scene.page("about:blank", { browser: CAMERA });
  await page.addInitScript(() => {
    window.asked = 0;
    const { prototype } = HTMLVideoElement;
    const real = prototype.requestVideoFrameCallback;
    prototype.requestVideoFrameCallback = function (callback) {
      window.asked += 1;
      return real.call(this, (...told) => {
        window.asked -= 1;
        callback(...told);
      });
    };
  });
  await page.goto(worker.url);
  await shot(page, "idle");
  await fill(page, "camera", { workflow: null });
  assert.equal(await page.inputValue("#model"), "ssd-mobilenetv2-oidv4");
  for (const turn of [1, 2]) {
    await start(page);
    await moreFrames(page);
    assert.equal(await statistic(page, "Path"), "host ↔ host", `turn ${turn}`);
    assert.match(await page.textContent("#result-of"), /^frame \d+$/);
    assert.match(await statistic(page, "Worker: run"), /^[\d.]+ ms$/);
    assert.match(await page.textContent("#latency-now"), /^[\d.]+ ms$/);
    assert.match(await page.getAttribute("#fps-chart", "aria-label"), /^Frames a second: now .+, lowest .+, highest .+/);
    // What is left of the first session would draw in the second one, and tell the wrong one that frames come.
    assert.equal(await page.evaluate(() => window.asked), 1, `turn ${turn}: one view waits for frames`);
    await page.click("#stop");
    await reached(page, "done");
    assert.equal(await page.textContent("#status"), "Stopped.");
    await worker.until("the session is gone", ({ sessions }) => sessions === 0);
  }
  await shot(page, "stopped");
});

scenario("what the worker draws is shown as it is, and boxes can be switched", async (scene) => {
  const worker = await scene.worker();
  const page = await scene.page(worker.url, { browser: CAMERA });
  const drawn = {
    version: "1.0",
    inputs: [{ type: "WorkflowImage", name: "image" }],
    steps: [
      { type: "roboflow_core/roboflow_object_detection_model@v2", name: "model", images: "$inputs.image", model_id: "ssd-mobilenetv2-oidv4" },
      { type: "BoundingBoxVisualization", name: "boxes", image: "$inputs.image", predictions: "$steps.model.predictions" },
    ],
    outputs: [{ type: "JsonField", name: "seen", selector: "$steps.boxes.image" }, { type: "JsonField", name: "found", selector: "$steps.model.predictions" }],
  };
  await fill(page, "camera", { workflow: drawn });
  const [request] = await Promise.all([page.waitForRequest("**/initialise_webrtc_worker"), start(page)]);
  const body = request.postDataJSON();
  assert.deepEqual(body.stream_output, ["seen"]);
  assert.equal(await page.isChecked("#boxes"), false);
  await moreFrames(page, 3);
  await page.click("#json summary");
  await page.waitForSelector("#tree summary >> text=video_metadata");
});

scenario("a camera URL is read by the worker", async (scene) => {
  const rtsp = scene.child("/usr/bin/python3", [join(ROOT, "tests/doubles/rtsp_server.py"), "0"]);
  const lines = [await rtsp.line(), await rtsp.line()];
  const port = lines.find((line) => line.startsWith("port ")).slice(5);
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url);
  await fill(page, "url", { url: `rtsp://127.0.0.1:${port}/test` });
  await start(page);
  await moreFrames(page);
  await page.waitForFunction(() => /^[\d.]+ ms$/.test(document.getElementById("latency-now").textContent));
  assert.match(await statistic(page, "Received"), /640 × 480/);
  await shot(page, "running-url");
});

scenario("everything is done with the keyboard alone", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url, { browser: CAMERA });
  await page.waitForFunction(() => document.getElementById("worker").dataset.level);
  const focus = () => page.evaluate(() => ({ id: document.activeElement.id || document.activeElement.value, ring: getComputedStyle(document.activeElement.closest(".choice label")?.querySelector("span") ?? document.activeElement).outlineStyle }));
  const walk = [];
  for (let step = 0; step < 12 && walk.at(-1) !== "start"; step += 1) {
    await page.keyboard.press("Tab");
    const { id, ring } = await focus();
    assert.notEqual(ring, "none", `${id} shows that it has the focus`);
    walk.push(id);
  }
  assert.deepEqual(walk.slice(0, 5), ["camera", "camera", "size", "model", "model"]);
  assert.equal(walk.at(-1), "start");
  await page.focus("[name=run][value=model]");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.isVisible("#definition"), true);
  await page.focus("#definition");
  await page.keyboard.insertText(JSON.stringify(PLAIN));
  await page.focus("#start");
  await page.keyboard.press("Enter");
  await reached(page, "running");
  assert.equal((await focus()).id, "stop");
  await page.keyboard.press("Space");
  await reached(page, "done");
  assert.equal((await focus()).id, "start");
});
