#!/usr/bin/env bash
# Says how large the released binary is, and which crates its code is from.
#
# usage: scripts/bench/size.sh
#
# Builds twice: as it is shipped, and with symbols, from which the second table is counted. Generic code counts for the crate
# that defines it; what was inlined counts for the caller. C code (ring, the allocator) stands under its own name.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"

case "${1:-}" in '') ;; -h | --help) print_header "$0" && exit ;; *) usage_error "unknown argument '$1'" ;; esac
command -v nm >/dev/null || die "nm is missing (Debian: apt-get install binutils)"
cd "$ROOT"

cargo build --quiet --release --bin barnabas
printf 'as shipped: %s bytes\n\n| crate | KB of code |\n|---|---|\n' "$(stat -c %s target/release/barnabas)"

CARGO_PROFILE_RELEASE_STRIP=none cargo build --quiet --release --bin barnabas --target-dir target/with-symbols
# nm: address, size, kind, name. A method of a foreign trait begins with "<Type as Trait>": the type's crate counts.
nm --print-size --radix=d --demangle --defined-only target/with-symbols/release/barnabas | awk '
    $3 !~ /^[tTwW]$/ { next }
    {
        size = $2
        name = $0
        sub(/^[^ ]+ [^ ]+ . /, "", name)
        gsub(/^[<&*(]+(mut |dyn |const )*/, "", name); sub(/^[A-Z] as /, "", name)
        crate = name ~ /::/ ? name : "(C, or no path)"
        sub(/::.*/, "", crate)
        total[crate] += size
    }
    END { for (crate in total) if (total[crate] >= 10000) printf "%d %s\n", total[crate] / 1000, crate }
' | sort -rn | while read -r kilobytes crate; do printf '| %s | %s |\n' "$crate" "$kilobytes"; done
