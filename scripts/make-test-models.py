#!/usr/bin/env python3
"""Makes the tiny models of the tests: crates/worker/tests/data/{models,models-refused}/<id>/{model.json,model.onnx}.

Run by hand when they change; the results (a few hundred bytes each) are kept in the tree. Needs `pip install onnx==1.23.2`.
The detectors answer the same rows for every picture, written down below; the classifiers answer the mean of each channel.
"""

import json
import math
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TARGET = pathlib.Path(__file__).resolve().parent.parent / "crates/worker/tests/data/models"
SIDE = 32


def save(model_id, description, nodes, output, initializers, target=TARGET):
    """One model with the input `images` [1, 3, 32, 32]."""
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    constants = [numpy_helper.from_array(value, name) for name, value in initializers.items()]
    graph = helper.make_graph(nodes, "test", [picture], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="framewire")
    onnx.checker.check_model(model)
    folder = target / model_id
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    base = {"id": model_id, "file": "model.onnx", "input": {"width": SIDE, "height": SIDE}}
    (folder / "model.json").write_text(json.dumps(base | description, indent=2) + "\n")


def fixed(model_id, description, rows):
    """A model that answers `rows` whatever the picture is."""
    rows = np.asarray(rows, dtype=np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["output"]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, rows.shape)
    save(model_id, description, nodes, output, {"rows": rows, "zero": np.zeros((), np.float32)})


def shortened(model_id, description, rows, count):
    """A model that answers the first `count` rows, but leaves their number open in its description of itself."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[0, 1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Reshape", ["nothing", "one"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["offset"], to=TensorProto.INT64),
        helper.make_node("Add", ["offset", "count"], ["end"]),
        helper.make_node("Slice", ["rows", "offset", "end", "one"], ["output"]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, "rows", rows.shape[2]])
    constants = {
        "rows": rows.astype(np.float32),
        "zero": np.zeros((), np.float32),
        "one": np.ones(1, np.int64),
        "count": np.full(1, count, np.int64),
    }
    save(model_id, description, nodes, output, constants, TARGET.parent / "models-refused")


def means(model_id, description):
    """A model that answers the mean of each channel, as [1, 3]."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    save(model_id, description, nodes, helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3]), {})


def detector(family, **more):
    return {"task_type": "object-detection", "family": family, "classes": ["cat", "dog"]} | more


def yolox_rows():
    """21 rows of strides 8, 16, 32. Three say something: two cats that overlap and a dog."""
    rows = np.zeros((1, 21, 7))
    # Stride 8, column 1, row 1: centre (12, 12), 16 wide, 8 high.
    rows[0, 5] = [0.5, 0.5, math.log(2), 0, 0.9, 0.8, 0.1]
    # Stride 16, column 0, row 0: centre (12, 12), 16 x 8 again, weaker.
    rows[0, 16] = [0.75, 0.75, 0, math.log(0.5), 0.8, 0.7, 0.1]
    # Stride 32: centre (24, 16), 8 x 16.
    rows[0, 20] = [0.75, 0.5, math.log(0.25), math.log(0.5), 1.0, 0.2, 0.5]
    return rows


def main():
    letterbox = {"width": SIDE, "height": SIDE, "resize": "letterbox", "align": "top-left", "color": "bgr"}
    fixed("tiny/yolox", detector("yolox", input=letterbox), yolox_rows())
    # Columns: centre x, centre y, width, height, cat, dog.
    raw = np.array(
        [[12, 12, 16, 8, 0.9, 0.1], [13, 12, 16, 8, 0.6, 0.2], [24, 16, 8, 16, 0.1, 0.5], [5, 5, 4, 4, 0.3, 0.35], [40, 16, 40, 8, 0.1, 0.8]]
    ).T
    fixed("tiny/yolov8", detector("yolov8"), raw[None])
    # Rows: left, top, right, bottom, confidence, class; the last ones are padding and a class that does not exist.
    done = [[4, 8, 20, 16, 0.9, 0], [20, 8, 28, 24, 0.5, 1], [0, 0, 0, 0, 0, 0], [1, 1, 9, 9, 0.9, 7]]
    fixed("tiny/yolov8-nms", detector("yolov8"), [done])
    scaled = {"width": SIDE, "height": SIDE, "range": [0.0, 10.0]}
    classes = {"family": "classification", "classes": ["red", "green", "blue"], "input": scaled}
    means("tiny/colors", {"task_type": "classification"} | classes)
    means("tiny/tags", {"task_type": "multi-label-classification"} | classes | {"input": scaled | {"range": [-5.0, 5.0]}})
    shortened("open", detector("yolox", input=letterbox), yolox_rows(), 20)
    for path in sorted(TARGET.parent.glob("models*/**/*")):
        if path.is_file():
            print(path.relative_to(TARGET.parent), path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
