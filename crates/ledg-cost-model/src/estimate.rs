//! What a prediction says.

/// How a prediction is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictOptions {
    /// Coverage of the interval, strictly between 0 and 1.
    pub coverage: f64,
    /// Whether costs by node are wanted.
    pub per_node: bool,
}

impl Default for PredictOptions {
    fn default() -> Self {
        PredictOptions { coverage: 0.9, per_node: false }
    }
}

/// An estimate of one graph on one platform at one batch size.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Expected latency of one execution of the whole batch, seconds.
    pub latency_s: f64,
    /// Lower end of the interval, seconds.
    pub lo_s: f64,
    /// Upper end of the interval, seconds.
    pub hi_s: f64,
    /// Share of the estimate that comes from operators a template covers, 0 to 1.
    pub known: f64,
    /// How much the members of the ensemble disagree: standard deviation of their ln latencies.
    pub spread: f64,
    /// Whether the training data measured the device; if not, the estimate rests on its data sheet.
    pub measured: bool,
    /// Whether it did so at numbers of that width (fp32, half, int8, …) and by that engine; if not, the interval is as wide as on a
    /// device that was held out.
    pub measured_as_run: bool,
    /// Whether the model was calibrated to records of the platform.
    pub calibrated: bool,
    /// Costs by node, if asked for and the model has them.
    pub nodes: Vec<NodeEstimate>,
}

/// What one node contributes.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeEstimate {
    /// Index into the described graph's nodes.
    pub node: usize,
    /// Seconds; the sum over all nodes is the latency.
    pub latency_s: f64,
    /// Of these, seconds bound by arithmetic.
    pub compute_s: f64,
    /// Seconds the cores spend on moving elements.
    pub issue_s: f64,
    /// Seconds bound by memory traffic.
    pub memory_s: f64,
    /// Seconds to start the operator.
    pub launch_s: f64,
}
