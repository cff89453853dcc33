#!/usr/bin/env bash
# Shows barnabas at work: builds it, starts a throwaway Kafka and a webhook receiver that prints what it gets, runs the
# configuration examples/guance.toml between them, and feeds the events of examples/guance-events.jsonl. Then a consumer
# group falls behind and catches up, and a mail server shows the two mails that result. Then it stays up, to be looked at,
# until Ctrl-C. Leaves nothing behind but the build and the cached Kafka.
#
# usage: scripts/demo.sh [--once]
#
#   --once      end by itself, with exit status 0 only where everything became what examples/guance-expected.json says
#               and both mails came
#
# What is missing (Rust, a JDK, Maven, openssl, aiosmtpd) is installed on Debian and Ubuntu as root, else named. Without
# aiosmtpd the mails are left out.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"
# shellcheck source=scripts/lib/demo_monitor.sh
. "$ROOT/scripts/lib/demo_monitor.sh"

EVENTS="$ROOT/examples/guance-events.jsonl"
EXPECTED="$ROOT/examples/guance-expected.json"
PAGES=127.0.0.1:9863
SETTLE_LIMIT=60

ONCE=''
DIR='' KAFKA='' RECEIVER_PID='' BARNABAS_PID=''

main() {
    while (($#)); do
        case "$1" in
            --once) ONCE=yes ;;
            -h | --help) print_header "$0" && exit 0 ;;
            *) usage_error "unknown argument '$1'" ;;
        esac
        shift
    done
    cd "$ROOT"
    need rust java maven
    title "Building (the first time takes some minutes)"
    cargo build --profile quick --locked --bin barnabas --example webhook-receiver
    local target=${CARGO_TARGET_DIR:-$ROOT/target}/quick
    BARNABAS=$target/barnabas
    RECEIVER=$target/examples/webhook-receiver

    # A short path: the control socket lies in it, and such a path has at most 107 bytes.
    DIR=$(mktemp -d /tmp/barnabas-demo.XXXXXX)
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    start_kafka
    start_receiver
    start_mail_server
    write_config
    start_barnabas
    feed
    wait_until "$SETTLE_LIMIT" all_settled || say "not everything was settled within $SETTLE_LIMIT s"
    show
    local wrong=0
    if [ -n "$ONCE" ]; then as_expected || wrong=1; fi
    watch_and_mail || wrong=1
    [ -z "$ONCE" ] || return "$wrong"
    stay
}

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

start_kafka() {
    title "Starting a Kafka"
    scripts/kafka.sh start --parent "$$" >"$DIR/kafka.env"
    KAFKA=$(sed -n 's/^DIR=//p' "$DIR/kafka.env")
    BOOTSTRAP=$(sed -n 's/^BOOTSTRAP=//p' "$DIR/kafka.env")
    scripts/kafka.sh tool topics --dir "$KAFKA" --create --topic event --partitions 3
    echo "Kafka $(sed -n 's/^VERSION=//p' "$DIR/kafka.env") at $BOOTSTRAP"
}

# It takes every event but those about hosts that its inventory does not know.
start_receiver() {
    title "Starting a webhook receiver, which prints what it gets"
    "$RECEIVER" --listen 127.0.0.1:0 --port-file "$DIR/receiver.port" --log "$DIR/receiver.jsonl" --print --script '[
        { "when": { "body_contains": "no-cmdb" },
          "then": { "status": 400, "body": { "error": "not match any cmdb instance" } } }
    ]' &
    RECEIVER_PID=$!
    wait_until 10 test -s "$DIR/receiver.port" || die "the webhook receiver did not start"
    URL="http://127.0.0.1:$(cat "$DIR/receiver.port")/api/alerts"
}

# The example with this machine's addresses, and what the mails need added to it; nothing else is changed.
write_config() {
    CONFIG="$DIR/guance.toml"
    if (exec 3<>"/dev/tcp/${PAGES%:*}/${PAGES#*:}") 2>/dev/null; then
        PAGES=127.0.0.1:$((20000 + RANDOM % 12000))
    fi
    sed -e "s|^bootstrap_servers = \[[^]]*\]|bootstrap_servers = [\"$BOOTSTRAP\"]|" \
        -e "s|^dir = \"[^\"]*\"|dir = \"$DIR/state\"|" \
        -e "s|^listen = \"[^\"]*\"|listen = \"$PAGES\"|" \
        -e "s|^url = \"[^\"]*\"|url = \"$URL\"|" examples/guance.toml >"$CONFIG"
    local wanted
    for wanted in "\"$BOOTSTRAP\"" "\"$DIR/state\"" "\"$PAGES\"" "\"$URL\""; do
        grep -qF "$wanted" "$CONFIG" || die "examples/guance.toml has no line to put $wanted into"
    done
    chmod 600 "$CONFIG" # it holds a password
    monitor_config >>"$CONFIG"
}

start_barnabas() {
    title "Starting barnabas with examples/guance.toml (its addresses changed to those here)"
    "$BARNABAS" check --config "$CONFIG"
    "$BARNABAS" run --config "$CONFIG" 2>"$DIR/barnabas.log" &
    BARNABAS_PID=$!
    wait_until 20 answers_or_ended || die "barnabas does not answer: $(cat "$DIR/barnabas.log")"
    kill -0 "$BARNABAS_PID" 2>/dev/null || die "barnabas ended: $(cat "$DIR/barnabas.log")"
}

answers_or_ended() {
    "$BARNABAS" status --config "$CONFIG" >/dev/null 2>&1 || ! kill -0 "$BARNABAS_PID" 2>/dev/null
}

