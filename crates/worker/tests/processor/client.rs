//! The client of this workspace against a worker with a function: a file job, frames pushed from code, model mode.

use std::sync::mpsc::channel;

use framewire::{Client, EndKind, ManualSource, StreamConfig, TaskType, VideoFileSource, Workflow};
use framewire_media::{Bgr, Frame, FramePool};
use framewire_worker::Worker;
use serde_json::json;

use crate::common::{PATIENCE, video, worker_with};
use crate::{example, image, json, worker};

fn client(worker: &Worker) -> Client {
    Client::new(format!("http://{}", worker.local_addr()))
}

fn any_workflow() -> Workflow {
    Workflow::inline(json!({"version": "1.0", "inputs": [], "steps": [], "outputs": []}))
}

fn clip() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
    std::fs::write(file.path(), video::small()).unwrap();
    file
}

/// The example, through the public API of both ends.
#[test]
fn the_examples_function_measures_and_draws_on_every_frame_of_a_file() {
    let worker = worker_with(|config| *config = example::with_brightness(config.clone()));
    let file = clip();
    let config = StreamConfig::new()
        .stream_output(["image"])
        .data_output(["brightness"])
        .workflow_parameter("scale", json!(64.0));
    let source = VideoFileSource::new(file.path().to_str().unwrap());
    let session = client(&worker)
        .stream(source, any_workflow(), config)
        .unwrap();
    let (say, levels) = channel();
    session.on_data("brightness", move |value, _| {
        say.send(value.to_value().as_f64().unwrap()).unwrap();
    });
    let frames: Vec<_> = session.frames().map(Result::unwrap).collect();
    assert_eq!(
        session.wait(Some(PATIENCE)).unwrap().kind,
        EndKind::Complete
    );
    assert_eq!(frames.len(), video::FRAMES);
    let levels: Vec<f64> = levels.try_iter().collect();
    assert_eq!(levels.len(), video::FRAMES);
    assert!(
        levels.windows(2).all(|pair| pair[0] < pair[1]),
        "{levels:?}"
    );
    let last = frames[video::FRAMES - 1].frame.bgr_bytes().unwrap();
    let green = |x: usize| {
        let pixel = &last[3 * (5 * 64 + x)..][..3];
        pixel[1] > 200 && pixel[0] < 80 && pixel[2] < 80
    };
    let end = (levels[video::FRAMES - 1] * 64.0) as usize;
    assert!(green(2) && green(end - 4) && !green(end + 4), "{end}");
}

#[test]
fn pushed_frames_come_back_as_the_function_made_them() {
    let worker = worker(|frame, metadata| {
        assert_eq!(metadata.comes_from_video_file, Some(false));
        let pool = FramePool::default();
        let red = Frame::solid_bgr(&pool, frame.width(), frame.height(), Bgr::new(0, 0, 200));
        Ok(vec![
            image("red", &red.map_err(|error| error.to_string())?),
            json("pts", frame.pts()),
        ])
    });
    let source = ManualSource::new();
    let sender = source.sender();
    let config = StreamConfig::new()
        .stream_output(["red"])
        .data_output(["pts"]);
    let session = client(&worker)
        .stream(source, any_workflow(), config)
        .unwrap();
    session.start().unwrap();
    let picture = vec![60; 64 * 48 * 3];
    let mut frames = session.frames();
    for _ in 0..5 {
        sender.send_bgr(64, 48, &picture).unwrap();
        let event = frames.next().unwrap().unwrap();
        let centre = &event.frame.bgr_bytes().unwrap()[3 * (24 * 64 + 32)..][..3];
        assert!(
            centre[2] > 150 && centre[0] < 60 && centre[1] < 60,
            "{centre:?}"
        );
    }
    session.close();
}

#[test]
fn in_model_mode_the_functions_predictions_belong_to_its_frames() {
    let worker = worker(|frame, metadata| {
        let found = json!({"predictions": [], "number": metadata.frame_number});
        Ok(vec![image("image", frame), json("predictions", found)])
    });
    let file = clip();
    let model = Workflow::model("mine/1", Some(TaskType::ObjectDetection));
    let source = VideoFileSource::new(file.path().to_str().unwrap());
    let session = client(&worker)
        .stream(source, model, StreamConfig::new())
        .unwrap();
    let mut count = 0;
    for event in session.frames() {
        let event = event.unwrap();
        count += 1;
        let found = event.data.as_ref().expect("predictions").to_value();
        assert_eq!(found["number"], count);
        assert_eq!(event.frame_id().unwrap().0, count);
    }
    assert_eq!(count, video::FRAMES as u64);
}
