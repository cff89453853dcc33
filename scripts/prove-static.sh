#!/usr/bin/env bash
# Proves what is said of the static binaries in dist/: a line for each proof, exit status 1 where one fails.
#
# usage: scripts/prove-static.sh [--elf-only] [TARGET…]        default: every target in dist/
#
# Every binary: no interpreter, no dynamic section; `--version`, `check` and `test` on the oldest processor that its target
# promises, under qemu-user where it is foreign. The one of x86_64 besides, forwarding from a Kafka with TLS
# (scripts/kafka.sh) to an HTTPS sink: in an empty chroot, by address and by a name from /etc/hosts; with a root that
# cannot be written to; as nobody, without any capability; in 64 MB; with the clock in 1970, and set later; with the system
# calls of Linux 3.2 alone. Needs root (chroot, mounts, cgroup), Java, python3, openssl and a C compiler.
# What this machine cannot do is said ("not proved here") and is no failure.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"
# shellcheck source=scripts/lib/static_targets.sh
. "$ROOT/scripts/lib/static_targets.sh"

NATIVE=x86_64-unknown-linux-musl
LIMIT=60     # seconds that a forward may take for what it has to deliver
EVENTS=200   # in the topic of every proof but that of memory
LARGE=20000  # of 1 KB, in that of memory
NOBODY=65534
# The first system call of x86_64 that Linux 3.2 does not have: what came later is numbered higher.
CALLS_OF_3_2=312

WORK='' KAFKA_DIR='' SINK_PID='' CELL_PID='' CGROUP=''
FAILED=0 ELF_ONLY=''
TARGETS=()

main() {
    local target
    parse "$@"
    cd "$ROOT"
    # Short: the control socket lies below it.
    WORK=$(mktemp -d /tmp/prove.XXXXXX)
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    chmod 0755 "$WORK"
    for target in "${TARGETS[@]}"; do
        prove "$target: no interpreter, no dynamic section" is_static "$target"
        prove "$target: runs, checks and tests$(on_processor "$target")" runs "$target"
    done
    if [ -z "$ELF_ONLY" ] && printf '%s\n' "${TARGETS[@]}" | grep -qx "$NATIVE"; then prove_native; fi
    [ "$FAILED" = 0 ] || die "$FAILED failed"
}

parse() {
    local target
    while (($#)); do
        case "$1" in
            --elf-only) ELF_ONLY=yes ;;
            -h | --help) print_header "$0" && exit 0 ;;
            -*) usage_error "unknown argument '$1'" ;;
            *) TARGETS+=("$1") ;;
        esac
        shift
    done
    if [ ${#TARGETS[@]} = 0 ]; then
        for target in "${STATIC_TARGETS[@]}"; do
            [ ! -f "$ROOT/dist/barnabas-$target" ] || TARGETS+=("$target")
        done
    fi
    [ ${#TARGETS[@]} -gt 0 ] || die "nothing in dist/: scripts/build-static.sh first"
    for target in "${TARGETS[@]}"; do
        [ -f "$ROOT/dist/barnabas-$target" ] || die "dist/barnabas-$target is missing: scripts/build-static.sh $target"
    done
}

clean_up() {
    [ -z "$CELL_PID" ] || kill -KILL "$CELL_PID" 2>/dev/null || true
    [ -z "$SINK_PID" ] || kill "$SINK_PID" 2>/dev/null || true
    [ -z "$KAFKA_DIR" ] || "$ROOT/scripts/kafka.sh" stop --dir "$KAFKA_DIR" >/dev/null 2>&1 || true
    [ -z "$CGROUP" ] || rmdir "$CGROUP" 2>/dev/null || true
    [ -z "$WORK" ] || rm -rf --one-file-system "$WORK"
}

# prove SENTENCE COMMAND…: a line that says whether it holds. The command says on standard error why not.
prove() {
    local sentence=$1 status=0
    shift
    rm -f "$WORK/figure"
    # A shell of its own, which an error ends.
    set +e
    (
        set -e
        "$@"
    ) 2>"$WORK/why"
    status=$?
    set -e
    case "$status" in
        0) say "proved      $sentence$(cat "$WORK/figure" 2>/dev/null)" ;;
        77) say "not proved here: $sentence: $(tail -n 1 "$WORK/why")" ;;
        *)
            say "FAILED      $sentence"
            tail -n 25 "$WORK/why" | sed 's/^/            /' >&2
            FAILED=$((FAILED + 1))
            ;;
    esac
}

