// The original's JavaScript client with a camera: all published dialects, unmodified, against the worker.
// Not here: files and cameras the worker reads, see original_sources.test.mjs.

import assert from "node:assert/strict";
import { scenario } from "./harness.mjs";
import { crop } from "./workflows.mjs";

const CAMERA = { camera: { video: { width: 640, height: 480 } } };
const BROWSER = { camera: true };

for (const version of ["0.1.13", "0.1.9", "0.1.7", "0.1.2"]) {
  scenario(`${version}: a camera's picture and data come back, and the worker notices the end`, async (scene, t) => {
    const worker = await scene.worker();
    const site = await scene.site();
    const page = await scene.page(`${site.url}/client.html`, { browser: BROWSER });
    const session = {
      version,
      source: CAMERA,
      key: "any",
      server: worker.url,
      params: { workflowSpec: crop(), streamOutputNames: ["frame"], dataOutputNames: ["crop"], iceServers: [] },
    };
    await scene.run(page, "the session starts", (options) => client.open(options), session);
    const result = await scene.run(page, "a result", () => client.until((one) => one.video_metadata.frame_id >= 10));
    assert.deepEqual(result.errors, []);
    const picture = await scene.run(page, "pictures on the track", () => client.watch(10));
    t.diagnostic(JSON.stringify({ picture, metadata: result.video_metadata }));
    assert.deepEqual([picture.width, picture.height], [640, 480]);
    assert.ok(picture.advanced > 0);
    assert.ok(picture.mean > 20 && picture.spread > 10, JSON.stringify(picture));
    assert.equal((await worker.info()).sessions, 1);
    const end = worker.until("the worker notices the end", (info) => info.sessions === 0, 5000);
    await scene.run(page, "cleanup", () => client.connection.cleanup());
    t.diagnostic(`session gone after ${(await end).toFixed(0)} ms`);
  });
}
