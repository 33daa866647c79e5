// The viewer page itself: what it is made of, who may run in it, how it looks at any size and in any light.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { scenario } from "./harness.mjs";
import { plainWorker, fill, shot } from "./viewer.mjs";

const FILES = ["/", "/viewer.js", "/viewer.css"];

scenario("the page is three files of at most 60 kB that may not load, embed or be embedded", async (scene) => {
  const worker = await plainWorker(scene);
  let weight = 0;
  for (const file of FILES) {
    const answer = await fetch(worker.url + file);
    const body = await answer.text();
    weight += Buffer.byteLength(body);
    if (file.endsWith(".js")) {
      // As served: without its comments and most ends of lines.
      const { status, stderr } = spawnSync(process.execPath, ["--check", "--input-type=module", "-"], { input: body, encoding: "utf8" });
      assert.equal(status, 0, stderr);
    }
    const policy = answer.headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]) {
      assert.ok(policy.includes(part), `${file}: ${part}`);
    }
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    assert.match(answer.headers.get("permissions-policy"), /camera=\(self\), microphone=\(\)/);
    const again = await fetch(worker.url + file, { headers: { "If-None-Match": answer.headers.get("etag") } });
    assert.equal(again.status, 304);
  }
  assert.ok(weight <= 60_000, `${weight} bytes`);
});

scenario("nothing but the page's own script runs, and nothing is asked of anybody else", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page("about:blank", { expected: [/Content Security Policy/, /TrustedHTML|Trusted/] });
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.effectiveDirective));
  });
  await page.goto(worker.url);
  await page.waitForFunction(() => document.getElementById("worker").dataset.level);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  assert.ok(asked.every((url) => url.startsWith(`${worker.url}/`) || url.startsWith("data:")), asked.join("\n"));
  await page.evaluate(async () => {
    const script = document.createElement("script");
    try {
      script.textContent = "window.injected = true";
      document.body.append(script);
    } catch {
      // Refused before it is one.
    }
    try {
      document.body.innerHTML += "<img src=x onerror='window.injected = true'>";
    } catch {
      // As above.
    }
    await fetch("http://127.0.0.1:1/").catch(() => {});
  });
  await page.waitForFunction(() => window.violations.includes("connect-src"));
  assert.equal(await page.evaluate(() => window.injected), undefined);
});

/** Every control has a name, every picture a description, every text enough contrast; as a list of what has not. */
function audit() {
  const faults = [];
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  for (const field of document.querySelectorAll("input, select, textarea, button, summary, progress")) {
    const name = field.labels?.[0]?.textContent ?? field.getAttribute("aria-label") ?? field.textContent;
    if (!name.trim()) faults.push(`no name: ${field.outerHTML.slice(0, 80)}`);
  }
  for (const picture of document.querySelectorAll("canvas")) if (!picture.ariaLabel || picture.getAttribute("role") !== "img") faults.push(`no description: ${picture.id}`);
  const channel = (level) => (level / 255 <= 0.03928 ? level / 255 / 12.92 : ((level / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
  const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [red, green, blue, alpha = 1] = parse(getComputedStyle(at).backgroundColor);
      if (alpha > 0.8) return [red, green, blue];
    }
    return [255, 255, 255];
  };
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !seen(element) || element.closest(".unseen, :disabled, option")) continue;
    const [one, other] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    if (contrast < 4.5) faults.push(`contrast ${contrast.toFixed(2)}: ${element.tagName} ${element.textContent.slice(0, 30)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
  if (new Set(ids).size !== ids.length) faults.push("an id twice");
  if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1) faults.push("main, h1");
  if (document.getElementById("status").getAttribute("role") !== "status") faults.push("status is not live");
  if (!document.documentElement.lang) faults.push("no language");
  return faults;
}

for (const colorScheme of ["light", "dark"]) {
  scenario(`every control has a name and every text contrast, in ${colorScheme}`, async (scene) => {
    const worker = await plainWorker(scene);
    const page = await scene.page(worker.url, { context: { colorScheme } });
    await fill(page, "camera", { workflow: null });
    await shot(page, `idle-${colorScheme}`);
    for (const [source, run] of [["camera", "model"], ["file", "json"], ["url", "id"]]) {
      await page.check(`[name=source][value=${source}]`, { force: true });
      await page.check(`[name=run][value=${run}]`, { force: true });
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
      assert.deepEqual(await page.evaluate(audit), [], `${source}, ${run}`);
    }
    await page.fill("#url", "nonsense");
    await page.click("#start");
    assert.match(await page.textContent("#complaint"), /rtsp:/);
    assert.equal(await page.getAttribute("#url", "aria-invalid"), "true");
    assert.equal(await page.evaluate(() => document.activeElement.id), "url");
    assert.deepEqual(await page.evaluate(audit), []);
    await shot(page, `complaint-${colorScheme}`);
  });
}

for (const width of [360, 820, 1280, 1920]) {
  scenario(`nothing has to be scrolled sideways at ${width} pixels`, async (scene) => {
    const worker = await plainWorker(scene);
    const page = await scene.page(worker.url, { context: { viewport: { width, height: 740 }, reducedMotion: "reduce" } });
    await fill(page, "url");
    await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
    const { scrolls, outside } = await page.evaluate(() => {
      const right = document.documentElement.clientWidth;
      const visible = [...document.querySelectorAll("body *")].filter((one) => one.checkVisibility() && !one.closest(".unseen, .scroll"));
      return {
        scrolls: document.documentElement.scrollWidth > right,
        outside: visible.filter((one) => one.getBoundingClientRect().right > right + 1).map((one) => one.outerHTML.slice(0, 80)),
      };
    });
    assert.deepEqual(outside, []);
    assert.equal(scrolls, false);
    const small = await page.evaluate(() => [...document.querySelectorAll("button, .choice label")].filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 30).length);
    assert.equal(small, 0, "large enough for a finger");
    await shot(page, `width-${width}`);
  });
}

scenario("a worker that is not there any more is said to be so", async (scene) => {
  const worker = await plainWorker(scene);
  const page = await scene.page(worker.url, { expected: [/ERR_/] });
  await page.route("**/info", (route) => route.abort());
  await page.reload();
  await page.waitForSelector("#worker[data-level=bad]");
  assert.match(await page.textContent("#worker"), /does not answer/);
});