# impossible TEXT…: this machine cannot do that.
impossible() {
    say "$*"
    exit 77
}

# --- every binary ---

is_static() {
    local facts
    facts=$(elf_facts "dist/barnabas-$1")
    [ "$facts" = static ] || die "$facts"
}

# Natively only where this machine can; a processor of today would not show an instruction that old ones lack.
on_processor() { echo " under $(qemu_program "$1") as $(qemu_processor "$1")"; }

runs() {
    local target=$1 emulator
    emulator=$(qemu_program "$target")
    command -v "$emulator" >/dev/null || impossible "$emulator is missing (Debian: apt-get install qemu-user-static)"
    local run=("$emulator" -cpu "$(qemu_processor "$target")" "dist/barnabas-$target")
    "${run[@]}" --version >"$WORK/version"
    grep -qx "barnabas [0-9.]*" "$WORK/version" || die "--version says: $(cat "$WORK/version")"
    "${run[@]}" check --config examples/guance.toml >"$WORK/check" || die "check failed"
    "${run[@]}" test --config examples/guance.toml <examples/guance-events.jsonl >"$WORK/bodies"
    [ -s "$WORK/bodies" ] || die "test printed nothing"
    # All targets must make the same of the same events.
    [ -f "$WORK/bodies.first" ] || cp "$WORK/bodies" "$WORK/bodies.first"
    cmp "$WORK/bodies" "$WORK/bodies.first" || die "the request bodies differ from those of another target"
}

# --- forwarding, x86_64 ---

prove_native() {
    [ "$(uname -m)" = x86_64 ] || { say "not proved here: forwarding, since this machine is not x86_64" && return; }
    [ "$(id -u)" = 0 ] || { say "not proved here: forwarding, since only root can make a chroot" && return; }
    need java openssl
    cc -O1 -o "$WORK/confine" scripts/lib/confine.c || die "no C compiler"
    start_kafka
    start_sink
    prove "it forwards in an empty chroot, by address" in_empty_chroot
    prove "it forwards in an empty chroot, by a name from /etc/hosts" by_name
    prove "it forwards on a read-only root, where only state.dir can be written to" read_only_root
    prove "it forwards as nobody, without capabilities" as_nobody
    prove "it forwards $LARGE events of 1 KB in 64 MB of memory" in_64_megabytes
    prove "with the clock in 1970 it forwards without TLS" without_clock
    prove "with the clock in 1970 it waits with TLS, and forwards when the clock is set" until_clock_is_set
    prove "it forwards with the system calls of Linux 3.2 alone (later ones: ENOSYS)" with_old_calls enosys
    prove "it forwards where a filter forbids later system calls (EPERM)" with_old_calls eperm
}

start_kafka() {
    KAFKA_DIR=$WORK/kafka
    scripts/kafka.sh start --tls --dir "$KAFKA_DIR" --parent $$ >"$WORK/kafka.env" || die "Kafka did not start"
    # shellcheck disable=SC1091 # written by kafka.sh
    BROKER_TLS=$(sed -n 's/^SSL=//p' "$WORK/kafka.env") BROKER_PLAIN=$(sed -n 's/^BOOTSTRAP=//p' "$WORK/kafka.env")
    scripts/kafka.sh tool --dir "$KAFKA_DIR" topics --create --topic event --partitions 3 >/dev/null
    scripts/kafka.sh tool --dir "$KAFKA_DIR" topics --create --topic large --partitions 3 >/dev/null
    seq 1 "$EVENTS" | sed 's/.*/{"number":&}/' | "dist/barnabas-$NATIVE" produce event --bootstrap-server "$BROKER_PLAIN" >/dev/null
    awk -v count="$LARGE" 'BEGIN { text = sprintf("%980s", ""); gsub(/ /, "x", text)
        for (i = 1; i <= count; i++) printf "{\"number\":%d,\"text\":\"%s\"}\n", i, text }' |
        "dist/barnabas-$NATIVE" produce large --bootstrap-server "$BROKER_PLAIN" >/dev/null
}

start_sink() {
    local tls=$KAFKA_DIR/tls
    mkdir -p "$WORK/counts"
    printf '%s\n' basicConstraints=CA:FALSE subjectAltName=DNS:sink.test,IP:127.0.0.1 extendedKeyUsage=serverAuth >"$WORK/sink.ext"
    openssl req -new -newkey rsa:2048 -nodes -subj /CN=sink.test -keyout "$WORK/sink.key" -out "$WORK/sink.csr" 2>/dev/null
    openssl x509 -req -in "$WORK/sink.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca-key.pem" -CAcreateserial -days 30 \
        -extfile "$WORK/sink.ext" -out "$WORK/sink.pem" 2>/dev/null
    python3 scripts/lib/https_sink.py "$WORK/sink.pem" "$WORK/sink.key" "$WORK/counts" >"$WORK/sink.ports" &
    SINK_PID=$!
    wait_until 20 test -s "$WORK/sink.ports" || die "the sink did not start"
    read -r SINK_TLS SINK_PLAIN <"$WORK/sink.ports"
}

