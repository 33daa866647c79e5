// How the original's JavaScript client reaches the worker: a backend of the page's own, the worker from another origin, keys, refusals.
// Not here: what a session does once it runs.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scenario } from "./harness.mjs";
import { CAMERA, clientPage, closeSession, FILE, VERSIONS } from "./original.mjs";
import { crop } from "./workflows.mjs";

const KEY = "key-of-the-backend";
const PARAMS = { workflowSpec: crop(), dataOutputNames: ["crop"], iceServers: [] };
// What a browser prints by itself for an answer that is an error.
const REFUSED = [/Failed to load resource/, /blocked by CORS policy/];

/** A worker that wants this key. */
async function lockedWorker(scene, env) {
  const folder = mkdtempSync(join(tmpdir(), "fw-browser-"));
  try {
    writeFileSync(join(folder, "keys"), `${KEY}\n`);
    return await scene.worker({ args: ["--api-key-file", join(folder, "keys")], env });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The worker's request for what a page sent its backend: the key is added here. */
function forwarded({ offer, wrtcParams }) {
  return {
    webrtc_offer: offer,
    workflow_configuration: { type: "WorkflowConfiguration", workflow_specification: wrtcParams.workflowSpec },
    api_key: KEY,
    webrtc_realtime_processing: wrtcParams.realtimeProcessing,
    webrtc_config: { iceServers: wrtcParams.iceServers ?? [] },
    stream_output: wrtcParams.streamOutputNames ?? null,
    data_output: wrtcParams.dataOutputNames,
  };
}

/** The first result of a new session. */
async function firstResult(scene, page, session) {
  await scene.run(page, "the session starts", (session) => client.open(session), session);
  return scene.run(page, "a result", () => client.until((one) => one.video_metadata.frame_id >= 1));
}

/** The text of the error a session ends with before it starts. */
function refusalOf(scene, page, session) {
  return scene.run(page, "the refusal", (session) => client.open(session).then(() => "", String), session);
}

for (const version of VERSIONS) {
  scenario(`${version}: a backend of the page's own holds the key and passes the offer on`, async (scene) => {
    // Pages cannot read compressed results, whoever asks for them and whatever the worker would do for others.
    const worker = await lockedWorker(scene, { WEBRTC_GZIP_PREVIEW_FRAME_COMPRESSION: "true" });
    const seen = [];
    const site = await scene.site(undefined, {
      "GET /turn": async () => ({ json: { iceServers: [] } }),
      "POST /start": async (body, request) => {
        seen.push(request.headers.authorization, Object.keys(body).sort().join());
        const answer = await fetch(`${worker.url}/initialise_webrtc_worker`, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(forwarded(body)),
        });
        return { status: answer.status, json: await answer.json() };
      },
    });
    const page = await clientPage(scene, site.url, { browser: { camera: true } });
    const session = { version, source: CAMERA, proxy: "/start", turn: "/turn", params: PARAMS };
    const result = await firstResult(scene, page, session);
    assert.equal(result.serialized_output_data.crop.type, "base64");
    // The backend asked for no particular output, so the worker has found the picture.
    const picture = await scene.run(page, "pictures on the track", () => client.watch(3));
    assert.equal(picture.width, 640);
    assert.deepEqual(seen, [undefined, "offer,wrtcParams"]);
    await closeSession(scene, worker, page);
  });
}

scenario("a page of another origin uses the worker with its key, and is told when the key is wrong", async (scene) => {
  const worker = await lockedWorker(scene);
  const site = await scene.site();
  const page = await clientPage(scene, site.url.replace("127.0.0.1", "app.example"), { expected: REFUSED });
  const session = { version: "0.1.13", source: FILE, server: worker.url, params: PARAMS };
  const refusal = await refusalOf(scene, page, { ...session, key: "wrong" });
  assert.match(refusal, /initialise_webrtc_worker failed \(401\): \{.*message/);
  await firstResult(scene, page, { ...session, key: KEY });
  assert.equal((await worker.metrics())("framewire_sessions_started_total"), 1);
});

scenario("a page of an origin in ALLOW_ORIGINS uses a worker without keys", async (scene) => {
  const site = await scene.site();
  const origin = site.url.replace("127.0.0.1", "app.example");
  const worker = await scene.worker({ env: { ALLOW_ORIGINS: origin } });
  const page = await clientPage(scene, origin);
  await firstResult(scene, page, { version: "0.1.13", source: FILE, key: "any", server: worker.url, params: PARAMS });
});

scenario("a page of a foreign origin starts nothing on a worker without keys", async (scene) => {
  const worker = await scene.worker();
  const site = await scene.site();
  const page = await clientPage(scene, site.url.replace("127.0.0.1", "app.example"), { expected: REFUSED });
  const session = { version: "0.1.13", source: FILE, key: "any", server: worker.url, params: PARAMS };
  assert.match(await refusalOf(scene, page, session), /Failed to fetch/);
  assert.equal((await worker.metrics())("framewire_sessions_started_total"), 0);
});

scenario("a page reads why the worker refused its request", async (scene) => {
  const worker = await scene.worker();
  const site = await scene.site();
  const page = await clientPage(scene, site.url, { expected: REFUSED });
  const params = { ...PARAMS, dataOutputNames: ["nothing"] };
  const session = { version: "0.1.13", source: FILE, key: "any", server: worker.url, params };
  assert.match(await refusalOf(scene, page, session), /failed \(400\).*WebRTCConfigurationError/);
});

// Without the original's client, which gives up when a busy machine has not registered the name within six seconds.
scenario("a browser that hides its addresses behind names connects", async (scene) => {
  const worker = await scene.worker();
  const site = await scene.site();
  const page = await clientPage(scene, site.url, { browser: { mdns: true } });
  const connected = async ({ server, workflow }) => {
    const pc = new RTCPeerConnection();
    const channel = pc.createDataChannel("inference");
    pc.createDataChannel("video_upload");
    const opened = new Promise((resolve) => (channel.onopen = resolve));
    const gathered = new Promise((resolve) => (pc.onicecandidate = ({ candidate }) => candidate || resolve()));
    await pc.setLocalDescription();
    await gathered;
    const { sdp } = pc.localDescription;
    const body = JSON.stringify({
      webrtc_offer: { type: "offer", sdp },
      workflow_configuration: { type: "WorkflowConfiguration", workflow_specification: workflow },
      data_output: ["crop"],
      stream_output: [],
    });
    const headers = { "Content-Type": "application/json" };
    const answer = await (await fetch(`${server}/initialise_webrtc_worker`, { method: "POST", headers, body })).json();
    await pc.setRemoteDescription({ type: answer.type, sdp: answer.sdp });
    await opened;
    return sdp;
  };
  const offered = await scene.run(page, "the channel opens", connected, { server: worker.url, workflow: crop() });
  assert.match(offered, /a=candidate:.*\.local /);
});
