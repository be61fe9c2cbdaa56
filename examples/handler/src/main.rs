//! A worker that counts prime numbers: a job handler of one's own, from its types to its test.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use tidegate_worker::{Context, Job, JobFailure, LogLevel};

struct Primes;

#[derive(Deserialize)]
struct Input {
    below: u32,
}

#[derive(Serialize)]
struct Output {
    primes: u32,
    largest: Option<u32>,
}

impl Job for Primes {
    const TYPE: &'static str = "primes";
    type Input = Input;
    type Progress = ();
    type Output = Output;
}

async fn primes(input: Input, context: Context<Primes>) -> Result<Output, JobFailure> {
    if input.below > 1_000_000_000 {
        return Err(JobFailure::fatal("below must be at most a thousand million"));
    }
    context.log(
        LogLevel::Info,
        format!("trying all numbers below {}", input.below),
    );
    context
        .spawn_blocking(move |context| count(input.below, &context))
        .await
}

/// Computes for long, so it runs on a thread of its own, and asks now and then whether it should stop.
fn count(below: u32, context: &Context<Primes>) -> Result<Output, JobFailure> {
    let (mut primes, mut largest) = (0, None);
    for n in 2..below {
        if n % 1_000 == 0 {
            context.check()?;
            context.progress(
                f64::from(n) / f64::from(below) * 100.0,
                format!("{primes} so far"),
            );
        }
        if (2..=n.isqrt()).all(|d| n % d != 0) {
            (primes, largest) = (primes + 1, Some(n));
        }
    }
    Ok(Output { primes, largest })
}

fn main() -> ExitCode {
    tidegate_worker::main(|worker, _config| worker.register(primes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_worker::try_out;

    use super::*;

    #[tokio::test]
    async fn there_are_25_primes_below_100() {
        let trial = try_out(primes, json!({ "below": 100 })).await.expect("a trial");
        let result = trial.record.result.expect("it succeeds");
        assert_eq!(result.as_str(), r#"{"primes":25,"largest":97}"#);
    }
}
