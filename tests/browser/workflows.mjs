// Workflows for the browser tests: small, and none needs a model unless it says so.
// Not here: what becomes of their outputs.

/** A cut of the frame's middle as `crop`, beside the frame as `frame`. */
export function crop(width = 80, height = 80) {
  return {
    version: "1.0",
    inputs: [{ type: "InferenceImage", name: "image" }],
    steps: [
      {
        type: "roboflow_core/absolute_static_crop@v1",
        name: "crop",
        images: "$inputs.image",
        x_center: 320,
        y_center: 240,
        width,
        height,
      },
    ],
    outputs: [
      { type: "JsonField", name: "frame", selector: "$inputs.image" },
      { type: "JsonField", name: "crop", selector: "$steps.crop.crops" },
    ],
  };
}
