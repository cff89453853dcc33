#!/usr/bin/env bash
# Measures what forwarding costs: barnabas with the mapping of examples/guance.toml beside a plain Python consumer and
# beside a load generator, on this machine, which broker and receiver share.
#
# usage: scripts/bench/forward.sh [--profile release|quick] [--events N] [SCENARIO…]
#        scripts/bench/forward.sh [--events N] --compare FILE FILE…
#
#   --profile   release (default): the binary that is shipped; quick: built in a quarter of the time
#   --events    how many events of 1 KB wait in 6 partitions (default 200000)
#   SCENARIO    at-once, delayed, restart, memory (default: all of them, 15 minutes)
#   --compare   only these binaries, in turns, five times each, and how they do beside the first of them
#
# Prints Markdown. Rates mean little while the machine has other work: see the load that is printed first. docs/performance.md
# says what the figures were.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"

PROFILE=release EVENTS=200000 SCENARIOS=() COMPARE=()
PYTHON="${XDG_CACHE_HOME:-$HOME/.cache}/barnabas/bench-venv/bin/python"

main() {
    parse "$@"
    need java rust
    need_python
    cd "$ROOT"
    say "building (profile $PROFILE)"
    # The receiver and the load generator are the same in every run, so that runs can be compared.
    cargo build --quiet --profile quick --example webhook-receiver --example webhook-load
    [ ${#COMPARE[@]} -gt 0 ] || cargo build --quiet --profile "$PROFILE" --bin barnabas

    local kafka
    kafka=$(mktemp -d "${TMPDIR:-/tmp}/barnabas-bench-kafka.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "'$ROOT/scripts/kafka.sh' stop --dir '$kafka' >&2; rm -rf '$kafka'" EXIT
    "$ROOT/scripts/kafka.sh" start --dir "$kafka" --parent $$ >&2
    # shellcheck disable=SC1091 # written by kafka.sh
    . "$kafka/env"
    say "filling the topics"
    "$PYTHON" scripts/bench/fill.py "$BOOTSTRAP" events 6 "$EVENTS" 1024
    if [ ${#COMPARE[@]} -gt 0 ]; then
        "$PYTHON" scripts/bench/measure.py --bootstrap "$BOOTSTRAP" --binaries target/quick --events "$EVENTS" "${COMPARE[@]/#/--compare=}"
        return
    fi
    "$PYTHON" scripts/bench/fill.py "$BOOTSTRAP" large 6 2000 500000
    "$PYTHON" scripts/bench/fill.py "$BOOTSTRAP" nothing 6 0 0

    describe_machine
    "$PYTHON" scripts/bench/measure.py --bootstrap "$BOOTSTRAP" --binaries target/quick \
        --barnabas "target/$PROFILE/barnabas" --events "$EVENTS" ${SCENARIOS[@]+"${SCENARIOS[@]}"}
}

parse() {
    while (($#)); do
        case "$1" in
            -h | --help) print_header "$0" && exit ;;
            --profile) PROFILE=${2:?--profile needs a value} && shift ;;
            --events) EVENTS=${2:?--events needs a value} && shift ;;
            --compare)
                shift
                [ $# -gt 1 ] || usage_error "--compare needs two files"
                COMPARE=("$@")
                return
                ;;
            at-once | delayed | restart | memory) SCENARIOS+=("$1") ;;
            *) usage_error "unknown argument '$1'" ;;
        esac
        shift
    done
    case "$PROFILE" in release | quick) ;; *) usage_error "--profile is release or quick" ;; esac
}

# need_python: confluent-kafka and requests, in an environment of their own.
need_python() {
    [ -x "$PYTHON" ] && "$PYTHON" -c 'import confluent_kafka, requests' 2>/dev/null && return 0
    command -v python3 >/dev/null || die "python3 is missing: the plain consumer to compare with is written in it"
    say "installing confluent-kafka and requests into ${PYTHON%/bin/python} (pip)"
    python3 -m venv "${PYTHON%/bin/python}" || die "python3 -m venv failed (Debian: apt-get install python3-venv)"
    "$PYTHON" -m pip install --quiet confluent-kafka requests >&2
}

describe_machine() {
    local model
    model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
    printf '%s cores (%s), load %s, profile %s (%s bytes), %s\n' "$(nproc)" "${model:-unknown}" "$(cut -d ' ' -f 1-3 /proc/loadavg)" \
        "$PROFILE" "$(stat -c %s "target/$PROFILE/barnabas")" "$("$PYTHON" --version)"
}

main "$@"
