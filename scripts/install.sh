#!/bin/sh
# Installs barnabas from a binary that is here: program, user, directories, a first configuration and the service of this
# machine's init system. Uses no network. A POSIX shell is enough (Alpine, BusyBox).
#
# usage: scripts/install.sh install|upgrade|uninstall [--binary FILE] [--root DIR] [--no-start] [--purge]
#
#   install     refuses where barnabas is installed already. An existing configuration is kept. The service is enabled;
#               it is started once the configuration has something to do (`systemctl start barnabas`)
#   upgrade     keeps the old binary as barnabas.previous and a copy of the state. Taken back, and the old service
#               started again, when the new binary's `check` refuses the configuration or the service does not start
#   uninstall   removes all but configuration, state and user; with --purge those, too
#   --binary    default: ../dist/barnabas-TARGET for this machine, else `barnabas` beside this script
#   --root      install below DIR, for an image or a test: no user is made, no service started or stopped
#   --no-start  leave the service as it is
#
# Exit status: 0 done; 1 it failed, and things are as they were; 2 bad usage.

set -eu

HERE=$(cd "$(dirname "$0")" && pwd)
ROOT='' BINARY='' START=yes PURGE=''
NAME=barnabas
ACCOUNT=barnabas
START_LIMIT=30 # seconds until the service must answer

main() {
    command=${1:-}
    case "$command" in
        install | upgrade | uninstall) shift ;;
        -h | --help) sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0" && exit 0 ;;
        *) usage "unknown command '$command'" ;;
    esac
    while [ $# -gt 0 ]; do
        case "$1" in
            --binary) [ $# -gt 1 ] || usage "--binary needs a value" && BINARY=$2 && shift ;;
            --root) [ $# -gt 1 ] || usage "--root needs a value" && ROOT=${2%/} && shift ;;
            --no-start) START='' ;;
            --purge) PURGE=yes ;;
            *) usage "unknown argument '$1'" ;;
        esac
        shift
    done
    PROGRAM=$ROOT/usr/bin/$NAME
    ETC=$ROOT/etc/$NAME
    CONFIG=$ETC/$NAME.toml
    if [ -n "$ROOT" ]; then
        START=''
    else
        [ "$(id -u)" = 0 ] || fail "only root can do that"
    fi
    "$command"
}

say() { printf '%s\n' "$*"; }
fail() { printf 'install.sh: %s\n' "$*" >&2 && exit 1; }
usage() { printf 'install.sh: %s (see %s --help)\n' "$*" "$0" >&2 && exit 2; }

# --- install ---

install() {
    [ ! -e "$PROGRAM" ] || fail "$PROGRAM is there already: use upgrade"
    find_binary
    if [ -z "$ROOT" ]; then make_account; fi
    mkdir -p "$ROOT/usr/bin" "$ETC" "$ROOT/var/lib/$NAME"
    copy "$BINARY" "$PROGRAM" 0755
    chmod 0750 "$ETC"
    chmod 0700 "$ROOT/var/lib/$NAME"
    if [ ! -e "$CONFIG" ]; then copy "$(material barnabas.toml)" "$CONFIG" 0640; fi
    if [ -z "$ROOT" ]; then
        chown root:$ACCOUNT "$ETC" "$CONFIG"
        chown $ACCOUNT:$ACCOUNT "/var/lib/$NAME"
    fi
    service_install
    say "installed $("$PROGRAM" --version 2>/dev/null || say "$NAME")"
    say "next: edit $CONFIG, then barnabas check, then start the service"
}

