//! Writes the message of one frame: outputs, metadata and errors as one body.
//! It does not know when the message is sent, nor whether it is compressed.

use framewire_protocol::message::{ResultWriter, write_none_message};
use framewire_protocol::output::DataOutput;

use super::process::Processed;
use crate::workflow::Serializer;

/// Makes bodies; its memory is used again for the next.
pub(crate) struct MessageWriter {
    serializer: Serializer,
    /// Puts pictures into the JSON, for the rare message whose JSON would be misread otherwise.
    fallback: Option<Serializer>,
    json: Vec<u8>,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) body: Vec<u8>,
    /// It carries errors.
    pub(crate) failed: bool,
    /// Its pictures lie behind the JSON.
    pub(crate) raw: bool,
}

impl MessageWriter {
    /// `raw`: the client reads pictures behind the JSON.
    pub(crate) fn new(jpeg_quality: u8, raw: bool) -> MessageWriter {
        let serializer = || Serializer::new(jpeg_quality);
        MessageWriter {
            serializer: serializer().with_pictures_beside(raw),
            fallback: raw.then(serializer),
            json: Vec::new(),
        }
    }

    /// Costs a JPEG encoding for each distinct picture the mode selects.
    pub(crate) fn write(&mut self, processed: &Processed, mode: &DataOutput) -> Written {
        let failed = write(&mut self.serializer, processed, mode, &mut self.json);
        let has_outputs = processed.outputs.is_some() && *mode != DataOutput::None;
        let pictures = self.serializer.pictures_beside();
        let Some(pictures) = pictures.filter(|_| has_outputs) else {
            return self.plain(failed);
        };
        if let Ok(body) = pictures.body(&self.json) {
            return Written {
                body,
                failed,
                raw: true,
            };
        }
        // Some output looks like the description of a picture.
        if let Some(serializer) = &mut self.fallback {
            write(serializer, processed, mode, &mut self.json);
        }
        self.plain(failed)
    }

    fn plain(&mut self, failed: bool) -> Written {
        // The next body will be about as large: give it its memory in one go.
        let next = Vec::with_capacity(self.json.len());
        Written {
            body: std::mem::replace(&mut self.json, next),
            failed,
            raw: false,
        }
    }
}

/// Writes the JSON of the whole message; whether it carries errors.
fn write(
    serializer: &mut Serializer,
    processed: &Processed,
    mode: &DataOutput,
    json: &mut Vec<u8>,
) -> bool {
    json.clear();
    let errors = &processed.errors;
    match &processed.outputs {
        Some(outputs) if *mode != DataOutput::None => {
            let mut writer = ResultWriter::begin(json);
            serializer.write(outputs, mode, &mut writer);
            writer.finish(&processed.metadata, errors.clone());
            let missing = |name: &String| outputs.get(name).is_none();
            !errors.is_empty() || mode.named().iter().any(missing)
        }
        _ => {
            write_none_message(json, &processed.metadata, errors);
            !errors.is_empty()
        }
    }
}
