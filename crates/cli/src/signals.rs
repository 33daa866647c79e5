//! Ctrl-C and SIGTERM as an event that other threads wait for or are told of.
//! Not here: what is done about them.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// Which signal asked the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Interrupt,
    Terminate,
}

/// Calls `on_request` on a thread of its own for each SIGINT and SIGTERM until dropped.
///
/// The second signal ends the process at once with the status a shell expects: the first one asked nicely.
pub(crate) struct Watch {
    handle: Handle,
}

impl Watch {
    pub(crate) fn start(on_request: impl Fn(Request) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let handle = signals.handle();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                let mut asked = false;
                for signal in &mut signals {
                    let (request, status) = match signal {
                        SIGTERM => (Request::Terminate, crate::exit::TERMINATED),
                        _ => (Request::Interrupt, crate::exit::INTERRUPTED),
                    };
                    if asked {
                        std::process::exit(i32::from(status));
                    }
                    asked = true;
                    on_request(request);
                }
            })?;
        Ok(Self { handle })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
    }
}
