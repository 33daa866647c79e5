#!/usr/bin/env python3
"""Records what the reference decoder finds in frames of the demo clip: crates/worker/tests/data/bikes-boxes.json.

Run by hand, once per detector; the tests only read its result. Needs the assets and, in an environment of its own:
    pip install numpy==2.4.6 onnxruntime==1.23.2 opencv-python-headless==5.0.0.93 supervision==0.31.2
Frames are decoded and converted to BGR by OpenCV's FFmpeg, so a decoder with another YUV-to-BGR conversion sees pictures
that differ by up to 3 levels a channel; that is why the tests allow 1 px and 0.01 of confidence.
"""

import json
import pathlib

import cv2
import numpy as np
import onnxruntime
import supervision

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRAMES = [0, 12, 40, 60, 85, 110, 140, 170, 200, 225, 249]
CONFIDENCE, NMS_IOU = 0.4, 0.5


def anchors():
    """SSD anchors of 6 feature maps; the first map has three smaller ones a cell."""
    scales = [0.2 + (0.95 - 0.2) * i / 5 for i in range(6)] + [1.0]
    rows = []
    for i, stride in enumerate((16, 32, 64, 128, 256, 512)):
        cells = -(-300 // stride)
        if i == 0:
            kinds = [(0.1, 1.0), (scales[0], 2.0), (scales[0], 0.5)]
        else:
            kinds = [(scales[i], ratio) for ratio in (1.0, 2.0, 0.5, 3.0, 0.3333)]
            kinds.append(((scales[i] * scales[i + 1]) ** 0.5, 1.0))
        for y in range(cells):
            for x in range(cells):
                for scale, ratio in kinds:
                    rows.append(((x + 0.5) / cells, (y + 0.5) / cells, scale * ratio**0.5, scale / ratio**0.5))
    return np.array(rows)


ANCHORS = anchors()


def decode(boxes, logits, height, width):
    scores = 1 / (1 + np.exp(-logits))
    cx = boxes[:, 1] / 10 * ANCHORS[:, 2] + ANCHORS[:, 0]
    cy = boxes[:, 0] / 10 * ANCHORS[:, 3] + ANCHORS[:, 1]
    w = np.exp(boxes[:, 3] / 5) * ANCHORS[:, 2]
    h = np.exp(boxes[:, 2] / 5) * ANCHORS[:, 3]
    best = scores[:, 1:].argmax(1) + 1
    confidence = scores[np.arange(len(scores)), best]
    keep = confidence > CONFIDENCE
    corners = np.stack([(cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height], 1)
    return supervision.Detections(xyxy=corners[keep], confidence=confidence[keep], class_id=best[keep]).with_nms(NMS_IOU)


def main():
    session = onnxruntime.InferenceSession(
        str(ROOT / "assets/models/ssd-mobilenetv2-oidv4/model.onnx"), providers=["CPUExecutionProvider"]
    )
    clip = cv2.VideoCapture(str(ROOT / "assets/video/bikes.mp4"))
    frames, index = [], 0
    while True:
        ok, picture = clip.read()
        if not ok:
            break
        if index in FRAMES:
            height, width = picture.shape[:2]
            rgb = cv2.cvtColor(cv2.resize(picture, (300, 300)), cv2.COLOR_BGR2RGB)
            feed = (rgb.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)[None]
            boxes, logits = session.run(None, {"normalized_input_image_tensor": feed})
            found = decode(boxes[0], logits[0], height, width)
            frames.append(
                {
                    "frame": index,
                    "boxes": [
                        {"class_id": int(c), "confidence": round(float(p), 5), "xyxy": [round(float(v), 3) for v in box]}
                        for box, p, c in zip(found.xyxy, found.confidence, found.class_id)
                    ],
                }
            )
        index += 1
    document = {"clip": "bikes.mp4", "confidence": CONFIDENCE, "iou": NMS_IOU, "frames": frames}
    target = ROOT / "crates/worker/tests/data/bikes-boxes.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n")
    print(f"{target}: {sum(len(f['boxes']) for f in frames)} boxes in {len(frames)} of {index} frames")


if __name__ == "__main__":
    main()
