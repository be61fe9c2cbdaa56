mod delivery;
mod ending;
mod harness;
mod jobs;
mod rules;
