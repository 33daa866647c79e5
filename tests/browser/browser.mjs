// Chromium, and web sites for it on loopback.
// Not here: what a page does there (site/).

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { ROOT } from "./processes.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
export const CLIP = join(ROOT, "assets/video/bikes.mp4");
export const SITE = join(HERE, "site");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/**
 * Chromium without a window. `camera` is true for its own moving picture or the path of a .y4m file; `mdns` hides its addresses
 * behind names as browsers do. Of all names only localhost and those under `example` resolve, to this machine: nothing leaves it.
 */
export function launch({ camera = false, mdns = false, args = [] } = {}) {
  if (!existsSync(CHROMIUM)) throw new Error(`no ${CHROMIUM}: run scripts/setup-system.sh, or name another in CHROMIUM`);
  const media = [];
  if (camera) media.push("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream");
  if (typeof camera === "string") media.push(`--use-file-for-fake-video-capture=${camera}`);
  if (!mdns) media.push("--disable-features=WebRtcHideLocalIpsWithMdns");
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--allow-loopback-in-peer-connection",
      "--autoplay-policy=no-user-gesture-required",
      "--host-resolver-rules=MAP *.example 127.0.0.1 , MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1 , EXCLUDE [::1]",
      ...media,
      ...args,
    ],
  });
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".mp4": "video/mp4" };

/**
 * A web site on a free loopback port: the files of `folder`; the original's client as /sdk/VERSION.js; the clip as /clip.mp4;
 * and `routes`, such as `{"POST /start": async (body, request) => ({status, json})}`. A body is JSON.
 */
export async function siteServer(folder = SITE, routes = {}) {
  const server = createServer((request, response) => {
    serve(folder, routes, request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500, { "Content-Type": "text/plain" });
      response.end(String(error));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

async function serve(folder, routes, request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  const route = routes[`${request.method} ${pathname}`];
  if (route) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = parts.length ? JSON.parse(Buffer.concat(parts).toString()) : undefined;
    const { status = 200, json } = await route(body, request);
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(json));
    return;
  }
  const path = fileOf(folder, pathname);
  if (pathname === "/favicon.ico") {
    response.writeHead(204);
    response.end();
    return;
  }
  if (!path || !statSync(path, { throwIfNoEntry: false })?.isFile()) {
    response.writeHead(404);
    response.end();
    return;
  }
  response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream" });
  createReadStream(path).pipe(response);
}

function fileOf(folder, pathname) {
  if (pathname === "/clip.mp4") return CLIP;
  const sdk = /^\/sdk\/([0-9.]+)\.js$/.exec(pathname);
  if (sdk) return join(HERE, "node_modules", `inference-sdk-${sdk[1]}`, "dist/index.es.js");
  const path = resolve(folder, `.${pathname === "/" ? "/index.html" : pathname}`);
  return path.startsWith(folder + sep) ? path : undefined;
}
