//! The same scenarios against several servers, by turns, so that all meet the same machine: medians, ratios, goals.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::driver::Driver;
use crate::measure::Process;
use crate::report::{Against, Figure, Goal, Report, Table, number};
use crate::scenario::Scenario;
use crate::server::{Cores, Kind, Server, Start, Wanted};

pub(crate) struct Plan {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) servers: Vec<Wanted>,
    pub(crate) rounds: usize,
    pub(crate) cores: Cores,
}

/// What came of it: every run, and why others were none.
#[derive(Default)]
pub(crate) struct Comparison {
    pub(crate) runs: Vec<Report>,
    pub(crate) notes: Vec<String>,
    order: Vec<(String, Kind)>,
    goals: Vec<(String, Goal)>,
}

impl Plan {
    pub(crate) fn run(self) -> Result<Comparison> {
        Process::own().pin(self.cores.rest)?;
        Process::own().prefer();
        let mut all = Comparison::default();
        for scenario in &self.scenarios {
            let goals = scenario.goals.iter().cloned();
            all.goals.extend(goals.map(|goal| (scenario.name.clone(), goal)));
        }
        all.order = self
            .servers
            .iter()
            .map(|one| (one.name.clone(), one.kind))
            .collect();
        for round in 1..=self.rounds {
            for scenario in &self.scenarios {
                for server in self.servers.iter().filter(|one| scenario.suits(one.kind)) {
                    let name = &server.name;
                    eprintln!("round {round} of {}: {}, {name}", self.rounds, scenario.name);
                    let wanted = server.clone().suited(scenario);
                    all.note_or_push(once(scenario, wanted, self.cores), &scenario.name, name);
                }
            }
        }
        Ok(all)
    }
}

/// A run against a server of its own.
pub(crate) fn once(scenario: &Scenario, wanted: Wanted, cores: Cores) -> Result<Result<Report, String>> {
    let mut server = match Server::start(wanted, cores)? {
        Start::Running(server) => server,
        Start::Missing(why) => return Ok(Err(why)),
    };
    let target = server.target();
    let report = Driver::new(scenario.clone(), target, Some(&mut *server))?.run()?;
    Ok(Ok(report))
}

impl Comparison {
    /// One server that fails does not keep the others from being measured.
    fn note_or_push(&mut self, result: Result<Result<Report, String>>, scenario: &str, name: &str) {
        let note = match result {
            Ok(Ok(report)) if report.scenario.deflate && report.compressed < report.clients => {
                let (some, all) = (report.compressed, report.clients);
                format!("{name}, {scenario}: left out, as it compresses for {some} of {all} clients")
            }
            Ok(Ok(report)) => {
                let whole = report.is_whole();
                self.runs.push(report);
                if whole {
                    return;
                }
                format!("{name}, {scenario}: not everything was delivered")
            }
            Ok(Err(missing)) => format!("{name}: skipped, {missing}"),
            Err(error) => format!("{name}, {scenario}: failed, {error:#}"),
        };
        if !self.notes.contains(&note) {
            eprintln!("  {note}");
            self.notes.push(note);
        }
    }

    fn median(&self, scenario: &str, name: &str, figure: Figure) -> Option<f64> {
        let of = |run: &&Report| run.scenario.name == scenario && run.target == name;
        let mut all: Vec<f64> = self
            .runs
            .iter()
            .filter(of)
            .filter_map(|run| figure.of(run))
            .collect();
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        match all.len() {
            0 => None,
            count if count.is_multiple_of(2) => Some(f64::midpoint(all[middle - 1], all[middle])),
            _ => Some(all[middle]),
        }
    }

