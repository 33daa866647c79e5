// What the browser tests share: the worker as a process, Chromium, web sites of the test's own, and scenarios with an end.
// Not here: what a page does (site/), and what is expected of it (*.test.mjs).

import { spawn } from "node:child_process";
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const HERE = fileURLToPath(new URL(".", import.meta.url));
export const ROOT = resolve(HERE, "../..");
export const CLIP = join(ROOT, "assets/video/bikes.mp4");
export const SITE = join(HERE, "site");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const READY = "framewire serve listening on ";
// Log lines kept for the report of a failure.
const KEPT_LINES = 200;
// Anything that does not happen on a busy machine within this will not happen.
const PATIENCE = 30_000;

/** Waits for `promise`, at most so many milliseconds; the error names what did not happen. */
export async function within(milliseconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms: ${what}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A child process whose lines are read; `lines` keeps the last of both streams. */
export class Child {
  constructor(command, args, env = {}) {
    this.lines = [];
    const stdio = ["pipe", "pipe", "pipe"];
    this.process = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio });
    this.gone = new Promise((done) => this.process.once("close", (status, signal) => done(status ?? signal)));
    this.process.once("error", (error) => this.#keep(String(error)));
    this.waiting = [];
    this.unread = [];
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.#keep(line);
      const next = this.waiting.shift();
      if (next) next(line);
      else this.unread.push(line);
    });
    createInterface({ input: this.process.stderr }).on("line", (line) => this.#keep(line));
    running.add(this);
    this.gone.then(() => running.delete(this));
  }

  #keep(line) {
    this.lines.push(line);
    if (this.lines.length > KEPT_LINES) this.lines.shift();
  }

  /** The next line of its standard output. */
  line() {
    if (this.unread.length) return Promise.resolve(this.unread.shift());
    const line = new Promise((resolve) => this.waiting.push(resolve));
    const gone = this.gone.then((status) => {
      throw new Error(`it ended with ${status}:\n${this.lines.join("\n")}`);
    });
    return within(PATIENCE, `a line of ${this.process.spawnfile}`, Promise.race([line, gone]));
  }

  async end(signal = "SIGKILL") {
    this.process.kill(signal);
    return within(PATIENCE, `${this.process.spawnfile} ends`, this.gone);
  }
}

const running = new Set();
process.once("exit", () => running.forEach((child) => child.process.kill("SIGKILL")));

/**
 * A `framewire serve` of its own on a free port: `args` are options of the command, `env` variables of its environment.
 * `stop()` asks it to end and gives its exit status, `kill()` does not ask.
 */
