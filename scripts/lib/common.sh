# shellcheck shell=bash
# What every script needs: saying something, failing with a reason, and waiting for a condition with a limit.
# To be sourced; defines functions only.

# say TEXT…: progress, on standard error, so that standard output stays data.
say() { printf '%s\n' "$*" >&2; }

# die TEXT…: the reason on standard error, exit status 1.
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# usage_error TEXT…: as die, with status 2 and a pointer to --help.
usage_error() {
    printf '%s: %s (see %s --help)\n' "${0##*/}" "$*" "$0" >&2
    exit 2
}

# print_header FILE: the comment that opens a script is its usage text.
print_header() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

# wait_until SECONDS COMMAND…: 0 as soon as the command succeeds, 1 when it has not within the limit.
# The one place where a script pauses.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}
