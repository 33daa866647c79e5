//! The command line.
//! Units are in the names; nothing here is checked against the machine.

pub(crate) struct Options {
    pub(crate) lanes: usize,
    pub(crate) delay_ms: f64,
    pub(crate) loss_percent: f64,
    pub(crate) seed: u64,
    /// Bytes a second of each direction; none is no limit.
    pub(crate) rate: Option<f64>,
    /// Bytes that may wait in front of a limited rate.
    pub(crate) queue: f64,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options { lanes: 1, delay_ms: 0.0, loss_percent: 0.0, seed: 1, rate: None, queue: 256e6 };
        while let Some(name) = args.next() {
            let value = args.next().and_then(|v| v.parse::<f64>().ok());
            let value = value.ok_or_else(|| format!("{name} needs a number"))?;
            match name.as_str() {
                "--lanes" => options.lanes = value as usize,
                "--delay-ms" => options.delay_ms = value,
                "--loss" => options.loss_percent = value,
                "--seed" => options.seed = value as u64,
                "--rate" => options.rate = (value > 0.0).then_some(value),
                "--queue" => options.queue = value,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        Ok(options)
    }
}
