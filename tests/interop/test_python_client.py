"""The unmodified Python client (inference-sdk 1.8.3) drives `framewire serve`."""

import threading

import pytest
from conftest import MODEL, NO_ICE_SERVERS, crop, detection
from inference_sdk import InferenceHTTPClient
from inference_sdk.webrtc import StreamConfig, VideoFileSource

FRAMES = 250


def open_session(url, source, workflow, **config):
    client = InferenceHTTPClient(api_url=url, api_key="test-key")
    return client.webrtc.stream(
        source=source, workflow=workflow, image_input="image", config=StreamConfig(turn_server=NO_ICE_SERVERS, **config)
    )


def collect(session):
    """Runs the session to its end; returns frames' shapes and ids, and the data messages."""
    frames, data = [], []

    @session.on_frame
    def on_frame(frame, metadata):
        frames.append((metadata.frame_id, frame.shape, str(frame.dtype)))

    @session.on_data()
    def on_data(value, metadata):
        data.append((metadata, value))

    session.run()
    return frames, data


def test_every_frame_of_a_crop_arrives_in_batch_mode(worker, clip):
    session = open_session(worker.url, VideoFileSource(clip), crop(), stream_output=["crop"], realtime_processing=False)
    frames, data = collect(session)
    assert frames == [(n, (80, 80, 3), "uint8") for n in range(1, FRAMES + 1)]
    assert [metadata.frame_id for metadata, _ in data] == list(range(1, FRAMES + 1))


def test_the_default_configuration_of_the_original_works_unpaced(worker, clip):
    # Session flag true, file flag false: the original sends no acknowledgements then, and the worker runs unpaced.
    session = open_session(worker.url, VideoFileSource(clip), crop(), data_output=["crop"])
    _, data = collect(session)
    assert [metadata.frame_id for metadata, _ in data] == list(range(1, FRAMES + 1))
    assert all(value["crop"]["type"] == "base64" for _, value in data)


def test_a_model_block_finds_cars(worker, clip):
    session = open_session(
        worker.url,
        VideoFileSource(clip),
        detection(),
        stream_output=["image"],
        data_output=["predictions"],
        realtime_processing=False,
    )
    seen = []
    session.on_data("predictions")(lambda value, metadata: seen.append((metadata.frame_id, value)))
    frames, _ = collect(session)
    assert len(frames) == FRAMES and frames[0][1] == (272, 640, 3)
    assert [frame_id for frame_id, _ in seen] == list(range(1, FRAMES + 1))
    classes = {prediction["class"] for _, value in seen for prediction in value["predictions"]}
    assert "Car" in classes
    first = seen[0][1]
    assert first["image"] == {"width": 640, "height": 272}
    for prediction in first["predictions"]:
        assert prediction["confidence"] >= 0.4
        assert prediction["parent_id"] == "image.[0]"


def test_model_mode_with_an_explicit_task_type(worker, clip):
    client = InferenceHTTPClient(api_url=worker.url, api_key="test-key")
    session = client.webrtc.stream(
        source=VideoFileSource(clip),
        model_id=MODEL,
        task_type="object-detection",
        config=StreamConfig(turn_server=NO_ICE_SERVERS, realtime_processing=False),
    )
    got = []
    session.on_frame(lambda frame, predictions, metadata: got.append((metadata.frame_id, predictions)))
    session.run()
    assert [frame_id for frame_id, _ in got] == list(range(1, FRAMES + 1))
    assert sum(len(predictions["predictions"]) for _, predictions in got) > 100


def test_data_only_without_any_output(worker, clip):
    session = open_session(worker.url, VideoFileSource(clip), crop(), realtime_processing=False)
    frames, data = collect(session)
    assert frames == []
    assert [(metadata.frame_id, value) for metadata, value in data] == [(n, None) for n in range(1, FRAMES + 1)]
    first = data[0][0]
    assert (first.pts, first.time_base, first.declared_fps) == (0, 1 / 12800, 25.0)


def test_all_outputs_are_everything_but_pictures(worker, clip):
    session = open_session(worker.url, VideoFileSource(clip), detection(), data_output=["*"], realtime_processing=False)
    _, data = collect(session)
    assert len(data) == FRAMES
    assert all(set(value) == {"predictions"} for _, value in data)


@pytest.mark.parametrize("outputs", [{"data_output": ["nonsense"]}, {"data_output": ["crop", "nonsense"]}])
def test_a_wrong_output_name_is_refused_with_400(worker, clip, outputs):
    session = open_session(worker.url, VideoFileSource(clip), crop(), **outputs)
    with pytest.raises(RuntimeError) as caught:
        session.run()
    assert "400" in str(caught.value)
    assert "nonsense" in str(caught.value)


def test_an_unknown_block_is_a_workflow_syntax_error(worker, clip):
    workflow = crop()
    workflow["steps"][0]["type"] = "roboflow_core/no_such_block@v1"
    session = open_session(worker.url, VideoFileSource(clip), workflow, data_output=["crop"])
    with pytest.raises(RuntimeError) as caught:
        session.run()
    assert "400" in str(caught.value) and "WorkflowSyntaxError" in str(caught.value)


def test_realtime_playback_takes_as_long_as_the_clip(worker, clip):
    session = open_session(
        worker.url, VideoFileSource(clip, realtime_processing=True), crop(), stream_output=["crop"], realtime_processing=True
    )
    frames, data = collect(session)
    ids = [frame_id for frame_id, _, _ in frames]
    assert ids == sorted(set(ids)) and len(ids) > 200
    span = data[-1][0].received_at - data[0][0].received_at
    # 249 intervals of 40 ms.
    assert 9.0 < span.total_seconds() < 11.0


def test_six_sessions_at_once_do_not_disturb_each_other(worker, clip):
    results = {}

    def one(number):
        size = 40 + 10 * number
        session = open_session(
            worker.url, VideoFileSource(clip), crop(size, size, 130, 130), stream_output=["crop"], realtime_processing=False
        )
        results[number] = collect(session)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)
    for number in range(6):
        size = 40 + 10 * number
        frames, data = results[number]
        assert [metadata.frame_id for metadata, _ in data] == list(range(1, FRAMES + 1))
        # The original drops the oldest of its 8 queued frames when six sessions share one interpreter.
        assert len(frames) > 50 and {shape for _, shape, _ in frames} == {(size, size, 3)}


def test_closing_in_the_middle_frees_the_worker(own_worker, clip):
    import json
    import urllib.request

    worker = own_worker("--max-sessions", "1")
    session = open_session(worker.url, VideoFileSource(clip), crop(), stream_output=["crop"], realtime_processing=False)
    with session:
        for number, _ in enumerate(session.video()):
            if number == 10:
                break
    # The only place is free again as soon as the close was noticed: the next session gets it.
    for _ in range(3):
        session = open_session(worker.url, VideoFileSource(clip), crop(), stream_output=["crop"], realtime_processing=False)
        # How many of its frames the original hands over in time is its matter.
        assert len(collect(session)[0]) >= FRAMES // 5
    assert json.load(urllib.request.urlopen(worker.url + "/info"))["version"]


def test_an_undecodable_file_ends_the_session(worker, tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("this is not a video\n" * 10_000)
    session = open_session(worker.url, VideoFileSource(str(path)), crop(), stream_output=["crop"], realtime_processing=False)
    frames, _ = collect(session)
    assert frames == []
