// A page with the original's JavaScript client, as its tests use it.
// Not here: the page itself (site/client.js), and what is expected of it.

/** The published dialects: the last two name the control channel otherwise and know no files and no RTSP. */
export const VERSIONS = ["0.1.13", "0.1.9", "0.1.7", "0.1.2"];
export const WITH_SOURCES = ["0.1.13", "0.1.9"];
export const CAMERA = { camera: { video: { width: 640, height: 480 } } };
export const FILE = { file: "/clip.mp4" };

// The client says so of any connection without a reflexive candidate six seconds after its start, also of a good one.
const GATHERED = /\[ICE\] timeout with NO srflx candidate/;

/** A page that has loaded nothing but itself. */
export function clientPage(scene, url, { expected = [], ...options } = {}) {
  return scene.page(`${url}/client.html`, { ...options, expected: [GATHERED, ...expected] });
}

/** A page with a running session: `options` are those of `client.open` in site/client.js. */
export async function openSession(scene, worker, options, pageOptions = {}) {
  const site = await scene.site();
  const browser = { camera: Boolean(options.source.camera) };
  const page = await clientPage(scene, site.url, { browser, ...pageOptions });
  const params = { iceServers: [], ...options.params };
  const session = { key: "any", server: worker.url, ...options, params };
  await scene.run(page, "the session starts", (session) => client.open(session), session);
  return page;
}

/** Ends the session and waits until the worker has noticed; how many milliseconds that took. */
export async function closeSession(scene, worker, page) {
  const gone = worker.until("the worker notices the end", (info) => info.sessions === 0);
  await scene.run(page, "cleanup", () => client.connection.cleanup());
  return gone;
}

export function numbers(from, to) {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}