export async function startWorker({ args = [], env = {}, name = "127.0.0.1" } = {}) {
  const child = new Child(join(TARGET, "release/framewire"), ["serve", "--listen", "127.0.0.1:0", ...args], {
    FRAMEWIRE_MODELS: join(ROOT, "assets/models"),
    ...env,
  });
  const first = await child.line();
  if (!first.startsWith(READY)) throw new Error(`unexpected first line ${JSON.stringify(first)}`);
  const url = first.slice(READY.length).replace("127.0.0.1", name);
  const get = async (path) => {
    const answer = await fetch(url.replace(name, "127.0.0.1") + path);
    if (!answer.ok) throw new Error(`GET ${path}: ${answer.status}`);
    return answer;
  };
  const info = async () => (await get("/info")).json();
  const metrics = async () => readMetrics(await (await get("/metrics")).text());
  return {
    url,
    process: child.process,
    lines: child.lines,
    info,
    metrics,
    /** Milliseconds until `check(info)` holds; asked again and again, for what a worker shows only on request. */
    async until(what, check, milliseconds = PATIENCE) {
      const begin = performance.now();
      for (;;) {
        const shown = await info();
        const passed = performance.now() - begin;
        if (check(shown)) return passed;
        if (passed > milliseconds) throw new Error(`not within ${milliseconds} ms: ${what}; ${JSON.stringify(shown)}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    stop: () => child.end("SIGTERM"),
    kill: () => child.end(),
  };
}

/** Prometheus text as a function: `value("name", {label: "x"})` sums the samples that have these labels. */
function readMetrics(text) {
  const samples = [];
  for (const line of text.split("\n")) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!found) continue;
    const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((m) => [m[1], m[2]]));
    samples.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return (name, wanted = {}) =>
    samples
      .filter((one) => one.name === name && Object.entries(wanted).every(([key, value]) => one.labels[key] === value))
      .reduce((sum, one) => sum + one.value, 0);
}

/**
 * Chromium without a window. `camera` is true for its own moving picture or the path of a .y4m file; `mdns` hides its addresses
 * behind names as browsers do. No name but localhost resolves, so nothing leaves this machine.
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
      "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1 , EXCLUDE [::1]",
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

const browsers = new Map();
after(async () => {
  for (const browser of browsers.values()) await (await browser).close();
});

/** One scenario's workers, sites and pages; all of them end with it. A browser is shared by the scenarios of a file. */
export class Scene {
  #ends = [];
  #told = [];
  #errors = [];

  async worker(options) {
    const worker = await startWorker(options);
    this.#ends.push(worker.kill);
    this.#told.push(() => ["worker:", ...worker.lines]);
    return worker;
  }

  async site(folder, routes) {
    const site = await siteServer(folder, routes);
    this.#ends.push(site.close);
    return site;
  }

  /** A process of the scenario's own, such as a camera. */
  child(command, args, env) {
    const child = new Child(command, args, env);
    this.#ends.push(() => child.end());
    this.#told.push(() => [`${command}:`, ...child.lines]);
    return child;
  }

  /** A page with a profile of its own. Errors it reports fail the scenario unless a pattern of `expected` knows them. */
  async page(url, { browser: options = {}, context: contextOptions = {}, expected = [] } = {}) {
    const key = JSON.stringify(options);
    if (!browsers.has(key)) browsers.set(key, launch(options));
    const context = await (await browsers.get(key)).newContext(contextOptions);
    this.#ends.push(() => context.close());
    const page = await context.newPage();
    const said = [];
    this.#told.push(() => ["page:", ...said]);
    const keep = (kind, text) => {
      said.push(`${kind}: ${text}`);
      if (said.length > KEPT_LINES) said.shift();
      if (kind === "error" && !expected.some((pattern) => pattern.test(text))) this.#errors.push(text);
    };
    page.on("console", (message) => keep(message.type(), `${message.text()} (${message.location().url})`));
    page.on("pageerror", (error) => keep("error", String(error.stack ?? error)));
    page.on("crash", () => keep("error", "the page crashed"));
    page.setDefaultTimeout(PATIENCE);
    await page.goto(url);
    return page;
  }

  /** Runs `body` in the page, at most so long; the error names the step. */
  async run(page, what, body, argument, milliseconds = PATIENCE) {
    return within(milliseconds, what, page.evaluate(body, argument));
  }

  /** Throws the first error a page reported. */
  settle() {
    if (this.#errors.length) throw new Error(`a page reported errors:\n${this.#errors.join("\n")}`);
  }

  /** What everybody said, for the report of a failure. */
  tell() {
    for (const told of this.#told) console.error(told().join("\n  "));
  }

  async close() {
    for (const end of this.#ends.reverse()) await end();
  }
}

/** A test with a scene and a time limit. When it fails, what the pages and the workers said is printed. */
export function scenario(name, body, { limit = 60_000 } = {}) {
  // The runner's own limit is only for a scene that cannot be closed.
  test(name, { timeout: limit + 2 * PATIENCE }, async (t) => {
    const scene = new Scene();
    try {
      await within(limit, "the whole scenario", body(scene, t));
      scene.settle();
    } catch (error) {
      scene.tell();
      throw error;
    } finally {
      await scene.close();
    }
  });
}
