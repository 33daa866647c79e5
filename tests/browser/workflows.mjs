// Workflows for the browser tests: small, and none needs a model unless it says so.
// Not here: what becomes of their outputs.

/** The frame as `frame`, a cut of its middle as `crop`, and a text as `label`. */
export function crop(width = 80, height = 80) {
  return {
    version: "1.0",
    inputs: [
      { type: "InferenceImage", name: "image" },
      { type: "WorkflowParameter", name: "label", default_value: "a crop" },
    ],
    steps: [
      {
        type: "roboflow_core/absolute_static_crop@v1",
        name: "crop",
        images: "$inputs.image",
        x_center: 320,
        y_center: 136,
        width,
        height,
      },
    ],
    outputs: [
      { type: "JsonField", name: "frame", selector: "$inputs.image" },
      { type: "JsonField", name: "crop", selector: "$steps.crop.crops" },
      { type: "JsonField", name: "label", selector: "$inputs.label" },
    ],
  };
}

/** Objects of the bundled model as `predictions`, their boxes drawn on the frame as `boxes`. */
export function detection() {
  return {
    version: "1.0",
    inputs: [{ type: "InferenceImage", name: "image" }],
    steps: [
      {
        type: "roboflow_core/roboflow_object_detection_model@v2",
        name: "model",
        images: "$inputs.image",
        model_id: "ssd-mobilenetv2-oidv4",
        confidence: 0.2,
      },
      {
        type: "roboflow_core/bounding_box_visualization@v1",
        name: "draw",
        image: "$inputs.image",
        predictions: "$steps.model.predictions",
      },
    ],
    outputs: [
      { type: "JsonField", name: "predictions", coordinates_system: "own", selector: "$steps.model.predictions" },
      { type: "JsonField", name: "boxes", selector: "$steps.draw.image" },
    ],
  };
}
