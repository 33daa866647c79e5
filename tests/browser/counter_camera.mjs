// A camera whose pictures are numbered, and the reading of numbers and boxes from pictures.
// Not here: who shows them. The worker that answers with boxes is crates/worker/examples/counter_boxes.rs.

import { closeSync, openSync, writeSync } from "node:fs";

/** Side of one of the eight squares that are the number, lowest bit first. */
export const SQUARE = 32;

/** Writes a y4m film of `frames` numbered pictures for Chromium's fake camera, which repeats it. */
export function writeCamera(path, { width = 640, height = 480, fps = 30, frames = 64 } = {}) {
  const file = openSync(path, "w");
  writeSync(file, `YUV4MPEG2 W${width} H${height} F${fps}:1 Ip A1:1 C420\n`);
  const picture = Buffer.alloc((width * height * 3) / 2, 128);
  for (let y = 0; y < height; y += 1) for (let x = 0; x < width; x += 1) picture[y * width + x] = 40 + (80 * y) / height;
  for (let number = 0; number < frames; number += 1) {
    for (let y = 0; y < SQUARE; y += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const at = y * width + bit * SQUARE;
        picture.fill((number >> bit) & 1 ? 235 : 16, at, at + SQUARE);
      }
    }
    writeSync(file, "FRAME\n");
    writeSync(file, picture);
  }
  closeSync(file);
  return path;
}
