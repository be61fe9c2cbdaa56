//! The admin port of a gateway or a worker: probes and metrics.

use anyhow::{Context, Result};

/// The HTTP status of a probe, `livez`, `readyz` or `startupz`.
pub async fn probe(port: u16, name: &str) -> Result<u16> {
    Ok(reqwest::get(format!("http://127.0.0.1:{port}/{name}"))
        .await?
        .status()
        .as_u16())
}

/// All samples of the metrics page.
pub async fn metrics(port: u16) -> Result<String> {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await?;
    Ok(answer.error_for_status()?.text().await?)
}

/// The sum of a metric over all its labels.
pub async fn metric(port: u16, name: &str) -> Result<f64> {
    sum(&metrics(port).await?, name).with_context(|| format!("port {port} has no metric {name}"))
}

fn sum(page: &str, name: &str) -> Option<f64> {
    let values: Vec<f64> = page
        .lines()
        .filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '{']))
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels_and_not_confused_with_a_longer_name() {
        let page = "# HELP a x\na{b=\"1\"} 2\na{b=\"2 3\"} 3\nab 7\n";
        assert_eq!(sum(page, "a"), Some(5.0));
        assert_eq!(sum(page, "c"), None);
    }
}
