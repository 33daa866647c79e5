// The original's JavaScript client with files it uploads and cameras the worker reads.
// Not here: the browser's own camera, see original_camera.test.mjs.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { CLIP, eventually, ROOT, scenario } from "./harness.mjs";
import { closeSession, FILE, numbers, openSession, WITH_SOURCES } from "./original.mjs";
import { crop, detection } from "./workflows.mjs";

const FRAMES = 250;
const BYTES = statSync(CLIP).size;
const CHUNK = 49152;

for (const version of WITH_SOURCES) {
  scenario(`${version}: every frame of an uploaded file gives a result in batch processing`, async (scene) => {
    const worker = await scene.worker();
    const params = { workflowSpec: crop(600, 260), dataOutputNames: ["frame", "crop"], realtimeProcessing: false };
    const page = await openSession(scene, worker, { version, source: FILE, params });
    const last = await scene.run(page, "the last message", () => client.until((one) => one.processing_complete));
    const { ids, errors, longest, progress, sent } = await page.evaluate(() => ({
      ids: client.results.map((one) => one.video_metadata.frame_id),
      errors: client.results.flatMap((one) => one.errors),
      longest: Math.max(...client.results.map((one) => JSON.stringify(one.serialized_output_data).length)),
      progress: client.progress,
      sent: client.sent,
    }));
    const uploaded = numbers(1, Math.ceil(BYTES / CHUNK)).map((count) => [Math.min(count * CHUNK, BYTES), BYTES]);
    assert.deepEqual(progress, uploaded, "in bytes");
    assert.deepEqual(ids, [...numbers(1, FRAMES), FRAMES], "each once, in order, and the last message");
    assert.deepEqual([last.termination_reason, errors], [null, []]);
    // Two pictures as JSON are longer than one message, so the page has joined its pieces.
    assert.ok(longest > CHUNK, `${longest}`);
    const size = await scene.run(page, "a picture is decoded", async () => {
      const { value } = client.results[99].serialized_output_data.frame;
      const picture = await createImageBitmap(await (await fetch(`data:image/jpeg;base64,${value}`)).blob());
      return [picture.width, picture.height];
    });
    assert.deepEqual(size, [640, 272]);
    const acks = version === "0.1.13" ? numbers(1, FRAMES + 1).map((ack) => ({ ack })) : [];
    assert.deepEqual(sent, acks, "one for each frame and one for the last message");

    assert.equal((await worker.info()).sessions, 1, "the client hangs up");
    await closeSession(scene, worker, page);
    const metrics = await worker.metrics();
    assert.deepEqual([metrics("framewire_sessions_ended_total", { outcome: "completed" }), metrics("framewire_frames_total")], [1, FRAMES]);
    assert.equal(metrics("framewire_control_rejected_total"), 0);
  });

  scenario(`${version}: a file at its own pace comes back on the track and as data`, async (scene) => {
    const worker = await scene.worker();
    const params = { workflowSpec: crop(), streamOutputNames: ["frame"], dataOutputNames: ["crop"] };
    const page = await openSession(scene, worker, { version, source: FILE, params });
    const picture = await scene.run(page, "pictures on the track", () => client.watch(10));
    assert.deepEqual([picture.width, picture.height], [640, 272]);
    assert.ok(picture.advanced > 0 && picture.mean > 20 && picture.spread > 3, JSON.stringify(picture));
    const result = await scene.run(page, "a result", () => client.until((one) => one.serialized_output_data));
    assert.deepEqual(result.errors, []);
    await closeSession(scene, worker, page);
    assert.deepEqual(await page.evaluate(() => client.sent), [], "no acks in realtime");
  });

  scenario(`${version}: a camera the worker reads comes back on the track and as data`, async (scene) => {
    const camera = scene.child("/usr/bin/python3", [`${ROOT}/tests/doubles/rtsp_server.py`, "0"]);
    assert.equal(await camera.line(), "ready");
    const rtsp = `rtsp://127.0.0.1:${(await camera.line()).replace("port ", "")}/test`;
    const worker = await scene.worker();
    const params = { workflowSpec: crop(), streamOutputNames: ["frame"], dataOutputNames: ["crop"] };
    const page = await openSession(scene, worker, { version, source: { rtsp }, params });
    const picture = await scene.run(page, "pictures on the track", () => client.watch(10));
    assert.deepEqual([picture.width, picture.height], [640, 480]);
    assert.ok(picture.advanced > 0 && picture.spread > 3, JSON.stringify(picture));
    const result = await scene.run(page, "a result", () => client.until((one) => one.video_metadata.frame_id >= 10));
    assert.deepEqual(result.errors, []);
    await closeSession(scene, worker, page);
    assert.equal((await worker.metrics())("framewire_sessions_started_total", { source: "rtsp" }), 1);
  });
}

scenario("0.1.13: predictions of a model arrive", async (scene) => {
  const worker = await scene.worker();
  const params = { workflowSpec: detection(), dataOutputNames: ["predictions"], realtimeProcessing: false };
  const page = await openSession(scene, worker, { version: "0.1.13", source: FILE, params });
  const result = await scene.run(page, "a frame with objects", () =>
    client.until((one) => one.serialized_output_data.predictions.predictions.length > 0),
  );
  assert.deepEqual(result.errors, []);
  for (const { class: name, confidence, x, y, width, height } of result.serialized_output_data.predictions.predictions) {
    assert.ok(name && confidence > 0 && confidence <= 1 && x > 0 && y > 0 && width > 0 && height > 0, JSON.stringify(result));
  }
  await closeSession(scene, worker, page);
});

scenario("0.1.13: a page that is behind holds the worker back, and no frame is lost", async (scene) => {
  const worker = await scene.worker();
  const params = { workflowSpec: crop(600, 260), dataOutputNames: ["frame", "crop"], realtimeProcessing: false };
  // The client acknowledges once its callback is through: from the fifth result on it is not until the test says so.
  const page = await openSession(scene, worker, { version: "0.1.13", source: FILE, params, hold: 5 });
  await scene.run(page, "the fifth result", () => client.until((one) => one.video_metadata.frame_id === 5));
  // Until its first acknowledgement comes the worker goes on; then it waits, and makes nothing for as long as the page is behind.
  let made = 0;
  let before = -1;
  for (; made !== before; await pause(500)) {
    before = made;
    made = (await worker.metrics())("framewire_frames_total");
  }
  assert.ok(made < FRAMES, `${made} results were made with 4 acknowledged`);
  const last = await scene.run(page, "the rest", () => (client.letGo(), client.until((one) => one.processing_complete)));
  assert.deepEqual(last.errors, []);
  const ids = await page.evaluate(() => client.results.map((one) => one.video_metadata.frame_id));
  assert.deepEqual(ids, [...numbers(1, FRAMES), FRAMES]);
});

scenario("0.1.13: an upload that is cancelled leaves nothing behind", async (scene) => {
  const worker = await scene.worker();
  const params = { workflowSpec: crop(), dataOutputNames: ["crop"], realtimeProcessing: false };
  const session = { version: "0.1.13", source: FILE, params, cancel: 3 };
  // The client reports its own cancelling as an error.
  const page = await openSession(scene, worker, session, { expected: [/Upload cancelled/] });
  await scene.run(page, "the end of the upload", () => client.cancelled);
  await closeSession(scene, worker, page);
  assert.equal((await worker.metrics())("framewire_frames_total"), 0);
  await eventually("its space is free", async () => (await worker.metrics())("framewire_upload_held_bytes") === 0);
});
