// The original's JavaScript client with a camera: all published dialects, unmodified, against the worker.
// Not here: files and cameras the worker reads, see original_sources.test.mjs.

import assert from "node:assert/strict";
import { scenario } from "./harness.mjs";
import { CAMERA, closeSession, openSession, VERSIONS } from "./original.mjs";
import { crop } from "./workflows.mjs";

// Leaving unheard is noticed after 30 s; anything below a few seconds on a busy machine is a farewell that was heard.
const NOTICED = 5000;

for (const version of VERSIONS) {
  scenario(`${version}: a camera's picture and data come back, and the worker notices the end at once`, async (scene, t) => {
    const worker = await scene.worker();
    const params = { workflowSpec: crop(), streamOutputNames: ["frame"], dataOutputNames: ["crop"] };
    const page = await openSession(scene, worker, { version, source: CAMERA, params });
    const result = await scene.run(page, "a result", () => client.until((one) => one.video_metadata.frame_id >= 10));
    assert.deepEqual(result.errors, []);
    assert.equal(result.serialized_output_data.crop.type, "base64");
    assert.deepEqual([result.video_metadata.width, result.video_metadata.height], [640, 480]);
    const picture = await scene.run(page, "pictures on the track", () => client.watch(10));
    assert.deepEqual([picture.width, picture.height], [640, 480]);
    assert.ok(picture.advanced > 0 && picture.mean > 20 && picture.spread > 3, JSON.stringify(picture));

    assert.equal((await worker.info()).sessions, 1);
    const noticed = await closeSession(scene, worker, page);
    t.diagnostic(`the worker noticed the end after ${noticed.toFixed(0)} ms`);
    assert.ok(noticed < NOTICED, `${noticed} ms`);
    const { ids, sent, camera } = await page.evaluate(() => ({
      ids: client.results.map((one) => one.video_metadata.frame_id),
      sent: client.sent,
      camera: client.connection.localStream().getTracks().map((track) => track.readyState),
    }));
    assert.ok(ids.every((id, index) => index === 0 || id > ids[index - 1]), `in order, none twice: ${ids}`);
    assert.deepEqual([sent, camera], [[], ["ended"]]);

    const metrics = await worker.metrics();
    const sessions = ["cut_short", "completed", "failed"].map((outcome) => metrics("framewire_sessions_ended_total", { outcome }));
    assert.deepEqual(sessions, [1, 0, 0]);
    assert.equal(metrics("framewire_sessions_started_total"), 1);
    assert.equal(metrics("framewire_sessions_started_total", { source: "track" }), 1);
    assert.equal(metrics("framewire_control_messages_total"), 0);
    assert.ok(metrics("framewire_frames_total") >= ids.at(-1));
  });
}