# cell NAME BROKER URL [TOPIC]: an empty root with the binary, a configuration, the CA and a folder for the state. Sets CELL.
cell() {
    local name=$1 broker=$2 url=$3 topic=${4:-event} tls=''
    CELL=$WORK/$name
    mkdir -p "$CELL/state"
    cp "dist/barnabas-$NATIVE" "$CELL/barnabas"
    cp "$KAFKA_DIR/tls/ca.pem" "$CELL/ca.pem"
    [ "$broker" = "$BROKER_PLAIN" ] || tls='tls = { ca_file = "/ca.pem" }'
    cat >"$CELL/barnabas.toml" <<EOF2
[kafka]
bootstrap_servers = ["$broker"]
$tls
[state]
dir = "/state"
[[forward]]
name = "$name"
topics = ["$topic"]
start = "earliest"
[forward.webhook]
url = "$url/$name"
$(case "$url" in https:*) echo 'tls = { ca_file = "/ca.pem" }' ;; esac)
[forward.retry]
max = "2s"
EOF2
    chown -R "$NOBODY:$NOBODY" "$CELL/state"
    chmod 0700 "$CELL/state"
}

RUN=(/barnabas run --config /barnabas.toml)
AS_NOBODY=(--userspec "$NOBODY:$NOBODY")

# forwards COUNT COMMAND…: starts the daemon of CELL, waits until exactly COUNT events came, and ends it with SIGTERM.
forwards() {
    start_daemon "${@:2}"
    await_events "$1"
    stop_daemon
}

start_daemon() {
    "$@" >"$CELL.log" 2>&1 &
    CELL_PID=$!
    # The subshell of `prove` ends without the trap of the script.
    trap '[ -z "$CELL_PID" ] || kill -KILL "$CELL_PID" 2>/dev/null' EXIT
}

counted() { stat -c %s "$WORK/counts/${CELL##*/}" 2>/dev/null || echo 0; }

await_events() {
    wait_until "$LIMIT" reached "$1" || why "$(counted) of $1 events came within $LIMIT s"
    [ "$(counted)" = "$1" ] || why "$(counted) events came instead of $1"
}

reached() { [ "$(counted)" -ge "$1" ]; }

stop_daemon() {
    local status=0
    kill -TERM "$CELL_PID"
    wait "$CELL_PID" || status=$?
    CELL_PID=''
    [ "$status" = 0 ] || why "it ended with exit status $status"
}

# why TEXT…: fails, with the log.
why() {
    [ ! -f "$CELL.log" ] || tail -n 20 "$CELL.log" >&2
    die "$*"
}

in_empty_chroot() {
    cell address "$BROKER_TLS" "https://127.0.0.1:$SINK_TLS"
    forwards "$EVENTS" chroot "${AS_NOBODY[@]}" "$CELL" "${RUN[@]}"
}

by_name() {
    cell name "localhost:${BROKER_TLS##*:}" "https://sink.test:$SINK_TLS"
    mkdir "$CELL/etc"
    printf '127.0.0.1 localhost sink.test\n' >"$CELL/etc/hosts"
    forwards "$EVENTS" chroot "${AS_NOBODY[@]}" "$CELL" "${RUN[@]}"
}