# find_binary: sets BINARY, and refuses one that does not run here.
find_binary() {
    if [ -z "$BINARY" ]; then
        case "$(uname -m)" in
            x86_64) target=x86_64-unknown-linux-musl ;;
            aarch64) target=aarch64-unknown-linux-musl ;;
            armv7*) target=armv7-unknown-linux-musleabihf ;;
            armv6*) target=arm-unknown-linux-musleabihf ;;
            i?86) target=i686-unknown-linux-musl ;;
            *) target=unknown ;;
        esac
        for BINARY in "$HERE/../dist/barnabas-$target" "$HERE/barnabas-$target" "$HERE/barnabas"; do
            if [ -f "$BINARY" ]; then break; fi
        done
    fi
    [ -f "$BINARY" ] || fail "$BINARY is not there: say --binary FILE"
    # Without the x bit, as after a download, a copy of it is tried.
    trial=$(mktemp "${TMPDIR:-/tmp}/barnabas.XXXXXX")
    cp "$BINARY" "$trial" && chmod 0755 "$trial"
    if ! "$trial" --version >/dev/null 2>&1; then
        rm -f "$trial"
        fail "$BINARY does not run on this machine ($(uname -m))"
    fi
    rm -f "$trial"
}

make_account() {
    if id $ACCOUNT >/dev/null 2>&1; then return; fi
    if command -v useradd >/dev/null; then
        shell=/usr/sbin/nologin
        [ -e $shell ] || shell=/sbin/nologin
        useradd --system --user-group --home-dir "/var/lib/$NAME" --no-create-home --shell $shell $ACCOUNT
    else
        # BusyBox
        addgroup -S $ACCOUNT && adduser -S -D -H -h "/var/lib/$NAME" -s /sbin/nologin -G $ACCOUNT $ACCOUNT
    fi
}

# copy FROM TO MODE: beside it and then moved, so that it is there as a whole or not at all, also while it runs.
copy() {
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    mv -f "$2.new" "$2"
}

# material FILE: of packaging/, in the repository or beside this script.
material() {
    for place in "$HERE/../packaging" "$HERE/packaging" "$HERE"; do
        if [ -f "$place/$1" ]; then say "$place/$1" && return; fi
    done
    fail "packaging/$1 is missing"
}

# --- the service ---

# init_system: systemd, openrc, sysv or none. Below --root there is none that runs: systemd's unit is put there.
init_system() {
    if [ -n "$ROOT" ]; then
        say systemd
    elif [ -d /run/systemd/system ]; then
        say systemd
    elif command -v openrc-run >/dev/null 2>&1 || [ -x /sbin/openrc-run ]; then
        say openrc
    elif [ -d /etc/init.d ]; then
        say sysv
    else
        say none
    fi
}

# 247 brought LoadCredential= and ProtectProc=.
unit_file() {
    version=$(systemctl --version 2>/dev/null | sed -n 's/^systemd \([0-9]*\).*/\1/p')
    if [ "${version:-999}" -ge 247 ]; then material systemd/barnabas.service; else material systemd/barnabas-219.service; fi
}

service_install() {
    case "$(init_system)" in
        systemd)
            mkdir -p "$ROOT/etc/systemd/system"
            copy "$(unit_file)" "$ROOT/etc/systemd/system/$NAME.service" 0644
            if [ -z "$ROOT" ]; then
                systemctl daemon-reload
                systemctl enable $NAME >/dev/null 2>&1 || say "systemctl enable $NAME failed"
            fi
            ;;
        openrc)
            copy "$(material openrc/barnabas)" /etc/init.d/$NAME 0755
            rc-update add $NAME default >/dev/null
            ;;
        sysv)
            copy "$(material sysv/barnabas)" /etc/init.d/$NAME 0755
            if command -v update-rc.d >/dev/null; then
                update-rc.d $NAME defaults >/dev/null
            elif command -v chkconfig >/dev/null; then
                chkconfig --add $NAME
            fi
            ;;
        none) say "no init system that is known: start $NAME run --config $CONFIG as user $ACCOUNT" ;;
    esac
}

service_runs() {
    case "$(init_system)" in
        systemd) systemctl is-active --quiet $NAME ;;
        openrc) rc-service $NAME status >/dev/null 2>&1 ;;
        sysv) /etc/init.d/$NAME status >/dev/null 2>&1 ;;
        none) false ;;
    esac
}

# service start|stop
service() {
    case "$(init_system)" in
        systemd) systemctl "$1" $NAME ;;
        openrc) rc-service $NAME "$1" ;;
        sysv) "/etc/init.d/$NAME" "$1" ;;
    esac
}

