//! Which build runs, as a metric.

use prometheus::{IntGaugeVec, Opts, Registry};

/// Which build this is. `TIDEGATE_COMMIT` is read when it is compiled.
#[derive(Debug, Clone, Copy)]
pub struct Build;

impl Build {
    pub const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    pub const COMMIT: &'static str = match option_env!("TIDEGATE_COMMIT") {
        Some(commit) => commit,
        None => "unknown",
    };

    /// Adds the metric `tidegate_build_info`, always 1. In one process with both gateway and worker the
    /// second call does nothing.
    pub fn register(registry: &Registry) -> Result<(), prometheus::Error> {
        let options = Opts::new(
            "tidegate_build_info",
            "Always 1; the labels say which build runs.",
        );
        let info = IntGaugeVec::new(options, &["version", "commit"])?;
        info.with_label_values(&[Self::VERSION, Self::COMMIT]).set(1);
        match registry.register(Box::new(info)) {
            Err(prometheus::Error::AlreadyReg) => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_is_there_once_however_often_it_is_registered() {
        let registry = Registry::new();
        Build::register(&registry).expect("first");
        Build::register(&registry).expect("second");
        let families = registry.gather();
        let names: Vec<_> = families
            .iter()
            .map(prometheus::proto::MetricFamily::name)
            .collect();
        assert_eq!(names, ["tidegate_build_info"]);
    }
}
