#!/bin/sh
# What jobs cost Redis: Tidegate and BullMQ by turns, so that both meet the same machine, each on a redis-server
# of its own started with the same options. Needs cargo, redis-server, node and npm.
#
#     loadtest/peers/run.sh [ROUNDS]
set -eu
cd "$(dirname "$0")"
rounds=${1:-3}
folder=$(mktemp -d)
port=${PORT:-7399}
redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$folder" >"$folder/redis.log" &
redis=$!
trap 'kill $redis; rm -rf "$folder"' EXIT INT TERM
cp bullmq/package.json bullmq/measure.mjs "$folder"
npm --prefix "$folder" install --no-audit --no-fund --ignore-scripts >"$folder/npm.log" 2>&1
cargo nextest run --workspace --test redis --no-run
for round in $(seq "$rounds"); do
  echo "round $round, Tidegate:"
  cargo nextest run --workspace --test redis --run-ignored only --no-capture -E 'test(what_jobs_cost_redis)' 2>/dev/null |
    grep 'per second of Redis CPU'
  echo "round $round, BullMQ:"
  node "$folder/measure.mjs" "$port"
done
