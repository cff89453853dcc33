#!/usr/bin/env bash
# How long each operator's command takes to its first line, beside Kafka's own tool and kcat (where it is installed), on
# a local cluster; and how many records a second consume reads. Prints Markdown tables; the numbers are medians.
#
# usage: scripts/bench/commands.sh [--binary FILE] [--dir D] [--runs N] [--records N]
#
#   --binary    the barnabas to measure (default: target/release/barnabas, built if missing)
#   --dir       a cluster that scripts/kafka.sh started (default: one of its own, Kafka 4.3.1)
#   --runs      of each command (default 5; Kafka's tools: 3)
#   --records   of 100 bytes, for consume (default 1000000)

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"

KAFKA="$ROOT/scripts/kafka.sh"
BINARY='' DIR='' RUNS=5 RECORDS=1000000
RUNS_OF_JAVA=3

main() {
    while (($#)); do
        case "$1" in
            --binary) BINARY=${2:?--binary needs a value} && shift ;;
            --dir) DIR=${2:?--dir needs a value} && shift ;;
            --runs) RUNS=${2:?--runs needs a value} && shift ;;
            --records) RECORDS=${2:?--records needs a value} && shift ;;
            -h | --help) print_header "$0" && exit 0 ;;
            *) usage_error "unknown argument '$1'" ;;
        esac
        shift
    done
    if [ -z "$BINARY" ]; then
        BINARY=$ROOT/target/release/barnabas
        [ -x "$BINARY" ] || (cd "$ROOT" && cargo build --release --locked >&2)
    fi
    if [ -z "$DIR" ]; then
        DIR=$("$KAFKA" start | sed -n 's/^DIR=//p')
        # shellcheck disable=SC2064 # the folder as it is now
        trap "'$KAFKA' stop --dir '$DIR'" EXIT
    fi
    # shellcheck disable=SC1091 # written by kafka.sh
    . "$DIR/env"
    TOPIC=bench-$$ GROUP=readers-$$
    prepare
    first_lines
    throughput
}

prepare() {
    say "filling $TOPIC with $RECORDS records"
    "$BINARY" topics create "$TOPIC" --partitions 3 --replication-factor 1 --bootstrap-server "$BOOTSTRAP"
    "$KAFKA" tool producer-perf --dir "$DIR" --topic "$TOPIC" --num-records "$RECORDS" --record-size 100 \
        --throughput -1 >/dev/null
    "$BINARY" groups reset "$GROUP" "$TOPIC" end-1000 --yes --bootstrap-server "$BOOTSTRAP" >/dev/null 2>&1
}

first_lines() {
    printf '| command | barnabas, ms | Kafka, ms | kcat, ms |\n|---|---:|---:|---:|\n'
    row 'topics list' 'topics --list' '-L'
    row "topics describe $TOPIC" "topics --describe --topic $TOPIC" "-L -t $TOPIC"
    row 'groups list' 'groups --list' ''
    row "groups describe $GROUP" "groups --describe --group $GROUP" ''
    row "groups reset $GROUP $TOPIC earliest --dry-run" \
        "groups --reset-offsets --group $GROUP --topic $TOPIC --to-earliest --dry-run" ''
    row 'brokers --api-versions' "$(class_call kafka.admin.BrokerApiVersionsCommand org.apache.kafka.tools.BrokerApiVersionsCommand)" ''
    row 'brokers --disks' "$(class_call kafka.admin.LogDirsCommand org.apache.kafka.tools.LogDirsCommand) --describe" ''
    row "consume $TOPIC --count 1" "console-consumer --topic $TOPIC --from-beginning --max-messages 1" \
        "-C -q -t $TOPIC -o beginning -c 1"
}

# class_call OLD NEW: a tool that kafka.sh knows by its class alone.
class_call() {
    case "$VERSION" in
        4.* | 3.9*) printf '%s --bootstrap-server %s' "$2" "$BOOTSTRAP" ;;
        *) printf '%s --bootstrap-server %s' "$1" "$BOOTSTRAP" ;;
    esac
}

# row OURS KAFKAS KCATS: words without blanks in them.
row() {
    local ours kafkas='-' kcats='-'
    # shellcheck disable=SC2086 # words
    ours=$(median "$RUNS" "$BINARY" $1 --bootstrap-server "$BOOTSTRAP")
    # shellcheck disable=SC2086
    kafkas=$(median "$RUNS_OF_JAVA" "$KAFKA" tool $2 --dir "$DIR")
    if [ -n "$3" ] && command -v kcat >/dev/null; then
        # shellcheck disable=SC2086
        kcats=$(median "$RUNS" kcat -b "$BOOTSTRAP" $3)
    fi
    printf '| `%s` | %s | %s | %s |\n' "${1//$TOPIC/T}" "$ours" "$kafkas" "$kcats" | sed "s/$GROUP/G/"
}

# median RUNS COMMAND…: of the milliseconds to the first line.
median() {
    local runs=$1 run
    shift
    for ((run = 0; run < runs; run++)); do
        first_line "$@"
    done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

first_line() {
    local began=${EPOCHREALTIME/[.,]/}
    {
        "$@" 2>/dev/null || true
    } | {
        IFS= read -r _ || true
        local ended=${EPOCHREALTIME/[.,]/}
        printf '%s\n' "$(((ended - began) / 1000))"
        cat >/dev/null
    }
}

throughput() {
    printf '\n| %s records of 100 bytes | seconds | records a second |\n|---|---:|---:|\n' "$RECORDS"
    rate 'barnabas consume' "$BINARY" consume "$TOPIC" --bootstrap-server "$BOOTSTRAP"
    rate 'barnabas consume --json' "$BINARY" consume "$TOPIC" --json --bootstrap-server "$BOOTSTRAP"
    rate 'barnabas consume --jq .offset' "$BINARY" consume "$TOPIC" --jq .offset --bootstrap-server "$BOOTSTRAP"
    rate 'kafka-console-consumer' "$KAFKA" tool console-consumer --dir "$DIR" --topic "$TOPIC" --from-beginning \
        --max-messages "$RECORDS"
    ! command -v kcat >/dev/null || rate 'kcat -C -e' kcat -b "$BOOTSTRAP" -C -q -e -t "$TOPIC" -o beginning
}

# rate NAME COMMAND…: fails where a record is missing.
rate() {
    local name=$1 began=${EPOCHREALTIME/[.,]/} lines micros
    shift
    lines=$("$@" 2>/dev/null | wc -l)
    micros=$((${EPOCHREALTIME/[.,]/} - began))
    [ "$lines" = "$RECORDS" ] || die "$name showed $lines of $RECORDS records"
    printf '| `%s` | %s | %s |\n' "$name" "$((micros / 1000000)).$(printf '%03d' $((micros / 1000 % 1000)))" \
        "$((lines * 1000000 / micros))"
}

main "$@"
