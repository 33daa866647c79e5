// Scenarios of the browser tests: each has its workers, web sites and pages, a time limit, and tells what was said when it fails.
// Not here: what a page does (site/), and what is expected of it (*.test.mjs).

import { after, test } from "node:test";
import { launch, siteServer } from "./browser.mjs";
import { Child, KEPT_LINES, PATIENCE, startWorker, within } from "./processes.mjs";

export { CLIP, launch, SITE, siteServer } from "./browser.mjs";
export { Child, eventually, ROOT, startWorker, within } from "./processes.mjs";

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
export function scenario(name, body, { limit = 180_000 } = {}) {
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
