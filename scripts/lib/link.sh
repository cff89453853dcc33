#!/usr/bin/env bash
# The linker of static builds, as rustc calls it: lld, twice. The first time tells which functions there are, the second puts
# those that a daemon uses while it runs side by side (link_order.py). By itself it takes a second.
#
# From the environment: BARNABAS_LLD the linker, BARNABAS_NM nm, and words BARNABAS_LINK_FIRST and BARNABAS_LINK_LAST for before
# and behind rustc's own.

set -euo pipefail

FOLDER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUTPUT=''

# link ARGUMENTS…
link() {
    # shellcheck disable=SC2086 # lists of words
    "$BARNABAS_LLD" $BARNABAS_LINK_FIRST "$@" $BARNABAS_LINK_LAST
}

previous=''
for argument in "$@"; do
    [ "$previous" != -o ] || OUTPUT=$argument
    previous=$argument
done

link "$@"
NM=$BARNABAS_NM python3 "$FOLDER/link_order.py" select "$OUTPUT" "$FOLDER/hot_functions.txt" >"$OUTPUT.order"
link "$@" --symbol-ordering-file="$OUTPUT.order" --no-warn-symbol-ordering
rm "$OUTPUT.order"
