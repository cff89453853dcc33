#!/usr/bin/env bash
# Says how large the static binary is and what each dependency costs in it, and fails beyond the budget.
#
# usage: scripts/bench/size.sh [--build] [TARGET]       default: x86_64-unknown-linux-musl
#
#   --build   build it first (scripts/build-static.sh)
#
# Counts the symbols of the binary before it was stripped (target/static-WAY/TARGET/release/barnabas). Generic code counts for the
# crate that defines it, code that was inlined for its caller, a task of tokio's for tokio. C code (ring, the allocator, musl)
# stands under C. What has no symbol (texts, alignment) is the rest. Budget: 6.0 MB for x86_64; docs/size.md says what was chosen.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"

BUDGET=6000000 # bytes, of every target
AIM=5000000
SMALLEST=6000 # a crate with less is not listed

BUILD='' TARGET=x86_64-unknown-linux-musl

main() {
    while (($#)); do
        case "$1" in
            --build) BUILD=yes ;;
            -h | --help) print_header "$0" && exit 0 ;;
            -*) usage_error "unknown argument '$1'" ;;
            *) TARGET=$1 ;;
        esac
        shift
    done
    cd "$ROOT"
    command -v nm >/dev/null || die "nm is missing (Debian: apt-get install binutils)"
    [ -z "$BUILD" ] || scripts/build-static.sh "$TARGET"

    local file=dist/barnabas-$TARGET way symbols bytes
    [ -f "$file" ] || die "$file is missing: scripts/build-static.sh $TARGET, or --build"
    way=$(cat "dist/.way-$TARGET")
    symbols=${CARGO_TARGET_DIR:-target}/static-$way/$TARGET/release/barnabas
    [ -f "$symbols" ] || die "$symbols, which has the symbols, is gone: build it again"
    bytes=$(stat -c %s "$file")
    printf '%s: %s bytes (by way of %s)\n\n| crate | code, KB | data, KB |\n|---|---|---|\n' "$file" "$bytes" "$way"
    by_crate "$symbols" "$bytes"
    if [ "$bytes" -gt "$BUDGET" ]; then die "$bytes bytes are $((bytes - BUDGET)) beyond the budget of $BUDGET"; fi
    printf '\n%s bytes are left of the budget of %s' $((BUDGET - bytes)) "$BUDGET"
    if [ "$bytes" -gt "$AIM" ]; then printf '; %s above what is aimed at' $((bytes - AIM)); fi
    printf '\n'
}

# by_crate FILE BYTES: nm gives address, size, kind, name. A method of a foreign trait begins with "<Type as Trait>": the type's
# crate counts. Addresses that were folded together count once.
by_crate() {
    nm --print-size --radix=d --demangle --defined-only "$1" | awk -v all="$2" -v smallest="$SMALLEST" '
        $3 !~ /^[tTwWrRdDvV]$/ || seen[$1 $3]++ { next }
        {
            size = $2
            kind = $3 ~ /[tTwW]/ ? "code" : "data"
            name = $0
            sub(/^[^ ]+ [^ ]+ . /, "", name)
            gsub(/^[<&*(\[]+(mut |dyn |const )*/, "", name); sub(/^[A-Z] as /, "", name)
            crate = name ~ /::/ ? name : "C"
            sub(/::.*/, "", crate)
            if (crate !~ /^[A-Za-z0-9_]+$/) crate = "core"
            cost[crate, kind] += size
            total[crate] += size
            sum += size
        }
        END {
            for (crate in total)
                if (total[crate] >= smallest)
                    printf "%d | %s | %.0f | %.0f |\n", total[crate], crate, cost[crate, "code"] / 1000, cost[crate, "data"] / 1000
            printf "%d | (the rest: texts, tables without a name) | | %.0f |\n", 0, (all - sum) / 1000
        }' | sort -rn | sed 's/^[0-9]* //'
}

main "$@"
