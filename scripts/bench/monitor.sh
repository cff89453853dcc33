#!/usr/bin/env bash
# What one poll of a cluster costs the monitor: requests, time, CPU time and memory, on three brokers of this machine.
# Beside it kafka_exporter and kminion, where their binaries are given.
#
# usage: scripts/bench/monitor.sh [--large] [--polls N] [--age SECONDS]… [--binary FILE] [--dir D]
#
#   --large     20,000 partitions and 50,000 group-partition pairs, instead of 2,000 and 10,000
#   --polls     how many (default 10); the first opens the connections
#   --age       also ask where the records of this age begin, as for a rule on group_lag_seconds; may be repeated
#   --binary    the built examples/monitor-poll.rs (default: target/release/examples/monitor-poll, built if missing)
#   --dir       a cluster of three that this script filled before (default: a new one, Kafka 4.3.1)
#
# KAFKA_EXPORTER=FILE and KMINION=FILE name the other programs' binaries; each is asked for its metrics once. What they
# are not given is left out. Every partition holds three records, of which every group has read one.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/kafka_fetch.sh
. "$ROOT/scripts/lib/kafka_fetch.sh"

KAFKA="$ROOT/scripts/kafka.sh"
POLLS=10 BINARY='' DIR=''
AGES=()
# Topics, partitions of each, replicas, groups, topics that each reads.
SIZE=(200 10 3 100 10)

main() {
    while (($#)); do
        case "$1" in
            --large) SIZE=(2000 10 1 1000 5) ;;
            --polls) POLLS=${2:?--polls needs a value} && shift ;;
            --age) AGES+=("${2:?--age needs a value}") && shift ;;
            --binary) BINARY=${2:?--binary needs a value} && shift ;;
            --dir) DIR=${2:?--dir needs a value} && shift ;;
            -h | --help) print_header "$0" && exit 0 ;;
            *) usage_error "unknown argument '$1'" ;;
        esac
        shift
    done
    if [ -z "$BINARY" ]; then
        BINARY=$ROOT/target/release/examples/monitor-poll
        [ -x "$BINARY" ] || (cd "$ROOT" && cargo build --release --locked --example monitor-poll >&2)
    fi
    if [ -z "$DIR" ]; then
        DIR=$("$KAFKA" start --brokers 3 | sed -n 's/^DIR=//p')
        # shellcheck disable=SC2064 # the folder as it is now
        trap "'$KAFKA' stop --dir '$DIR'" EXIT
    fi
    # shellcheck disable=SC1091 # written by kafka.sh
    . "$DIR/env"
    [ -f "$DIR/filled" ] || fill
    "$BINARY" "$BOOTSTRAP" "$POLLS" ${AGES[@]+"${AGES[@]}"}
    other kafka_exporter "${KAFKA_EXPORTER:-}" 9308 exporter_arguments
    other kminion "${KMINION:-}" 8080 kminion_environment
}

fill() {
    say "making ${SIZE[0]} topics of ${SIZE[1]} partitions and ${SIZE[3]} groups"
    # shellcheck disable=SC2153 # kafka.sh wrote the version
    java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
        -cp "$KAFKA_HOME/$VERSION/libs/*" "$ROOT/scripts/bench/MonitorFill.java" "$BOOTSTRAP" "${SIZE[@]}"
    touch "$DIR/filled"
}

exporter_arguments() {
    local server
    for server in ${BOOTSTRAP//,/ }; do
        printf -- '--kafka.server=%s\n' "$server"
    done
}

# It reads its settings from the environment.
kminion_environment() {
    export KAFKA_BROKERS="$BOOTSTRAP"
}

# other NAME BINARY PORT ARGUMENTS: runs it, asks for its metrics once to warm it, then once more, and prints the cost.
other() {
    local name=$1 binary=$2 port=$3 arguments=() before after began micros pid
    if [ -z "$binary" ]; then
        say "$name: left out, its binary is not given"
        return 0
    fi
    mapfile -t arguments < <("$4")
    "$4" >/dev/null
    "$binary" ${arguments[@]+"${arguments[@]}"} >/dev/null 2>&1 &
    pid=$!
    wait_until 60 curl -sf -o /dev/null "http://127.0.0.1:$port/metrics" || die "$name does not answer"
    before=$(ticks "$pid") began=${EPOCHREALTIME/[.,]/}
    curl -sf -o /dev/null "http://127.0.0.1:$port/metrics"
    micros=$((${EPOCHREALTIME/[.,]/} - began)) after=$(ticks "$pid")
    printf '%s: %s ms, %s CPU ms, %s kB resident\n' "$name" "$((micros / 1000))" "$(((after - before) * 10))" \
        "$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status")"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
}

# ticks PID: hundredths of a second of CPU time.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

main "$@"
