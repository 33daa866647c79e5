//! A function of the user's own in the place of every workflow: what it gets, what it returns, how it is called.
//! Not its thread: the workflow thread of a session calls it, and the function is no other session's business.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use framewire_media::Frame;
use serde_json::Value as Json;

use crate::workflow::{
    FrameMetadata, MAX_ELEMENTS, MAX_NAME_LENGTH, Origin, Outputs, Value, WorkflowImage,
};

/// What is done with each frame of a session instead of a workflow.
///
/// Each session has one of its own, made by the function given to
/// [`WorkerConfig::with_processor`](crate::WorkerConfig::with_processor) when the first frame is there and dropped when the
/// session is over. All its calls come from one thread, in the order of the frames. Closures are processors.
pub trait Processor: Send {
    /// Turns one frame into named outputs; the session's `stream_output` and `data_output` select among them by name.
    ///
    /// `frame` comes as the decoder left it, mostly I420: convert it with [`Frame::to_packed_bgr`] if the pixels are looked
    /// at. Its `pts` and time base are those of the source; `metadata` has its number, rates and the request's parameters.
    ///
    /// May take as long as it likes: connections are kept alive meanwhile. In realtime the frames that come in the meantime
    /// give way to the newest, in batch the source waits. The session's place stays taken until a call returns, even when the
    /// session ended meanwhile.
    ///
    /// # Errors
    /// The text becomes an error of this frame; the next frame is tried again. So does a panic, after which the next frame
    /// gets a new processor.
    fn process(
        &mut self,
        frame: &Frame,
        metadata: &FrameMetadata,
    ) -> Result<Vec<(String, ProcessedValue)>, String>;
}

impl<F> Processor for F
where
    F: FnMut(&Frame, &FrameMetadata) -> Result<Vec<(String, ProcessedValue)>, String> + Send,
{
    fn process(
        &mut self,
        frame: &Frame,
        metadata: &FrameMetadata,
    ) -> Result<Vec<(String, ProcessedValue)>, String> {
        self(frame, metadata)
    }
}

/// One output of a [`Processor`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ProcessedValue {
    /// A picture of any size: for the track, or as JPEG in the result. The frame itself costs no copy.
    Image(Frame),
    /// Anything else, sent as it is.
    Json(Json),
}

/// Makes the processor of each session.
#[derive(Clone)]
pub(crate) struct ProcessorFactory(Arc<dyn Fn() -> Box<dyn Processor> + Send + Sync>);

impl ProcessorFactory {
    pub(crate) fn new(make: impl Fn() -> Box<dyn Processor> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }
}

impl std::fmt::Debug for ProcessorFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProcessorFactory")
    }
}

/// The processor of one session.
pub(crate) struct Function {
    make: ProcessorFactory,
    /// `None` before the first frame and after a panic.
    made: Option<Box<dyn Processor>>,
}

impl Function {
    pub(crate) fn new(make: ProcessorFactory) -> Self {
        Self { make, made: None }
    }

    /// Calls it for one frame. Blocks for as long as it takes; never panics because it does.
    pub(crate) fn run(
        &mut self,
        frame: &Frame,
        metadata: &Arc<FrameMetadata>,
    ) -> Result<Outputs, String> {
        let call = AssertUnwindSafe(|| {
            let processor = self.made.get_or_insert_with(|| (self.make.0)());
            processor.process(frame, metadata)
        });
        match catch_unwind(call) {
            Ok(values) => outputs(values.map_err(cut)?, frame, metadata),
            Err(panic) => {
                let text = cut(format!("the processor panicked: {}", message(&*panic)));
                tracing::error!("{text}");
                // What it remembers may be half changed, so it is not asked again; dropping it may go wrong too.
                let broken = self.made.take();
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
                Err(text)
            }
        }
    }
}

