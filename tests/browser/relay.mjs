// A network path between a page and the worker that a test can narrow or cut, by rewriting the addresses in their descriptions.
// Not here: delay and loss; tests/interop/relay.py has those.

import { createSocket } from "node:dgram";

const bind = (socket) => new Promise((resolve) => socket.bind(0, "127.0.0.1", () => resolve(socket.address().port)));

/** Passes datagrams that `passes(datagram, toWorker)` lets through; replace it at any time. */
export class Path {
  passes = () => true;
  #peers = new Map();

  static async to(port) {
    const path = new Path();
    path.front = createSocket("udp4").unref();
    path.front.on("message", (datagram, from) => path.#up(datagram, from, port));
    path.port = await bind(path.front);
    return path;
  }

  #up(datagram, from, port) {
    const key = `${from.address}:${from.port}`;
    let back = this.#peers.get(key);
    if (!back) {
      back = createSocket("udp4").unref();
      back.on("message", (answer) => this.passes(answer, false) && this.front.send(answer, from.port, from.address));
      back.on("error", () => {});
      this.#peers.set(key, back);
    }
    if (this.passes(datagram, true)) back.send(datagram, port, "127.0.0.1");
  }
}

/**
 * Media of `page` takes the paths that `next()` gives, one for each offer. The worker learns no address of the page and the page
 * only that of the path, so there is no other way.
 */
export async function route(page, next) {
  const handler = async (route) => {
    const body = route.request().postDataJSON();
    body.webrtc_offer.sdp = body.webrtc_offer.sdp.replace(/^a=candidate:.*\r\n/gm, "");
    const response = await route.fetch({ postData: JSON.stringify(body) });
    if (!response.ok()) return route.fulfill({ response });
    const answer = await response.json();
    const port = Number(/^a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+) typ host/im.exec(answer.sdp)[1]);
    const path = await next(port);
    let first = true;
    answer.sdp = answer.sdp.replace(/^a=candidate:.*\r\n/gm, () => {
      const line = first ? `a=candidate:1 1 udp 2130706431 127.0.0.1 ${path.port} typ host\r\n` : "";
      first = false;
      return line;
    });
    return route.fulfill({ response, json: answer });
  };
  await page.route("**/initialise_webrtc_worker", handler);
  await page.route("**/webrtc/session/*/ice", handler);
}

/** What a datagram is, by its first byte (RFC 7983). */
export const kind = ([first]) => (first < 4 ? "stun" : first >= 20 && first < 64 ? "dtls" : first >= 128 && first < 192 ? "rtp" : "other");