feed() {
    title "Feeding $(wc -l <"$EVENTS") events: barnabas produce event < examples/guance-events.jsonl"
    "$BARNABAS" produce event --config "$CONFIG" <"$EVENTS"
}

# count NAME: a counter of the one forward, from the status as JSON.
count() {
    "$BARNABAS" status --json --config "$CONFIG" 2>/dev/null |
        grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$' || echo unknown
}

# expected OUTCOME: how many events are to end so; the file has one object a line.
expected() { grep -c "\"outcome\": \"$1\"" "$EXPECTED" || true; }

all_settled() { [ "$(count consumed)" = "$(wc -l <"$EVENTS" | tr -d ' ')" ] && [ "$(count pending)" = 0 ]; }

show() {
    title "Delivered: $(count delivered) (printed above)"
    delivered_ids | paste -s -d " " - || true # none at all is said by the count
    title "Filtered: $(count filtered) (df_source is not \"monitor\")"
    title "Dead letters: $(count dead_lettered) (barnabas dead-letters list)"
    "$BARNABAS" dead-letters list --config "$CONFIG"
    title "barnabas status"
    "$BARNABAS" status --config "$CONFIG"
    title "Log: $DIR/barnabas.log"
    tail -n 5 "$DIR/barnabas.log"
}

delivered_ids() {
    grep '"status":200' "$DIR/receiver.jsonl" | grep -o '"alertId":"[^"]*"' | cut -d '"' -f 4 | sort
}

stay() {
    title "Up until Ctrl-C"
    cat <<TEXT
Status page  http://$PAGES/
Metrics      http://$PAGES/metrics
Status       http://$PAGES/api/status      ready?  http://$PAGES/readyz
Try          $BARNABAS dead-letters replay --all --config $CONFIG
             $BARNABAS produce event --config $CONFIG < $EVENTS
             kill -9 $BARNABAS_PID    (and see that the next start loses nothing)
TEXT
    monitor_hints
    wait "$BARNABAS_PID" || say "barnabas ended: $(tail -n 3 "$DIR/barnabas.log")"
}

# --- --once: is it what examples/guance-expected.json says? ---

as_expected() {
    title "Compared with examples/guance-expected.json"
    local wrong=0
    same_count delivered delivered || wrong=1
    same_count filtered filtered || wrong=1
    same_count dead_lettered dead-lettered || wrong=1
    same_ids || wrong=1
    same_bodies || wrong=1
    same_reasons || wrong=1
    if [ "$wrong" = 0 ]; then echo "all as expected"; else echo "NOT as expected"; fi
    return "$wrong"
}

# same_count COUNTER OUTCOME
same_count() {
    local found wanted
    found=$(count "$1") wanted=$(expected "$2")
    echo "$2: $found of $wanted"
    [ "$found" = "$wanted" ]
}

# Each once: nothing failed on the way, so nothing may have come twice.
same_ids() {
    grep '"outcome": "delivered"' "$EXPECTED" | grep -o '"alertId": "[^"]*"' | cut -d '"' -f 4 | sort >"$DIR/wanted-ids"
    delivered_ids | diff "$DIR/wanted-ids" - >&2
}

# Bodies are compared as JSON, for which a program is needed that knows it; a machine without one compares less.
same_bodies() {
    if command -v jq >/dev/null; then
        jq -cS '.[] | select(.body) | .body' "$EXPECTED" | sort >"$DIR/wanted-bodies"
        jq -cS .body "$DIR/receiver.jsonl" | sort >"$DIR/bodies"
    elif command -v python3 >/dev/null; then
        sorted_by_python 'json.load(file)' <"$EXPECTED" >"$DIR/wanted-bodies"
        sorted_by_python 'map(json.loads, file)' <"$DIR/receiver.jsonl" >"$DIR/bodies"
    else
        echo "bodies: not compared, there is neither jq nor python3"
        return 0
    fi
    diff "$DIR/wanted-bodies" "$DIR/bodies" >&2 && echo "bodies: the same"
}

sorted_by_python() {
    python3 -c "
import json, sys
file = open(0, encoding='utf-8')
bodies = [entry['body'] for entry in $1 if entry.get('body') is not None]
print('\n'.join(sorted(json.dumps(body, sort_keys=True) for body in bodies)))"
}

same_reasons() {
    local reason wrong=0
    "$BARNABAS" dead-letters list --json --config "$CONFIG" >"$DIR/dead-letters.json"
    while read -r reason; do
        grep -qF "$reason" "$DIR/dead-letters.json" || {
            echo "no dead letter says: $reason"
            wrong=1
        }
    done < <(sed -n 's/.*"reason": "\([^"]*\)".*/\1/p' "$EXPECTED")
    return "$wrong"
}

clean_up() {
    local status=$?
    trap - EXIT INT TERM
    # Whatever has gone already is no error here.
    [ -z "$BARNABAS_PID" ] || kill "$BARNABAS_PID" 2>/dev/null || true
    [ -z "$BARNABAS_PID" ] || wait "$BARNABAS_PID" 2>/dev/null || true
    [ -z "$RECEIVER_PID" ] || kill "$RECEIVER_PID" 2>/dev/null || true
    stop_mail_server
    [ -z "$KAFKA" ] || "$ROOT/scripts/kafka.sh" stop --dir "$KAFKA" || true
    [ -z "$DIR" ] || rm -rf "$DIR"
    exit "$status"
}

main "$@"