    fn scenarios(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !names.contains(&run.scenario.name.as_str()) {
                names.push(&run.scenario.name);
            }
        }
        names
    }

    /// The figures, the first server's divided by each other's, and the goals.
    pub(crate) fn tables(&self) -> Vec<Table> {
        let names: Vec<_> = self.order.iter().map(|(name, _)| name.clone()).collect();
        let Some(first) = names.first() else {
            return Vec::new();
        };
        let head = |from: usize| {
            let fixed = ["scenario".to_owned(), "figure".to_owned()];
            fixed
                .into_iter()
                .chain(names.iter().skip(from).cloned())
                .collect()
        };
        let mut figures = Table {
            title: "Figures: medians".into(),
            head: head(0),
            rows: Vec::new(),
        };
        let mut ratios = Table {
            title: format!("Ratios: {first} divided by"),
            head: head(1),
            rows: Vec::new(),
        };
        for scenario in self.scenarios() {
            for figure in Figure::ALL {
                let values: Vec<_> = names
                    .iter()
                    .map(|name| self.median(scenario, name, figure))
                    .collect();
                if values.iter().all(Option::is_none) {
                    continue;
                }
                let start = || vec![scenario.to_owned(), figure.label().to_owned()];
                let text = |value: Option<f64>| value.map_or("–".into(), number);
                let cells = values.iter().map(|value| text(*value));
                figures.rows.push(start().into_iter().chain(cells).collect());
                let ratio = |other: &Option<f64>| Some(values[0]? / (*other)?);
                let cells = values[1..].iter().map(|other| text(ratio(other)));
                ratios.rows.push(start().into_iter().chain(cells).collect());
            }
        }
        let mut tables = vec![figures];
        if names.len() > 1 {
            tables.push(ratios);
        }
        tables.extend(self.judged(first));
        tables
    }

    fn judged(&self, first: &str) -> Option<Table> {
        let rows: Vec<_> = self
            .goals
            .iter()
            .filter_map(|(scenario, goal)| self.judge(first, scenario, goal))
            .collect();
        (!rows.is_empty()).then(|| Table {
            title: format!("Goals of {first}"),
            head: ["scenario", "figure", "goal", "is", ""].map(String::from).into(),
            rows,
        })
    }

    /// None where the other was not measured.
    fn judge(&self, first: &str, scenario: &str, goal: &Goal) -> Option<Vec<String>> {
        let own = self.median(scenario, first, goal.figure)?;
        let (other, than) = match goal.against {
            None => (1.0, String::new()),
            Some(against) => {
                let (name, value) = self.other(scenario, goal.figure, against)?;
                (value, format!(" × {name}"))
            }
        };
        let is = own / other;
        let met = goal.at_least.is_none_or(|least| is >= least) && goal.at_most.is_none_or(|most| is <= most);
        let bounds = [(goal.at_least, "at least"), (goal.at_most, "at most")];
        let wanted = bounds
            .into_iter()
            .filter_map(|(bound, word)| Some(format!("{word} {}", number(bound?))));
        Some(vec![
            scenario.to_owned(),
            goal.figure.label().to_owned(),
            wanted.collect::<Vec<_>>().join(", ") + &than,
            number(is),
            if met { "met" } else { "unmet" }.to_owned(),
        ])
    }

    fn other(&self, scenario: &str, figure: Figure, against: Against) -> Option<(&str, f64)> {
        let fits = |kind: Kind| match against {
            Against::Limit => kind == Kind::Limit,
            Against::LimitBatched => kind == Kind::LimitBatched,
            Against::BestPeer => kind.is_peer(),
            Against::BestRedisPeer => kind.is_peer() && kind.on_redis(),
        };
        let there = self.order.iter().filter(|(_, kind)| fits(*kind));
        let values =
            there.filter_map(|(name, _)| Some((name.as_str(), self.median(scenario, name, figure)?)));
        let better = |one: &(&str, f64), two: &(&str, f64)| one.1.total_cmp(&two.1);
        if figure.more_is_better() {
            values.max_by(better)
        } else {
            values.min_by(better)
        }
    }
}

/// The scenarios of a folder, or those that are named: by their file, or by what it is called there.
pub(crate) fn scenarios(folder: &Path, names: &[String]) -> Result<Vec<Scenario>> {
    names
        .iter()
        .map(|name| {
            let own = PathBuf::from(name);
            let file = if own.is_file() {
                own
            } else {
                folder.join(format!("{name}.toml"))
            };
            Scenario::read(&file).with_context(|| format!("no scenario {name}"))
        })
        .collect()
}
