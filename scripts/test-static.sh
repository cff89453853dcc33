#!/usr/bin/env bash
# The short form of the fault suite against the static binary for x86_64: it is killed, the webhook is down, a broker and
# all brokers are killed and come back, and nothing is lost. A command of its own, since that binary takes minutes to build.
#
# usage: scripts/test-static.sh [--build] [TEST…]
#
#   --build   build dist/barnabas-x86_64-unknown-linux-musl first (scripts/build-static.sh)
#   TEST      names of tests in tests/it (default: the list below)

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"

BINARY=$ROOT/dist/barnabas-x86_64-unknown-linux-musl
TESTS=(
    smoke::a_topic_arrives_at_the_webhook_and_a_kill_in_the_middle_loses_nothing
    crash::after_ten_kills_nothing_is_lost_and_no_more_repeated_than_was_in_flight
    endpoint::an_endpoint_that_is_down_is_backed_off_from_as_a_whole
    brokers::a_leader_that_is_killed_costs_seconds_and_no_record
    brokers::all_brokers_are_killed_and_started_again
)

main() {
    local build='' names=()
    while (($#)); do
        case "$1" in
            --build) build=yes ;;
            -h | --help) print_header "$0" && exit 0 ;;
            -*) usage_error "unknown argument '$1'" ;;
            *) names+=("$1") ;;
        esac
        shift
    done
    cd "$ROOT"
    need rust java maven openssl
    [ -z "$build" ] || scripts/build-static.sh x86_64-unknown-linux-musl
    [ -x "$BINARY" ] || die "$BINARY is missing: scripts/build-static.sh, or --build"
    [ ${#names[@]} -gt 0 ] || names=("${TESTS[@]}")
    say "$BINARY: $("$BINARY" --version), $(stat -c %s "$BINARY") bytes"

    # Compiled into the tests (option_env!), so they are built anew for this binary and for cargo's own.
    export BARNABAS_TEST_BINARY=$BINARY
    local name found
    # The receiver of the tests, which cargo builds by itself only where all tests are run.
    cargo build --locked --example webhook-receiver
    found=$(cargo test --locked --test it -- --list 2>/dev/null)
    for name in "${names[@]}"; do
        # None found would pass unseen.
        grep -q "^$name: test\$" <<<"$found" || die "there is no test $name in tests/it"
    done
    cargo test --locked --test it -- --exact "${names[@]}"
}

main "$@"
