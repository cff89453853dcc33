#!/usr/bin/env bash
# Everything that must hold before a change goes in. What is missing (Rust, a JDK, Maven) is installed on Debian and
# Ubuntu as root, else named.
#
# usage: scripts/test.sh [--quick]
#
#   --quick     without a Kafka: format, lints, unit and property tests only
#
# The integration tests start Kafka 4.3.1 and, for a smoke run, 0.11.0.3 (scripts/kafka.sh), on free ports of this machine.
# Ends at the first step that fails, with its exit status; prints how long each step took.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"

OLD_KAFKA=0.11.0.3
NEW_KAFKA=4.3.1
STEPS=()

main() {
    local quick=''
    while (($#)); do
        case "$1" in
            --quick) quick=yes ;;
            -h | --help) print_header "$0" && exit 0 ;;
            *) usage_error "unknown argument '$1'" ;;
        esac
        shift
    done
    cd "$ROOT"
    trap report EXIT
    need rust rust_tools
    [ -n "$quick" ] || need java maven openssl smtp

    step "format" cargo fmt --check
    step "lints" cargo clippy --locked --all-targets -- -D warnings
    step "licences and advisories" deny_check
    step "build" cargo build --locked --bins --examples
    step "unit and property tests" cargo test --locked --lib --bins --examples --test architecture
    if [ -z "$quick" ]; then
        step "fetch Kafka" scripts/kafka.sh fetch "$NEW_KAFKA" "$OLD_KAFKA"
        step "integration tests, Kafka $NEW_KAFKA" env BARNABAS_TEST_KAFKA="$NEW_KAFKA" cargo test --locked --test it
        step "smoke run, Kafka $OLD_KAFKA" smoke_run
    fi
}

# step NAME COMMAND…: runs it in its own shell, so that its first error ends it, and remembers the time.
step() {
    local name=$1 began=$SECONDS status=0
    shift
    say "" "== $name"
    # Not `"$@" || …`, which would make the shell ignore errors within a function.
    set +e
    (
        set -e
        "$@"
    )
    status=$?
    set -e
    STEPS+=("$(printf '%4d s  %s%s' $((SECONDS - began)) "$name" "$([ "$status" = 0 ] || printf '  FAILED')")")
    [ "$status" = 0 ] || exit "$status"
}

report() {
    local status=$? line
    say ""
    for line in ${STEPS[@]+"${STEPS[@]}"}; do
        say "$line"
    done
    if [ "$status" = 0 ]; then say "all passed in $SECONDS s"; else say "failed after $SECONDS s"; fi
}

deny_check() {
    if ! cargo deny --version >/dev/null 2>&1; then
        say "skipped: cargo-deny is not installed (cargo install cargo-deny)"
        return
    fi
    cargo deny --locked check bans licenses sources
    if cargo deny --locked fetch db; then
        cargo deny --locked check advisories
    else
        say "advisories were not looked at: their database cannot be fetched here"
    fi
}

# The tests whose names begin with smoke:: need nothing that a broker of 2017 lacks. None found would pass unseen.
smoke_run() {
    local found
    found=$(cargo test --locked --test it -- --list smoke:: 2>/dev/null | grep -c ': test$' || true)
    [ "$found" -gt 0 ] || die "there are no tests smoke:: in tests/it"
    BARNABAS_TEST_KAFKA="$OLD_KAFKA" cargo test --locked --test it smoke::
}

main "$@"
