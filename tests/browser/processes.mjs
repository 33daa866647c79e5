// Processes of the tests: whatever is a child with lines of text, and the worker among them.
// Not here: browsers and web sites (browser.mjs).

import { spawn } from "node:child_process";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(fileURLToPath(new URL(".", import.meta.url)), "../..");
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");
const READY = "framewire serve listening on ";
/** Lines kept for the report of a failure. */
export const KEPT_LINES = 200;
/** Anything that does not happen on a busy machine within this many milliseconds will not happen. */
export const PATIENCE = 60_000;

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

/** Milliseconds until `check()` holds; asked again and again, for what shows only on request. */
export async function eventually(what, check, milliseconds = PATIENCE) {
  const begin = performance.now();
  for (;;) {
    const holds = await check();
    const passed = performance.now() - begin;
    if (holds) return passed;
    if (passed > milliseconds) throw new Error(`not within ${milliseconds} ms: ${what}`);
    await pause(10);
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
    /** Milliseconds until `check(info)` holds. */
    until: (what, check, milliseconds) => eventually(what, async () => check(await info()), milliseconds),
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
