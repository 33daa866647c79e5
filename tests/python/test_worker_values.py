"""What a function may return from a frame, and what becomes of everything else.

Not here: how workers start and end.
"""

import threading

import numpy as np
from conftest import CLIP_FRAMES, HANG_GUARD, LOCAL
from function_workers import ANY, collect

from framewire import InferenceHTTPClient
from framewire.webrtc import StreamConfig, VideoFileSource
from framewire.worker import Worker

VALUES = {
    "none": (None, None),
    "bool": (True, True),
    "numpy bool": (np.bool_(False), False),
    "int": (-3, -3),
    "large": (2**64 - 1, 2**64 - 1),
    "numpy int": (np.int16(5), 5),
    "float": (1.25, 1.25),
    "float32": (np.float32(0.5), 0.5),
    "nan": (float("nan"), None),
    "infinities": ([np.inf, -np.inf], [None, None]),
    "half a surrogate pair": ("a\ud83d", "a\ufffd\ufffd\ufffd"),
    "text": ("naïve \U0001f600 \0", "naïve \U0001f600 \0"),
    "tuple": ((1, "a"), [1, "a"]),
    "boxes": (np.array([[1.5, 2.0], [3.0, 4.0]], np.float32), [[1.5, 2.0], [3.0, 4.0]]),
    "one dimension of bytes": (np.arange(3, dtype=np.uint8), [0, 1, 2]),
    "empty picture": (np.zeros((0, 4, 3), np.uint8), []),
    "array of no dimension": (np.array(7), 7),
    "nested": ({"a": [{"b": np.int64(1)}], "c": {}}, {"a": [{"b": 1}], "c": {}}),
    "keys": ({1: "a", None: "b", True: "c", np.int64(3): "d", 0.5: "e"}, {"1": "c", "null": "b", "3": "d", "0.5": "e"}),
    "": ("an output without a name", "an output without a name"),
}

CYCLE = []
CYCLE.append(CYCLE)
WRONG = {
    "set": ({1}, "output 'set' holds a set"),
    "bytes": (b"x", "output 'bytes' holds a bytes"),
    "object": (threading.Lock(), "output 'object' holds a _thread.lock"),
    "class in a list": ([1, [object]], "output 'class in a list' holds a type"),
    "complex": (np.complex64(1), "output 'complex' holds a complex"),
    "too large": (2**64, "output 'too large' holds an integer of more than 64 bits"),
    "cycle": (CYCLE, "output 'cycle' is nested too deeply, or contains itself"),
    "four channels": (np.zeros((500, 600, 4), np.uint8), "output 'four channels' holds an array of shape [500, 600, 4]"),
    "objects": (np.array([object()]), "output 'objects' holds a object"),
    "key": ({(1, 2): 3}, "output 'key' has a key that is a tuple, not str"),
    "long": ([0] * 1_000_001, "output 'long' has more than 1000000 items"),
}


def test_values_of_every_kind_arrive_as_json_and_anything_else_is_an_error_that_names_it(clip):
    right, wrong = list(VALUES), list(WRONG)

    def process(frame, metadata):
        at = (metadata.frame_id - 1) % (len(right) + len(wrong))
        if at < len(right):
            return {right[at]: VALUES[right[at]][0]}
        name = wrong[at - len(right)]
        return {"fine": 1, name: WRONG[name][0]}

    with Worker(process, port=0) as worker:
        data, errors = collect(worker.url, clip, ["*"])
    assert len(data) == CLIP_FRAMES
    for number, value in data.items():
        at = (number - 1) % (len(right) + len(wrong))
        if at < len(right):
            assert value == {right[at]: VALUES[right[at]][1]}
            assert number not in errors
        else:
            assert value is None
            (text,) = errors[number]
            assert text.startswith("TypeError: " + WRONG[wrong[at - len(right)]][1])


