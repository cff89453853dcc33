#!/usr/bin/env bash
# What packaging/test-systemd.sh runs within its virtual machine, as a service of systemd: package, units and install.sh,
# for real. Prints "ok: …" for each part and "all passed" at the end; anything else is a failure, with the journal.

set -euo pipefail

HERE=/test
# shellcheck source=scripts/lib/common.sh
. "$HERE/scripts/lib/common.sh"

CONFIG=/etc/barnabas/barnabas.toml
SOON=10 # seconds for what should take less than one
TRACE=/tmp/trace

main() {
    exec 3>&1
    exec >"$TRACE" 2>&1
    set -x
    trap 'failed $?' EXIT
    say "systemd $(systemctl --version | head -n 1)"
    old_unit
    installer
    package_installs
    unit_runs
    unit_is_confined
    unit_is_watched
    package_upgrades
    package_goes
    trap - EXIT
    echo "all passed" >&3
}

ok() { echo "ok: $*" >&3; }

failed() {
    trap - EXIT
    set +x
    {
        echo "failed, status $1"
        tail -n 30 "$TRACE"
        systemctl status --no-pager barnabas
        journalctl --no-pager --lines 30 --unit barnabas
    } >&3 2>&1
    exit 1
}

# property NAME: of the unit.
property() { systemctl show --property "$1" --value barnabas; }
process() { property MainPID; }
# As root, which can read the secret of unit_runs, too.
answers() { barnabas status >/dev/null; }
logged() { journalctl --quiet --no-pager --unit barnabas --since "$1" | grep -q "$2"; }
# is_new PROCESS: another one runs, and systemd has heard that it has started.
is_new() { [ "$(process)" != "$1" ] && [ "$(process)" != 0 ] && systemctl is-active --quiet barnabas; }

package_installs() {
    dpkg --install $HERE/barnabas.deb
    systemctl is-enabled barnabas
    [ "$(systemctl is-active barnabas)" = inactive ]
    ok "the package enables the service and does not start it"
}

# Type=notify: `systemctl start` returns when the daemon has said that it is ready, so it answers at once.
unit_runs() {
    # A secret that only root can read, as docs/configuration.md has it, for a forward whose broker is not there.
    install -m 600 /dev/stdin /etc/barnabas/token <<<"a secret"
    mkdir -p /etc/systemd/system/barnabas.service.d
    printf '[Service]\nLoadCredential=token:/etc/barnabas/token\n' >/etc/systemd/system/barnabas.service.d/token.conf
    cat >>$CONFIG <<'TOML'
[[forward]]
name = "events"
topics = ["event"]
start = "latest"
[forward.webhook]
url = "http://127.0.0.1:9/"
headers = { Authorization = "Bearer ${file:token}" }
TOML
    systemctl daemon-reload
    systemctl start barnabas
    answers
    [ "$(property SubState)" = running ]
    [ "$(stat -c %U "/proc/$(process)")" = barnabas ]
    [ "$(stat -c '%U %a' /var/lib/barnabas)" = "barnabas 700" ]
    [ "$(stat -c '%U %a' /run/barnabas)" = "barnabas 750" ]
    ok "starts by Type=notify, as its user, with a secret from LoadCredential="

    local before since
    before=$(process)
    since=$(date '+%F %T')
    systemctl reload barnabas
    sed -i 's/^topics = .*/topics = 7/' $CONFIG
    systemctl reload barnabas
    wait_until $SOON logged "$since" "configuration was not changed"
    sed -i 's/^topics = .*/topics = ["event"]/' $CONFIG
    systemctl reload barnabas
    systemctl is-active barnabas
    [ "$(process)" = "$before" ]
    answers
    ok "reloads, also a configuration with a mistake, in the same process"

    systemctl restart barnabas
    is_new "$before"
    answers
    ok "restarts"

    local started=$SECONDS
    systemctl stop barnabas
    [ $((SECONDS - started)) -lt 30 ]
    [ "$(property Result)" = success ]
    [ "$(property ExecMainStatus)" = 0 ]
    [ ! -e /run/barnabas ]
    ok "SIGTERM ends it after $((SECONDS - started)) s, with status 0"
}

unit_is_confined() {
    systemctl start barnabas
    local status memory
    status=/proc/$(process)/status
    grep -q '^NoNewPrivs:.1$' "$status"
    grep -q '^CapEff:.0*$' "$status"
    grep -q '^CapBnd:.0*$' "$status"
    grep -q '^Seccomp:.2$' "$status"
    memory=/sys/fs/cgroup$(property ControlGroup)/memory.max
    [ "$(cat "$memory")" = $((128 * 1024 * 1024)) ]
    # Its view of the file system: read-only but for state, socket and temporary files.
    local place
    for place in /etc /usr /var /var/log /home; do
        if nsenter --target "$(process)" --mount touch "$place/witness"; then return 1; fi
    done
    for place in /var/lib/barnabas /run/barnabas /tmp; do
        nsenter --target "$(process)" --mount touch "$place/witness"
        nsenter --target "$(process)" --mount rm "$place/witness"
    done
    ok "no capability, no new privileges, 128 MiB, and only state, socket and /tmp can be written to"
}

