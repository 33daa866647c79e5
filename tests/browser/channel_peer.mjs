// A browser's data channels as a process: runs the commands it reads as JSON lines and writes what happens, as aiortc_peer.py
// does (benches/rivals/README.md has the commands). The page is site/channels.html. Ends with its input.
// Not a test: tests/interop/test_channel_engines.py drives it.

import { createInterface } from "node:readline";
import { launch, siteServer } from "./browser.mjs";

const site = await siteServer();
const browser = await launch();
const page = await browser.newPage();
const write = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
page.on("pageerror", (error) => write({ event: "error", message: String(error) }));
await page.exposeFunction("say", write);
await page.goto(`${site.url}/channels.html`);
for await (const line of createInterface({ input: process.stdin })) {
  await page.evaluate((command) => run(command), JSON.parse(line));
}
await browser.close();
await site.close();
