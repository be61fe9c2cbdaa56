#!/bin/sh
# Two gateways and two workers on one Redis, behind nginx, on this machine: `examples/two-nodes/run.sh`.
#
# Installs nothing. Everything it starts ends with it: on Ctrl-C, or when one of the parts dies; with
# `--keep-going` the others live on, to see what becomes of the clients of a killed node. Ports are 8080
# (nginx) to 8087; `PORT=9000 run.sh` takes 9000 to 9007 instead. The programs are built unless TIDEGATE_BIN
# names the directory they are in.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
port=${PORT:-8080}
PATH=$PATH:/usr/sbin:/usr/local/sbin

say() { printf '%s\n' "$*"; }
fail() {
    say "run.sh: $*" >&2
    exit 1
}

keep_going=
case "${1:-}" in
"") ;;
--keep-going) keep_going=yes ;;
*) fail "unknown argument $1; there is only --keep-going" ;;
esac

# ── what must be there ──
missing=
for program in redis-server redis-cli nginx; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] || fail "not installed:$missing
Debian, Ubuntu: sudo apt-get install --no-install-recommends redis-server nginx
Fedora:         sudo dnf install redis nginx
macOS:          brew install redis nginx"

if [ -n "${TIDEGATE_BIN:-}" ]; then
    bin=$(cd "$TIDEGATE_BIN" && pwd) || fail "TIDEGATE_BIN is no directory: $TIDEGATE_BIN"
else
    command -v cargo >/dev/null || fail "cargo is not installed (https://rustup.rs), and TIDEGATE_BIN is not set"
    say "building (a few minutes the first time) …"
    (cd "$root" && cargo build --release --bins -p tidegate-gateway -p tidegate-worker -p tidegate)
    bin=${CARGO_TARGET_DIR:-$root/target}/release
fi
for program in tidegate tidegate-gateway tidegate-worker; do
    [ -x "$bin/$program" ] || fail "$bin/$program does not exist; run \`cargo build --bins\` there first"
done

# ── a directory of its own, and an end for all ──
run=$(mktemp -d "${TMPDIR:-/tmp}/tidegate-two-nodes.XXXXXX")
pids=
names=

start() { # NAME COMMAND…: in the background, its output in NAME.log
    name=$1
    shift
    "$@" >"$run/$name.log" 2>&1 </dev/null &
    pids="$pids $!"
    names="$names $name"
}

end() { # PID…: asks them all, and insists after 15 seconds
    for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
    tries=0
    for pid in "$@"; do
        while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 150 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
}

stop() {
    trap - EXIT INT TERM HUP
    set -- $pids
    # Redis came first and goes last: what the others say to it at their end shall arrive.
    first=${1:-}
    [ -z "$first" ] || shift
    end "$@"
    [ -z "$first" ] || end "$first"
    rm -rf "$run"
}
trap 'stop; say "all stopped"; exit 0' INT TERM HUP
trap stop EXIT

pid_of() { # NAME
    set -- "$1" $names
    wanted=$1
    shift
    for pid in $pids; do
        [ "$1" != "$wanted" ] || printf '%s' "$pid"
        shift
    done
}

show_dead() { # the name of the first part that is dead, and what it said last
    set -- $names
    for pid in $pids; do
        if ! kill -0 "$pid" 2>/dev/null; then
            say "run.sh: $1 has ended; its last words were:" >&2
            tail -n 15 "$run/$1.log" | sed 's/^/    /' >&2
            return 0
        fi
        shift
    done
    return 1
}

await() { # WHAT COMMAND…: until the command succeeds, at most 20 seconds
    what=$1
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        show_dead && exit 1
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "$what does not answer; see the logs in $run"
        sleep 0.1
    done
}

# The files here are right for 8080; a run has its own ports and its own directory.
fill() {
    sed -e "s|/tmp/tidegate-two-nodes|$run|g" -e "s|@PAGE@|$root/cli/src/dev|g" \
        -e "s/:8080/:$port/g" -e "s/:8081/:$((port + 1))/g" -e "s/:8082/:$((port + 2))/g" \
        -e "s/:8083/:$((port + 3))/g" "$here/$1" >"$run/$1"
}
fill tidegate.toml
fill nginx.conf

# Something to back up: the sources of this repository.
mkdir -p "$run/worlds/tidegate"
(cd "$root" && tar cf - --exclude=./target --exclude=./.git .) | (cd "$run/worlds/tidegate" && tar xf -)

# ── the parts ──
start redis redis-server --port $((port + 3)) --bind 127.0.0.1 --save "" --appendonly no --dir "$run"
await redis redis-cli -p $((port + 3)) ping
for number in 1 2; do
    start "gateway-$number" "$bin/tidegate-gateway" --config "$run/tidegate.toml" \
        --listen "127.0.0.1:$((port + number))" --admin-listen "127.0.0.1:$((port + 3 + number))"
    start "worker-$number" "$bin/tidegate-worker" --config "$run/tidegate.toml" \
        --admin-listen "127.0.0.1:$((port + 5 + number))"
done
start nginx nginx -p "$run" -c nginx.conf -e stderr
for number in 1 2; do
    await "gateway-$number" "$bin/tidegate" check --url "http://127.0.0.1:$((port + number))"
done
await nginx "$bin/tidegate" check --url "http://127.0.0.1:$port"

cli="tidegate"
command -v tidegate >/dev/null || cli="$bin/tidegate"
url=
[ "$port" = 8080 ] || url=" --url http://127.0.0.1:$port"
say "
Two gateways (ports $((port + 1)) and $((port + 2))), two workers, Redis (port $((port + 3))); nginx sends each
connection to the next gateway:

  page            http://127.0.0.1:$port/     open it twice: the tabs are on different nodes
  subscribe       $cli sub demo$url
  publish         $cli pub demo '{\"hi\":1}'$url
  back up         $cli submit backup '{\"source\":\"tidegate\"}' --follow$url
  kill a node     kill -9 $(pid_of gateway-1)
  logs, archives  $run

Ctrl-C stops all of it."

# Ctrl-C comes in between.
until show_dead; do sleep 0.5; done
[ -n "$keep_going" ] || exit 1
say "run.sh: the others go on (--keep-going); Ctrl-C stops them"
while :; do sleep 1; done