# service_answers: it runs and answers on its control socket, within START_LIMIT.
service_answers() {
    waited=0
    until "$PROGRAM" status --config "$CONFIG" >/dev/null 2>&1; do
        if [ $waited -ge $START_LIMIT ]; then return 1; fi
        waited=$((waited + 1))
        sleep 1
    done
}

# --- upgrade ---

upgrade() {
    [ -x "$PROGRAM" ] || fail "$PROGRAM is not there: use install"
    find_binary
    # The new one decides about the configuration before anything is changed.
    cp "$BINARY" "$PROGRAM.new"
    chmod 0755 "$PROGRAM.new"
    if [ -e "$CONFIG" ] && ! "$PROGRAM.new" check --config "$CONFIG" >"$PROGRAM.check" 2>&1; then
        cat "$PROGRAM.check" >&2
        rm -f "$PROGRAM.new" "$PROGRAM.check"
        fail "the new binary refuses $CONFIG; nothing was changed"
    fi
    rm -f "$PROGRAM.check"
    was_running=''
    if [ -n "$START" ] && service_runs; then was_running=yes; fi
    if [ -n "$was_running" ]; then service stop; fi
    keep_state
    cp -p "$PROGRAM" "$PROGRAM.previous"
    mv -f "$PROGRAM.new" "$PROGRAM"
    if [ -n "$was_running" ]; then
        if ! service start || ! service_answers; then take_back; fi
    fi
    say "upgraded to $("$PROGRAM" --version); the old binary is $PROGRAM.previous"
}

# A state that a new version has written may be refused by the old one, so a copy of it is kept while nothing runs.
keep_state() {
    state=$ROOT$(state_folder)
    [ -d "$state" ] && [ -n "$was_running" ] || return 0
    rm -rf "$state.previous"
    if ! cp -a "$state" "$state.previous"; then
        rm -rf "$state.previous" "$PROGRAM.new"
        service start || true
        fail "no room for a copy of $state; nothing was changed"
    fi
}

# state_folder: [state] dir of the configuration.
state_folder() {
    found=$(sed -n '/^\[state\]/,/^\[/s/^dir *= *"\(.*\)".*/\1/p' "$CONFIG" 2>/dev/null | head -n 1)
    say "${found:-/var/lib/$NAME}"
}

take_back() {
    service stop || true
    mv -f "$PROGRAM.previous" "$PROGRAM"
    state=$(state_folder)
    if [ -d "$state.previous" ]; then
        rm -rf "$state"
        mv "$state.previous" "$state"
    fi
    service start || fail "the new binary did not start, and the old one does not either: see its log"
    fail "the new binary did not start; the old one runs again"
}

# --- uninstall ---

uninstall() {
    if [ -n "$START" ] && service_runs; then service stop; fi
    state=$ROOT$(state_folder)
    if [ -z "$ROOT" ]; then
        case "$(init_system)" in
            systemd) systemctl disable $NAME >/dev/null 2>&1 || true ;;
            openrc) rc-update del $NAME default >/dev/null 2>&1 || true ;;
            sysv)
                if command -v update-rc.d >/dev/null; then update-rc.d -f $NAME remove >/dev/null; fi
                if command -v chkconfig >/dev/null; then chkconfig --del $NAME; fi
                ;;
        esac
        rm -f /etc/init.d/$NAME
    fi
    rm -f "$PROGRAM" "$PROGRAM.previous" "$ROOT/etc/systemd/system/$NAME.service"
    if [ -z "$ROOT" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
    if [ -z "$PURGE" ]; then
        say "uninstalled; kept: $ETC, $state and the user $ACCOUNT (--purge removes them)"
        return
    fi
    # Only what is surely ours: a folder that holds the state's files, or none.
    if [ -e "$state/offsets.redb" ] || [ -z "$(ls -A "$state" 2>/dev/null)" ]; then rm -rf "$state" "$state.previous"; fi
    rm -rf "$ETC"
    if [ -z "$ROOT" ]; then userdel $ACCOUNT 2>/dev/null || deluser $ACCOUNT 2>/dev/null || true; fi
    say "uninstalled"
}

main "$@"
