// A page that uses the original's JavaScript client as any page would, and remembers what came of it.
// Not here: what is expected; the tests ask `window.client`.

const results = [];
const progress = [];
const sent = [];
const waiting = new Set();

// Text messages as they leave, whoever sends them: acks are not visible otherwise.
const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (data) {
  if (typeof data === "string") sent.push(JSON.parse(data));
  send.call(this, data);
};

function received(result) {
  results.push(result);
  for (const one of waiting) {
    if (one.check(result)) {
      waiting.delete(one);
      one.resolve(result);
    }
  }
}

/** The first result that passes; `after` of those that came already are not looked at. */
function until(check, after = 0) {
  const found = results.slice(after).find(check);
  return found ? Promise.resolve(found) : new Promise((resolve) => waiting.add({ check, resolve }));
}

/**
 * Starts a session of version `version` with a `camera`, a `file` or an `rtsp` URL, through a backend at `proxy` or with a `key`.
 * From result `hold` on the callback is through when `client.letGo()` was called; after `cancel` chunks an upload is cancelled.
 */
async function open({ version, source, key, server, proxy, turn, params, hold = Infinity, cancel }) {
  const { connectors, streams, webrtc } = await import(`/sdk/${version}.js`);
  const connector = proxy
    ? connectors.withProxyUrl(proxy, { turnConfigUrl: turn })
    : connectors.withApiKey(key, { serverUrl: server });
  const held = new Promise((resolve) => (client.letGo = resolve));
  const onData = (result) => {
    received(result);
    return result.video_metadata.frame_id < hold ? undefined : held;
  };
  const common = { connector, wrtcParams: params, onData };
  if (source.camera) {
    const stream = await streams.useCamera(source.camera);
    client.connection = await webrtc.useStream({ ...common, source: stream });
  } else if (source.file) {
    const bytes = await (await fetch(source.file)).arrayBuffer();
    const file = new File([bytes], "clip.mp4", { type: "video/mp4" });
    client.cancelled = new Promise((resolve) => (client.cancel = resolve));
    const onUploadProgress = (uploaded, total) => {
      progress.push([uploaded, total]);
      if (progress.length === cancel) {
        client.connection.cancelUpload();
        client.cancel();
      }
    };
    client.connection = await webrtc.useVideoFile({ ...common, file, onUploadProgress });
  } else {
    client.connection = await webrtc.useRtspStream({ ...common, rtspUrl: source.rtsp });
  }
}

/** Shows the remote stream until `count` pictures of it were shown; what the last one looks like. */
async function watch(count) {
  const video = document.getElementById("picture");
  video.srcObject ??= await client.connection.remoteStream();
  const from = video.currentTime;
  for (let shown = 0; shown < count; shown += 1) {
    await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  }
  return { advanced: video.currentTime - from, width: video.videoWidth, height: video.videoHeight, ...colours(video) };
}

/** Waits until the remote stream's pictures have this width. */
async function sized(width) {
  const video = document.getElementById("picture");
  video.srcObject ??= await client.connection.remoteStream();
  while (video.videoWidth !== width) await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
}

/** Mean and spread of brightness over the picture shown now. */
function colours(video) {
  const canvas = new OffscreenCanvas(64, 48);
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 64, 48);
  const { data } = context.getImageData(0, 0, 64, 48);
  const light = [];
  for (let at = 0; at < data.length; at += 4) light.push((data[at] + data[at + 1] + data[at + 2]) / 3);
  const mean = light.reduce((sum, one) => sum + one, 0) / light.length;
  return { mean, spread: Math.sqrt(light.reduce((sum, one) => sum + (one - mean) ** 2, 0) / light.length) };
}

window.client = { open, until, watch, sized, received, results, progress, sent };
