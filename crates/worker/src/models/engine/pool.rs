//! A bounded set of engines of one model, shared by all sessions.
//! Not here: fairness between sessions beyond the order in which the operating system wakes them.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::metrics::Counter;

use super::{Backend, Engine, EngineError, EngineFactory, Reader, Signature};

/// How long a frame waits for a free engine before it fails.
const ENGINE_WAIT: Duration = Duration::from_secs(30);

/// Engines of one model: one from the start, more when frames of several sessions meet, never more than the limit.
pub(crate) struct EnginePool {
    factory: Box<dyn EngineFactory>,
    signature: Signature,
    limit: usize,
    state: Mutex<State>,
    freed: Condvar,
    /// Microseconds runs waited for an engine.
    waited: Counter,
}

struct State {
    idle: Vec<Box<dyn Engine>>,
    alive: usize,
}

impl EnginePool {
    /// Builds the first engine; `limit` of 0 counts as 1.
    pub(crate) fn new(factory: Box<dyn EngineFactory>, limit: usize) -> Result<Self, EngineError> {
        let (engine, signature) = factory.build()?;
        let state = Mutex::new(State {
            idle: vec![engine],
            alive: 1,
        });
        Ok(Self {
            factory,
            signature,
            limit: limit.max(1),
            state,
            freed: Condvar::new(),
            waited: Counter::default(),
        })
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    pub(crate) fn backend(&self) -> Backend {
        self.factory.backend()
    }

    /// Runs on the calling thread; blocks while all engines are busy, for at most 30 s.
    pub(crate) fn run(
        &self,
        input: &[f32],
        shape: &[usize],
        reader: &mut Reader<'_>,
    ) -> Result<(), EngineError> {
        let mut lease = Lease {
            pool: self,
            engine: Some(self.take()?),
        };
        // The lease holds its engine until it is dropped.
        lease
            .engine
            .as_mut()
            .expect("filled above")
            .run(input, shape, reader)
    }

    /// How long runs waited for an engine, all together.
    pub(crate) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited.get())
    }

    fn take(&self) -> Result<Box<dyn Engine>, EngineError> {
        let begun = Instant::now();
        let deadline = begun + ENGINE_WAIT;
        let mut waited = false;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(engine) = state.idle.pop() {
                drop(state);
                if waited {
                    self.count_wait(begun);
                }
                return Ok(engine);
            }
            if state.alive < self.limit {
                state.alive += 1;
                drop(state);
                return match self.factory.build() {
                    Ok((engine, _)) => Ok(engine),
                    Err(error) => {
                        self.forget_one();
                        Err(error)
                    }
                };
            }
            let now = Instant::now();
            if now >= deadline {
                drop(state);
                self.count_wait(begun);
                return Err(EngineError::Busy {
                    seconds: ENGINE_WAIT.as_secs(),
                    engines: self.limit,
                });
            }
            waited = true;
            let woken = self.freed.wait_timeout(state, deadline - now);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn count_wait(&self, begun: Instant) {
        let micros = u64::try_from(begun.elapsed().as_micros());
        self.waited.add(micros.unwrap_or(0)); // half a minute at most
    }

    fn give_back(&self, engine: Box<dyn Engine>) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .idle
            .push(engine);
        self.freed.notify_one();
    }

    fn forget_one(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .alive -= 1;
        self.freed.notify_one();
    }
}

impl std::fmt::Debug for EnginePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnginePool")
            .field("backend", &self.backend())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// An engine taken out of the pool; goes back even if the reader unwinds.
struct Lease<'p> {
    pool: &'p EnginePool,
    engine: Option<Box<dyn Engine>>,
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            self.pool.give_back(engine);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::*;
    use crate::models::engine::Tensor;

    struct Echo;

    impl Engine for Echo {
        fn run(
            &mut self,
            input: &[f32],
            shape: &[usize],
            reader: &mut Reader<'_>,
        ) -> Result<(), EngineError> {
            reader(&[Tensor { shape, data: input }]);
            Ok(())
        }
    }

    #[derive(Default)]
    struct EchoFactory(Arc<AtomicUsize>);

    impl EngineFactory for EchoFactory {
        fn backend(&self) -> Backend {
            Backend::Rten
        }

        fn build(&self) -> Result<(Box<dyn Engine>, Signature), EngineError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok((
                Box::new(Echo),
                Signature {
                    inputs: Vec::new(),
                    outputs: Vec::new(),
                },
            ))
        }
    }

    #[test]
    fn engines_are_built_on_demand_and_never_beyond_the_limit() {
        let built = Arc::new(AtomicUsize::new(0));
        let pool = EnginePool::new(Box::new(EchoFactory(Arc::clone(&built))), 2).unwrap();
        assert_eq!(built.load(Ordering::SeqCst), 1);
        // Two runs meet inside their readers, so two engines must exist at once.
        let meet = &Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let meet_in_reader = move |_: &[Tensor<'_>]| {
                    meet.wait();
                };
                let pool = &pool;
                scope.spawn(move || pool.run(&[1.0], &[1], &mut { meet_in_reader }).unwrap());
            }
        });
        assert_eq!(built.load(Ordering::SeqCst), 2);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| pool.run(&[1.0], &[1], &mut |_| ()).unwrap());
            }
        });
        assert_eq!(built.load(Ordering::SeqCst), 2);
        assert_eq!(pool.state.lock().unwrap().idle.len(), 2);
    }

    #[test]
    fn a_panicking_reader_gives_its_engine_back() {
        let pool = EnginePool::new(Box::<EchoFactory>::default(), 1).unwrap();
        let run = || pool.run(&[1.0], &[1], &mut |_| panic!("reader"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
        assert!(pool.run(&[1.0], &[1], &mut |_| ()).is_ok());
    }
}
