// The original's JavaScript client changes outputs while a session runs.
// Not here: what a session starts with, see the tests of its sources.

import assert from "node:assert/strict";
import { scenario } from "./harness.mjs";
import { CAMERA, closeSession, openSession, VERSIONS } from "./original.mjs";
import { crop } from "./workflows.mjs";

const WHOLE = 640;
const CUT = 80;

for (const version of VERSIONS) {
  scenario(`${version}: outputs change on request, [] detects the picture again, null changes nothing`, async (scene) => {
    const worker = await scene.worker();
    const params = { workflowSpec: crop(CUT, CUT), streamOutputNames: ["crop"], dataOutputNames: ["crop"] };
    const page = await openSession(scene, worker, { version, source: CAMERA, params });
    const wide = (pixels) => scene.run(page, `pictures ${pixels} wide`, (pixels) => client.sized(pixels), pixels);
    /** Asks for outputs and waits for a result with exactly these names (null: no data at all). */
    const reconfigure = (outputs, names) =>
      scene.run(
        page,
        `results with ${names} after ${JSON.stringify(outputs)}`,
        ([outputs, names]) => {
          if (outputs) client.connection.reconfigureOutputs(outputs);
          const found = (one) => (one.serialized_output_data ? Object.keys(one.serialized_output_data).join() : null);
          return client.until((one) => found(one) === names, client.results.length);
        },
        [outputs, names],
      );

    await reconfigure(null, "crop");
    await wide(CUT);
    await reconfigure({ streamOutput: ["frame"], dataOutput: null }, "crop");
    await wide(WHOLE);
    await reconfigure({ streamOutput: null, dataOutput: [] }, null);
    const all = await reconfigure({ dataOutput: ["*"] }, "label");
    assert.deepEqual(all.errors, [], "pictures by themselves are left out");
    await wide(WHOLE);
    await reconfigure({ streamOutput: ["crop"], dataOutput: ["crop", "label"] }, "crop,label");
    await wide(CUT);
    const detected = await reconfigure({ streamOutput: [] }, "crop,label");
    await wide(WHOLE);
    assert.deepEqual(detected.errors, []);

    await closeSession(scene, worker, page);
    const metrics = await worker.metrics();
    assert.equal(metrics("framewire_control_rejected_total"), 0);
    assert.equal(metrics("framewire_control_messages_total"), 5);
  });
}