def test_pictures_of_any_layout_and_grey_ones_arrive_as_they_are(clip):
    base = np.zeros((272, 640, 3), np.uint8)
    base[:, :320] = (0, 0, 250)
    base[:, 320:] = (250, 0, 0)
    made = {
        "whole": base,
        "flipped": base[:, ::-1],
        "every second": base[::2, ::2],
        "transposed": base.transpose(1, 0, 2),
        "read only": np.broadcast_to(np.array([0, 0, 250], np.uint8), (20, 30, 3)),
        "grey": np.full((24, 32), 77, np.uint8),
        "grey column": np.full((24, 64), 77, np.uint8)[:, ::3],
        "one pixel": np.full((1, 1, 3), 9, np.uint8),
    }
    names = list(made)

    def process(frame, metadata):
        return {"picture": made[names[metadata.frame_id % len(names)]]}

    checked = 0
    with Worker(process, port=0) as worker:
        client = InferenceHTTPClient(api_url=worker.url, api_key=None)
        config = StreamConfig(stream_output=["picture"], turn_server=LOCAL)
        with client.webrtc.stream(source=VideoFileSource(clip), workflow=ANY, config=config) as session:
            for frame, metadata in session.video():
                wanted = made[names[metadata.frame_id % len(names)]]
                if wanted.ndim == 2:
                    wanted = np.repeat(wanted[:, :, None], 3, axis=2)
                assert frame.shape == wanted.shape
                # JPEG: plain areas stay within a few steps.
                close = np.abs(frame.astype(int) - wanted.astype(int)).max(axis=2) < 12
                assert close.mean() > 0.95
                checked += 1
    assert checked == CLIP_FRAMES


def test_a_picture_that_claims_more_pixels_than_there_is_memory_for_is_an_error_of_its_frame(clip):
    claims = {
        "grey": np.broadcast_to(np.uint8(0), (100_000, 100_000)),
        "colour": np.broadcast_to(np.uint8(0), (100_000, 100_000, 3)),
        "long": np.broadcast_to(np.uint8(0), (1, 20_000)),
    }
    names = list(claims)

    def process(frame, metadata):
        name = names[metadata.frame_id % len(names)]
        return {name: claims[name]}

    with Worker(process, port=0) as worker:
        data, errors = collect(worker.url, clip, ["*"])
    assert len(data) == len(errors) == CLIP_FRAMES
    for number, (text,) in errors.items():
        size = "20000x1" if number % len(names) == 2 else "100000x100000"
        assert text.startswith(f"ValueError: a picture of {size} is over the limit of 16384 a side"), text


def test_exceptions_and_wrong_results_are_errors_of_their_frame_and_the_first_are_logged(clip, caplog):
    def process(frame, metadata):
        step = metadata.frame_id % 5
        if step == 0:
            raise ValueError(f"frame {metadata.frame_id}")
        if step == 1:
            return None
        if step == 2:
            return {3: "x"}
        if step == 3:
            raise KeyError
        return {"number": metadata.frame_id}

    with Worker(process, port=0) as worker:
        data, errors = collect(worker.url, clip, ["number"])
    for number, value in data.items():
        step = number % 5
        text = [
            f"ValueError: frame {number}",
            "TypeError: process() returned a NoneType, not a dict of outputs",
            "TypeError: the name of an output is a int, not str",
            "KeyError",
        ]
        if step == 4:
            assert value == {"number": number}
            assert number not in errors
        else:
            assert errors[number] == [text[step]]
    records = [record for record in caplog.records if record.name == "framewire.worker"]
    assert len(records) == 5
    assert all(record.exc_info for record in records)
    assert "further ones" in records[-1].getMessage()


def test_a_factory_gives_every_session_a_state_of_its_own_on_one_thread(clip):
    class Counter:
        made = []

        def __init__(self):
            self.thread = threading.get_ident()
            self.count = 0
            Counter.made.append(self)

        def __call__(self, frame, metadata):
            assert threading.get_ident() == self.thread
            self.count += 1
            return {"count": self.count}

    with Worker(factory=Counter, port=0) as worker:
        results = [None, None]

        def job(index):
            results[index] = collect(worker.url, clip, ["count"])

        threads = [threading.Thread(target=job, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(2 * HANG_GUARD)
        for data, errors in results:
            assert errors == {}
            assert [data[number]["count"] for number in sorted(data)] == list(range(1, CLIP_FRAMES + 1))
    assert len(Counter.made) == 2


def test_a_factory_that_fails_is_an_error_of_each_frame_and_tried_again(clip, caplog):
    tries = []

    def factory():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no model here")
        if len(tries) == 3:
            return "no function"
        return lambda frame, metadata: {"ok": True}

    with Worker(factory=factory, port=0) as worker:
        data, errors = collect(worker.url, clip, ["ok"])
    assert errors == {
        1: ["OSError: no model here"],
        2: ["OSError: no model here"],
        3: ["TypeError: the factory returned str, not a callable"],
    }
    assert data[4] == {"ok": True} and len(data) == CLIP_FRAMES