read_only_root() {
    cell readonly "$BROKER_TLS" "https://127.0.0.1:$SINK_TLS"
    unshare --mount true 2>/dev/null || impossible "mount namespaces are not allowed"
    # shellcheck disable=SC2016 # expanded by the inner shell
    forwards "$EVENTS" unshare --mount bash -ec '
        mount --bind "$1" "$1" && mount --bind "$1/state" "$1/state"
        mount -o remount,bind,ro "$1"
        ! touch "$1/written" 2>/dev/null
        exec chroot --userspec "$2" "${@:3:1}" "${@:4}"' - "$CELL" "$NOBODY:$NOBODY" "$CELL" "${RUN[@]}"
    [ -z "$(find "$CELL" -newer "$CELL/barnabas.toml" -type f -not -path "$CELL/state/*")" ] || why "it wrote outside of state.dir"
}

as_nobody() {
    cell nobody "$BROKER_TLS" "https://127.0.0.1:$SINK_TLS"
    sed -i -e "s|\"/ca.pem\"|\"$CELL/ca.pem\"|" -e "s|\"/state\"|\"$CELL/state\"|" "$CELL/barnabas.toml"
    forwards "$EVENTS" setpriv --reuid "$NOBODY" --regid "$NOBODY" --clear-groups --bounding-set=-all --inh-caps=-all \
        --no-new-privs "$CELL/barnabas" run --config "$CELL/barnabas.toml"
}

in_64_megabytes() {
    cell memory "$BROKER_TLS" "https://127.0.0.1:$SINK_TLS" large
    local enter
    if [ -w /sys/fs/cgroup/memory/cgroup.procs ]; then
        CGROUP=/sys/fs/cgroup/memory/barnabas-prove-$$
        mkdir "$CGROUP" 2>/dev/null || impossible "no cgroup can be made"
        echo 64M >"$CGROUP/memory.limit_in_bytes"
        # Where swap is accounted, it counts too.
        echo 64M >"$CGROUP/memory.memsw.limit_in_bytes" 2>/dev/null || true
    elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
        CGROUP=/sys/fs/cgroup/barnabas-prove-$$
        mkdir "$CGROUP" 2>/dev/null || impossible "no cgroup can be made"
        echo 64M >"$CGROUP/memory.max"
        echo 0 >"$CGROUP/memory.swap.max" 2>/dev/null || true
    else
        impossible "this machine has no memory cgroups"
    fi
    trap 'stop_cgroup' EXIT
    enter=$CGROUP/cgroup.procs
    # shellcheck disable=SC2016 # expanded by the inner shell
    LIMIT=180 forwards_in_cgroup "$LARGE" bash -ec 'echo $$ >"$1"; exec "${@:2}"' - "$enter" \
        chroot "${AS_NOBODY[@]}" "$CELL" "${RUN[@]}"
}

forwards_in_cgroup() {
    "${@:2}" >"$CELL.log" 2>&1 &
    CELL_PID=$!
    await_events "$1"
    # The cgroup also counts what the kernel keeps of the files that were read and written.
    awk '/^VmHWM/ { printf " (peak resident %.1f MB)", $2 * 1024 / 1e6 }' "/proc/$CELL_PID/status" >"$WORK/figure"
    stop_daemon
}

stop_cgroup() {
    [ -z "$CELL_PID" ] || kill -KILL "$CELL_PID" 2>/dev/null
    [ -z "$CELL_PID" ] || wait "$CELL_PID" 2>/dev/null
    rmdir "$CGROUP" 2>/dev/null || true
}

without_clock() {
    cell clock "$BROKER_PLAIN" "http://127.0.0.1:$SINK_PLAIN"
    touch "$WORK/1970"
    forwards "$EVENTS" "$WORK/confine" --clock-1970-while "$WORK/1970" chroot "${AS_NOBODY[@]}" "$CELL" "${RUN[@]}"
    grep -q '^1970-' "$CELL.log" || why "its log does not say 1970"
}

until_clock_is_set() {
    cell clocktls "$BROKER_TLS" "https://127.0.0.1:$SINK_TLS"
    touch "$WORK/1970"
    # confine looks for the file from the outside of the chroot.
    start_daemon "$WORK/confine" --clock-1970-while "$WORK/1970" chroot "${AS_NOBODY[@]}" "$CELL" "${RUN[@]}"
    wait_until 20 grep -qi 'certificate' "$CELL.log" || why "it does not say that no certificate is valid yet"
    [ "$(counted)" = 0 ] || why "it trusted a certificate that is not valid yet"
    rm "$WORK/1970"
    await_events "$EVENTS"
    stop_daemon
}

with_old_calls() {
    cell "calls-$1" "$BROKER_TLS" "https://127.0.0.1:$SINK_TLS"
    # Where there is no getrandom, random numbers are read from the one, after the other was asked whether it is ready.
    mkdir "$CELL/dev"
    mknod -m 0444 "$CELL/dev/random" c 1 8 2>/dev/null || impossible "no device files can be made for the chroot"
    mknod -m 0444 "$CELL/dev/urandom" c 1 9
    forwards "$EVENTS" "$WORK/confine" --calls-below "$CALLS_OF_3_2" --error "$1" chroot "${AS_NOBODY[@]}" "$CELL" "${RUN[@]}"
}

main "$@"