fn outputs(
    values: Vec<(String, ProcessedValue)>,
    frame: &Frame,
    metadata: &Arc<FrameMetadata>,
) -> Result<Outputs, String> {
    if values.len() > MAX_ELEMENTS {
        let count = values.len();
        return Err(format!(
            "{count} outputs of one frame, at most {MAX_ELEMENTS} are possible"
        ));
    }
    let origin = Arc::new(Origin::root("image", frame.width(), frame.height()));
    let mut items: Vec<(Arc<str>, Value)> = Vec::with_capacity(values.len());
    for (name, value) in values {
        if name.len() > MAX_NAME_LENGTH {
            return Err(format!(
                "the name of an output is {} bytes long, at most {MAX_NAME_LENGTH} are possible",
                name.len()
            ));
        }
        if items.iter().any(|(other, _)| **other == name) {
            return Err(format!("two outputs have the name `{name}`"));
        }
        let value = match value {
            ProcessedValue::Json(Json::Null) => Value::Null,
            ProcessedValue::Json(value) => Value::Json(Arc::new(value)),
            ProcessedValue::Image(frame) => Value::Image(WorkflowImage {
                frame,
                origin: Arc::clone(&origin),
                metadata: Arc::clone(metadata),
            }),
        };
        items.push((name.into(), value));
    }
    Ok(Outputs::new(items))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

/// Errors travel with their frame and are drawn on it: their length must not be the function's choice.
fn cut(mut text: String) -> String {
    if text.len() > MAX_ERROR_BYTES {
        text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES));
        text.push('…');
    }
    text
}

/// Bytes of an error's text that are passed on.
const MAX_ERROR_BYTES: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;
    use framewire_media::{Bgr, FramePool};
    use serde_json::json;
    use std::sync::atomic::{AtomicUsize, Ordering};

    type Values = Result<Vec<(String, ProcessedValue)>, String>;

    fn run(function: &mut Function) -> Result<Outputs, String> {
        let frame = Frame::solid_bgr(&FramePool::default(), 4, 4, Bgr::GREEN).unwrap();
        function.run(&frame, &Arc::new(FrameMetadata::new(1)))
    }

    fn function(call: impl Fn() -> Values + Send + Sync + Clone + 'static) -> Function {
        Function::new(ProcessorFactory::new(move || {
            let call = call.clone();
            Box::new(move |_: &Frame, _: &FrameMetadata| call())
        }))
    }

    fn value(name: &str) -> (String, ProcessedValue) {
        (name.to_owned(), ProcessedValue::Json(json!(1)))
    }

    #[test]
    fn a_panic_is_an_error_of_its_frame_and_the_next_frame_gets_a_new_processor() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        static DROPPED: AtomicUsize = AtomicUsize::new(0);
        struct Bomb(usize);
        impl Processor for Bomb {
            fn process(&mut self, _: &Frame, _: &FrameMetadata) -> Values {
                self.0 += 1;
                assert!(self.0 < 2, "the second call of each");
                Ok(vec![value("a")])
            }
        }
        impl Drop for Bomb {
            fn drop(&mut self) {
                DROPPED.fetch_add(1, Ordering::Relaxed);
                panic!("and once more when dropped");
            }
        }
        let mut function = Function::new(ProcessorFactory::new(|| {
            MADE.fetch_add(1, Ordering::Relaxed);
            Box::new(Bomb(0))
        }));
        for _ in 0..2 {
            assert!(run(&mut function).is_ok());
            let error = run(&mut function).unwrap_err();
            assert_eq!(error, "the processor panicked: the second call of each");
        }
        assert_eq!(MADE.load(Ordering::Relaxed), 2);
        assert_eq!(DROPPED.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_processor_that_cannot_be_made_is_an_error_of_each_frame() {
        let mut function = Function::new(ProcessorFactory::new(|| panic!("no licence")));
        for _ in 0..2 {
            let error = run(&mut function).unwrap_err();
            assert_eq!(error, "the processor panicked: no licence");
        }
    }

    #[test]
    fn outputs_and_errors_are_bounded_and_names_unique() {
        let twice = run(&mut function(|| Ok(vec![value("a"), value("a")])));
        assert_eq!(twice.unwrap_err(), "two outputs have the name `a`");
        let many = |count: usize| (0..count).map(|n| value(&n.to_string())).collect();
        assert!(run(&mut function(move || Ok(many(MAX_ELEMENTS)))).is_ok());
        let error = run(&mut function(move || Ok(many(MAX_ELEMENTS + 1)))).unwrap_err();
        assert_eq!(error, "513 outputs of one frame, at most 512 are possible");
        let named = |length| run(&mut function(move || Ok(vec![value(&"n".repeat(length))])));
        assert!(named(MAX_NAME_LENGTH).is_ok());
        assert!(named(MAX_NAME_LENGTH + 1).unwrap_err().contains("257"));
        let long = run(&mut function(|| Err("ä".repeat(4000)))).unwrap_err();
        assert_eq!(long.chars().count(), MAX_ERROR_BYTES / 2 + 1);
    }
}
