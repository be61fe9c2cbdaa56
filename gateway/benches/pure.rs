//! How long the pure parts take: `cargo bench --bench pure`. On a machine that does nothing else.

mod work;

use criterion::{Criterion, criterion_group, criterion_main};

fn pure(criterion: &mut Criterion) {
    for (name, mut work) in work::all() {
        criterion.bench_function(name, |bencher| bencher.iter(&mut work));
    }
}

criterion_group!(benches, pure);
criterion_main!(benches);
