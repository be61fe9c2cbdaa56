//! One page with everything in it: tables, plots, and the runs as text. It needs nothing from elsewhere, and no script.

use crate::report::plot::{Plot, escaped};
use crate::report::{Report, Table};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1360px;padding:0 1rem;color:#1f2933}\
table{border-collapse:collapse;margin:1rem 0;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}\
td,th{padding:.3rem .7rem;border-bottom:1px solid #d9dee4;text-align:right;white-space:nowrap}\
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}th{background:#f3f5f7}\
td.unmet{background:#fde8e8}td.met{background:#e6f6ea}\
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:1rem}\
figure{margin:0}svg{width:100%;height:auto}polyline{fill:none;stroke-width:2}\
.grid{stroke:#e4e8ec}text{font-size:11px;fill:#52606d}.title{font-size:14px;fill:#1f2933}\
.left{text-anchor:end}.below{text-anchor:middle}figcaption{font-size:12px}\
figcaption span{margin-right:.8rem;white-space:nowrap}i{display:inline-block;width:.8em;height:.8em;margin-right:.3em}\
pre{background:#f3f5f7;padding:1rem;overflow-x:auto;font-size:12px}";

pub(crate) fn page(title: &str, note: &str, tables: &[Table], runs: &[Report]) -> String {
    let title = escaped(title);
    let tables: String = tables.iter().map(table).collect();
    let plots: String = scenarios(runs).map(|name| plots(name, runs)).collect();
    let texts: Vec<_> = runs.iter().map(ToString::to_string).collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
         <h1>{title}</h1><p>{}</p>{tables}{plots}<h2>Runs</h2><pre>{}</pre></html>\n",
        escaped(note),
        escaped(&texts.join("\n"))
    )
}

fn table(table: &Table) -> String {
    let cell = |text: &String| {
        let class = match text.as_str() {
            "met" | "unmet" => format!(" class=\"{text}\""),
            _ => String::new(),
        };
        format!("<td{class}>{}</td>", escaped(text))
    };
    let head = table.head.iter().map(|text| escaped(text)).collect::<Vec<_>>();
    let head = head.join("</th><th>");
    let row = |row: &Vec<String>| ["<tr>", &row.iter().map(cell).collect::<String>(), "</tr>"].concat();
    let rows: String = table.rows.iter().map(row).collect();
    format!(
        "<h2>{}</h2><table><tr><th>{head}</th></tr>{rows}</table>",
        escaped(&table.title)
    )
}

/// Their names, once each, in the order they were run.
fn scenarios(runs: &[Report]) -> impl Iterator<Item = &str> {
    let mut seen: Vec<&str> = Vec::new();
    for run in runs {
        if !seen.contains(&run.scenario.name.as_str()) {
            seen.push(&run.scenario.name);
        }
    }
    seen.into_iter()
}

/// Of the last run of each server.
fn plots(scenario: &str, runs: &[Report]) -> String {
    let mut last: Vec<&Report> = Vec::new();
    for run in runs.iter().filter(|run| run.scenario.name == scenario) {
        match last.iter_mut().find(|one| one.target == run.target) {
            Some(one) => *one = run,
            None => last.push(run),
        }
    }
    let lines = |of: &dyn Fn(&Report) -> Vec<(f64, f64)>| {
        let one = |run: &&Report| (run.target.clone(), of(run));
        last.iter()
            .map(one)
            .filter(|(_, points)| points.len() > 1)
            .collect::<Vec<_>>()
    };
    let nines = |part: f64| -(1.0 - part).log10();
    let latency = Plot {
        title: "latency, ms, by part of the deliveries",
        across: "part of the deliveries",
        lines: lines(&|run| {
            let curve = run.delivery.iter().flat_map(|one| &one.latency.curve);
            curve.map(|(part, ms)| (nines(*part), *ms)).collect()
        }),
        marks: [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999]
            .map(|part| (nines(part), format!("{} %", part * 100.0)))
            .into(),
        logarithmic: true,
    };
    let memory = Plot {
        title: "memory of the server, MiB of RSS",
        across: "seconds",
        lines: lines(&|run| {
            let point = |one: &super::Sample| Some((one.at, mib(one.rss?)));
            run.samples.iter().filter_map(point).collect()
        }),
        marks: Vec::new(),
        logarithmic: false,
    };
    let cpu = Plot {
        title: "the server's part of its core, %",
        across: "seconds",
        lines: lines(&|run| {
            let pairs = run.samples.windows(2);
            pairs.filter_map(|pair| busy(&pair[0], &pair[1])).collect()
        }),
        marks: Vec::new(),
        logarithmic: false,
    };
    let drawn = [latency, memory, cpu]
        .into_iter()
        .filter(|plot| !plot.lines.is_empty());
    let drawn: String = drawn.map(|plot| plot.svg()).collect();
    format!("<h2>{}</h2><div class=\"plots\">{drawn}</div>", escaped(scenario))
}

fn busy(from: &super::Sample, to: &super::Sample) -> Option<(f64, f64)> {
    let cpu = to.server_cpu_seconds? - from.server_cpu_seconds?;
    Some((to.at, (cpu / (to.at - from.at).max(1e-3) * 100.0).max(0.0)))
}

#[expect(clippy::cast_precision_loss, reason = "bytes of a process are far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
