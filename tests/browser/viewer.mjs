// How tests work the worker's viewer page: by its form, its words and its pixels, as a person would.
// Not here: what is expected of it (viewer*.test.mjs).

import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, ROOT } from "./harness.mjs";
import { PATIENCE } from "./processes.mjs";

/** Does nothing to a frame, so that no test waits for a model. */
export const PLAIN = { version: "1.0", inputs: [{ type: "InferenceImage", name: "image" }], steps: [], outputs: [{ type: "JsonField", name: "frame", selector: "$inputs.image" }] };

const EMPTY = mkdtempSync(join(tmpdir(), "no-models-"));
process.once("exit", () => rmdirSync(EMPTY));
const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");

/** A worker that answers with twelve boxes where the number in the picture says: crates/worker/examples/counter_boxes.rs. */
export async function counterWorker() {
  const child = new Child(join(TARGET, "release/examples/counter_boxes"), ["--port", "0"]);
  return { url: await child.line(), lines: child.lines, kill: () => child.end() };
}

/** Chooses a source and, unless a model is wanted, pastes a workflow. */
export async function fill(page, source, { url, file, workflow = PLAIN } = {}) {
  await page.waitForFunction(() => document.getElementById("worker").dataset.level);
  await page.check(`[name=source][value=${source}]`, { force: true });
  if (url) await page.fill("#url", url);
  if (file) await page.setInputFiles("#file", file);
  if (!workflow) return;
  await page.check("[name=run][value=json]", { force: true });
  await page.fill("#definition", typeof workflow === "string" ? workflow : JSON.stringify(workflow));
}

/** Presses Start and waits until it runs; a failure is thrown with what the page says. */
export async function start(page) {
  await page.click("#start");
  await reached(page, "running");
}

/** Waits until the page is in a state. */
export async function reached(page, state, timeout = PATIENCE) {
  const ended = [state, "failed"];
  await page.waitForFunction((states) => states.includes(document.body.dataset.state), ended, { timeout });
  const is = await page.evaluate(() => document.body.dataset.state);
  if (is !== state) throw new Error(`the page says: ${JSON.stringify(await failure(page))}`);
}

/** What a failed page says. */
export async function failure(page, timeout = PATIENCE) {
  await page.waitForFunction(() => document.body.dataset.state === "failed", null, { timeout });
  await shot(page);
  return page.evaluate(() => {
    const box = document.getElementById("failure");
    const marked = document.querySelector("#steps [data-is=failed]")?.textContent;
    return { step: box.dataset.step, cause: box.dataset.cause, text: box.textContent, marked, advice: box.querySelectorAll(":scope > ul > li").length };
  });
}

/** A row of the statistics. */
export const statistic = (page, name) =>
  page.evaluate((wanted) => {
    const term = [...document.querySelectorAll("dt")].find((one) => one.textContent === wanted);
    return term?.nextElementSibling.textContent ?? null;
  }, name);

/** Waits until frames go on to be shown: `more` of them from now. */
export async function moreFrames(page, more = 10) {
  const shown = async () => Number((await statistic(page, "Frames shown")) ?? 0);
  const before = await shown();
  await page.waitForFunction(
    (wanted) => Number([...document.querySelectorAll("dt")].find((one) => one.textContent === "Frames shown")?.nextElementSibling.textContent) >= wanted,
    before + more,
  );
}

/** A worker without models: it starts at once. */
export const plainWorker = (scene, args = []) => scene.worker({ args, env: { FRAMEWIRE_MODELS: EMPTY } });

let shots = 0;
/** A picture of the page for who looks at its states, in the folder that VIEWER_SHOTS names; else nothing. */
export async function shot(page, name) {
  const folder = process.env.VIEWER_SHOTS;
  if (!folder) return;
  name ??= `${process.pid}-${(shots += 1)}-${await page.evaluate(() => document.getElementById("failure").dataset.cause ?? "state")}`;
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