unit_is_watched() {
    local before started
    before=$(process)
    kill -KILL "$before"
    wait_until $SOON is_new "$before"
    ok "killed, it is started again"

    before=$(process)
    started=$SECONDS
    kill -STOP "$before"
    # WatchdogSec=30s, and a second process.
    wait_until 60 is_new "$before"
    wait_until $SOON answers
    journalctl --quiet --no-pager --unit barnabas | grep -q 'Watchdog timeout'
    ok "hanging, it is killed by the watchdog and started again, after $((SECONDS - started)) s"
}

package_upgrades() {
    local before
    before=$(process)
    dpkg --install $HERE/barnabas.deb
    is_new "$before"
    answers
    before=$(process)
    sed -i 's/^topics = .*/topics = 7/' $CONFIG
    dpkg --install $HERE/barnabas.deb
    [ "$(process)" = "$before" ]
    systemctl is-active barnabas
    sed -i 's/^topics = .*/topics = ["event"]/' $CONFIG
    answers
    ok "an upgrade restarts it; where the configuration is refused the old process runs on"
}

package_goes() {
    dpkg --remove barnabas
    [ "$(systemctl is-active barnabas)" = inactive ]
    if pgrep -x barnabas; then return 1; fi
    dpkg --install $HERE/barnabas.deb
    systemctl is-enabled barnabas
    # Deleting the configuration is the administrator's right, too.
    mv $CONFIG /tmp/kept.toml
    dpkg --install $HERE/barnabas.deb
    rm -f /etc/barnabas/token
    dpkg --purge barnabas
    [ ! -e /etc/barnabas ] && [ ! -e /var/lib/barnabas ] && [ ! -e /usr/bin/barnabas ]
    [ ! -L /etc/systemd/system/multi-user.target.wants/barnabas.service ]
    rm -r /etc/systemd/system/barnabas.service.d
    systemctl daemon-reload
    ok "removed, it stops; installed again, it is enabled as before; purged, nothing is left"
}

# The package on a systemd that says that it is old: postinst writes the other unit, which this systemd understands, too.
old_unit() {
    mkdir -p /usr/local/bin
    # shellcheck disable=SC2016 # expanded by what is written
    printf '#!/bin/sh\n[ "$1" != --version ] || { echo "systemd 219" && exit 0; }\nexec /usr/bin/systemctl "$@"\n' >/usr/local/bin/systemctl
    chmod 755 /usr/local/bin/systemctl
    hash -r
    dpkg --install $HERE/barnabas.deb
    [ "$(property FragmentPath)" = /etc/systemd/system/barnabas.service ]
    systemctl is-enabled barnabas
    systemctl start barnabas
    answers
    [ "$(property ProtectSystem)" = full ]
    [ "$(stat -c '%U %a' /run/barnabas)" = "barnabas 750" ]
    systemctl reload barnabas
    local before
    before=$(process)
    kill -KILL "$before"
    wait_until $SOON is_new "$before"
    systemctl restart barnabas
    answers
    systemctl stop barnabas
    [ "$(property Result)" = success ]
    rm /usr/local/bin/systemctl
    hash -r
    dpkg --install $HERE/barnabas.deb
    [ "$(property FragmentPath)" = /usr/lib/systemd/system/barnabas.service ] ||
        [ "$(property FragmentPath)" = /lib/systemd/system/barnabas.service ]
    dpkg --purge barnabas
    ok "where systemd says that it is 219, the unit for it is taken, and runs; and goes when systemd is new"
}

installer() {
    local install=$HERE/scripts/install.sh before
    $install install --binary $HERE/barnabas
    systemctl is-enabled barnabas
    systemctl start barnabas
    answers
    before=$(process)
    # It takes the configuration and does not start.
    # shellcheck disable=SC2016 # as above
    printf '#!/bin/sh\ncase "$1" in --version) echo barnabas 9.9.9 ;; check) ;; *) exit 1 ;; esac\n' >/tmp/fake
    chmod 755 /tmp/fake
    if $install upgrade --binary /tmp/fake; then return 1; fi
    answers
    before=$(process)
    $install upgrade --binary $HERE/barnabas
    is_new "$before"
    $install uninstall --purge
    if systemctl is-active barnabas || pgrep -x barnabas; then return 1; fi
    if id barnabas; then return 1; fi
    ok "install.sh installs, takes a bad upgrade back, upgrades and uninstalls under systemd"
}

main "$@"
