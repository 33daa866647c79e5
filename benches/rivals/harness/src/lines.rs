//! One JSON object a line: commands on standard input, events on standard output.
//! What a command means is the program's.

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

/// A command as it came.
#[derive(Debug, Clone)]
pub struct Command(Value);

impl Command {
    /// Its name.
    pub fn name(&self) -> &str {
        self.text("cmd")
    }

    /// A text field; empty when there is none.
    pub fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }

    /// A whole number, if it is there.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.0[field].as_u64()
    }

    /// A flag; `default` when it is not there.
    pub fn flag(&self, field: &str, default: bool) -> bool {
        self.0[field].as_bool().unwrap_or(default)
    }

    /// A number, or `default`.
    pub fn real(&self, field: &str, default: f64) -> f64 {
        self.0[field].as_f64().unwrap_or(default)
    }

    /// The labels of a list of channels, each a text or an object with a `label`.
    pub fn labels(&self, field: &str) -> Vec<String> {
        let label = |entry: Command| entry.0.as_str().unwrap_or_else(|| entry.text("label")).to_owned();
        self.list(field).into_iter().map(label).collect()
    }

    /// The entries of a list, each a command of its own.
    pub fn list(&self, field: &str) -> Vec<Command> {
        let entries = self.0[field].as_array();
        entries.map_or_else(Vec::new, |all| all.iter().cloned().map(Command).collect())
    }
}

/// Commands as they arrive; the channel closes with standard input.
pub fn commands() -> Receiver<Command> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let value = serde_json::from_str(&line).unwrap_or(Value::Null);
            if send.send(Command(value)).is_err() {
                return;
            }
        }
    });
    receive
}

/// Prints one event; `fields` is an object.
pub fn say(event: &str, mut fields: Value) {
    fields["event"] = json!(event);
    let mut out = std::io::stdout().lock();
    // Whoever reads this may be gone; then there is nobody to tell.
    let _ = writeln!(out, "{fields}").and_then(|()| out.flush());
}

/// Reports an error to whoever drives this program.
pub fn failed(error: impl std::fmt::Display) {
    say("error", json!({"message": error.to_string()}));
}
