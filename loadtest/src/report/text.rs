//! A run as text, and tables.

use std::fmt;

use crate::report::{Figure, Phase, Report};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let optional = |value: Option<f64>| value.map_or("unknown".into(), number);
        writeln!(
            f,
            "{}, {}: {} clients, {} of them closed",
            self.target, self.scenario.name, self.clients, self.gone
        )?;
        let connects = self
            .connect
            .server_cpu_seconds
            .map(|cpu| whole(self.clients as u64) / cpu);
        writeln!(
            f,
            "  connect + subscribe   {} per second, {} per server-CPU-second",
            number(whole(self.clients as u64) / self.connect.seconds),
            optional(connects)
        )?;
        writeln!(
            f,
            "  idle client           {} bytes of RSS, {} of PSS; of the kernel (both ends) {} in slabs, {} in sockets",
            optional(self.idle.rss_bytes_per_client),
            optional(self.idle.pss_bytes_per_client),
            optional(self.idle.slab_bytes_per_client),
            number(self.idle.socket_bytes_per_client)
        )?;
        if self.scenario.deflate {
            writeln!(
                f,
                "  compressed            for {} of {} clients",
                self.compressed, self.clients
            )?;
        }
        if self.returns.tried > 0 {
            writeln!(
                f,
                "  came back             {}: {} had all they missed, {} were told that it is gone",
                self.returns.tried, self.returns.recovered, self.returns.lost
            )?;
        }
        if let Some(one) = &self.following {
            writeln!(
                f,
                "  jobs                  {} submitted; followers were told {} changes, {} of {} ends; {} missing, {} resets",
                one.submitted, one.told, one.ends, one.expected_ends, one.missing, one.resets
            )?;
            for (name, latency) in [("runs", &one.started), ("end is told", &one.ended)] {
                if let Some(one) = latency {
                    writeln!(
                        f,
                        "  {:<21} p50 {:.3} ms, p99 {:.3} ms, most {:.3} ms after it was due",
                        name, one.p50, one.p99, one.max
                    )?;
                }
            }
            return one.phase.as_ref().map_or(Ok(()), |phase| shares(f, phase));
        }
        let Some(one) = &self.delivery else {
            return writeln!(f, "  nothing was published");
        };
        writeln!(
            f,
            "  deliveries            {} of {} expected from {} publications ({} bursts a second); {} missing, \
             {} told missing, {} errors",
            one.delivered,
            one.expected,
            one.published,
            number(one.rate),
            one.missing,
            one.told,
            one.errors
        )?;
        if let Some(error) = &one.error {
            writeln!(f, "  the last error        {error}")?;
        }
        for figure in [Figure::Deliveries, Figure::Wire, Figure::Redis] {
            if let Some(value) = figure.of(self) {
                writeln!(f, "  {:<34} {}", figure.label(), number(value))?;
            }
        }
        writeln!(
            f,
            "  latency               p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, most {:.3} ms",
            one.latency.p50, one.latency.p99, one.latency.p999, one.latency.max
        )?;
        let cpu = |cpu: Option<f64>| cpu.map_or("unknown".into(), |cpu| format!("{cpu:.2} s"));
        writeln!(
            f,
            "  CPU                   server {}, Redis {}, this program {:.2} s, in {:.1} s",
            cpu(one.phase.server_cpu_seconds),
            cpu(one.phase.redis_cpu_seconds),
            one.phase.own_cpu_seconds,
            one.phase.seconds
        )?;
        shares(f, &one.phase)
    }
}

/// What each of several processes has done of all.
fn shares(f: &mut fmt::Formatter<'_>, phase: &Phase) -> fmt::Result {
    for (name, all) in [("nodes", &phase.nodes), ("masters", &phase.masters)] {
        let sum: f64 = all.iter().sum();
        if all.len() > 1 && sum > 0.0 {
            let shares: Vec<_> = all
                .iter()
                .map(|one| format!("{:.0} %", one / sum * 100.0))
                .collect();
            writeln!(f, "  CPU of the {name:<10} {sum:.2} s: {}", shares.join(", "))?;
        }
    }
    Ok(())
}

/// With as many digits as are worth reading.
pub(crate) fn number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && digit.is_ascii_digit() && !grouped.ends_with('-')
        {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn whole(number: u64) -> f64 {
    number as f64
}

/// Rows under a head, as Markdown that is also readable as it is.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = |at: usize| {
            let cells = self.rows.iter().chain([&self.head]);
            cells
                .filter_map(|row| row.get(at))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<_> = (0..self.head.len())
            .map(|at| wide(at).unwrap_or_default())
            .collect();
        let line = |f: &mut fmt::Formatter<'_>, row: &[String]| {
            for (cell, width) in row.iter().zip(&widths) {
                write!(f, "| {cell:width$} ")?;
            }
            writeln!(f, "|")
        };
        writeln!(f, "{}\n", self.title)?;
        line(f, &self.head)?;
        let rule: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
        line(f, &rule)?;
        self.rows.iter().try_for_each(|row| line(f, row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_short() {
        let all = [0.123, 12.34, 999.6, 1_234_567.0, -1234.0].map(number);
        assert_eq!(all, ["0.12", "12.3", "1,000", "1,234,567", "-1,234"]);
    }
}
