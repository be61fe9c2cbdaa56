//! How many instructions the pure parts take: `cargo bench --bench costs`. The same on a machine that is busy with other
//! things, so that two versions can be compared by a few instructions. Counts by valgrind where that is installed.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

mod work;

use std::env;
use std::process::Command;

/// The difference of both is what is counted: what the program does besides is in both.
const FEW: u64 = 20;
const MANY: u64 = 220;

fn main() {
    // As which this program counts itself.
    let mut arguments = env::args().skip_while(|argument| argument != "--do").skip(1);
    if let (Some(number), Some(times)) = (arguments.next(), arguments.next()) {
        return work(number.parse().ok(), times.parse().unwrap_or_default());
    }
    println!("| instructions of | count |\n|---|---|");
    for (number, (name, _)) in work::all().iter().enumerate() {
        let [few, many] = [FEW, MANY].map(|times| count(number, times));
        match few.zip(many) {
            Some((few, many)) => println!("| {name} | {} |", many.saturating_sub(few) / (MANY - FEW)),
            None => println!("| {name} | not measured: needs valgrind |"),
        }
    }
}

fn work(number: Option<usize>, times: u64) {
    let mut all = work::all();
    if let Some((_, work)) = number.and_then(|number| all.get_mut(number)) {
        (0..times).for_each(|_| work());
    }
}

/// Of this program, doing it so often.
fn count(number: usize, times: u64) -> Option<u64> {
    let own = env::current_exe().ok()?;
    let out = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["--do", &number.to_string(), &times.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&out.stderr);
    let line = text.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
