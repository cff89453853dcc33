#!/usr/bin/env bash
# Tries the packaging: unit files, scripts/install.sh, OpenRC's script, and the packages in dist/ where there are any.
#
# usage: packaging/test.sh
#
# install.sh runs twice: below a folder, and for real in a copy-on-write view of this machine (overlayfs in a namespace of
# its own, by the SysV script), where it makes a user, starts the service, upgrades it, takes two bad upgrades back and
# uninstalls. So are the .deb and the .rpm installed, and OpenRC's script under Debian's OpenRC, which is fetched for it. The
# units run in a virtual machine: packaging/test-systemd.sh, which takes some minutes. Needs root and
# dist/barnabas-x86_64-unknown-linux-musl. What this machine cannot do is said, and is no failure.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"

BINARY=$ROOT/dist/barnabas-x86_64-unknown-linux-musl
EXPOSURE=20 # systemd-analyze's figure times ten; the unit has 1.2
WORK=''

main() {
    case "${1:-}" in
        '') ;;
        -h | --help) print_header "$0" && exit 0 ;;
        # Within the view.
        --inside)
            # Not in an && list, in which errors would be ignored.
            "inside_$2"
            exit 0
            ;;
        *) usage_error "unknown argument '$1'" ;;
    esac
    [ -x "$BINARY" ] || die "$BINARY is missing: scripts/build-static.sh"
    cd "$ROOT"
    WORK=$(mktemp -d /tmp/packaging.XXXXXX)
    trap 'rm -rf --one-file-system "$WORK"' EXIT
    below_a_folder
    units
    in_a_view installer "install.sh installs, upgrades, takes back, uninstalls"
    if compgen -G "dist/*_amd64.deb" >/dev/null; then in_a_view deb "the .deb installs, upgrades and is purged"; fi
    if compgen -G "dist/*.x86_64.rpm" >/dev/null; then in_a_view rpm "the .rpm installs and is removed"; fi
    open_rc
    local status=0
    if compgen -G "dist/*_amd64.deb" >/dev/null; then packaging/test-systemd.sh || status=$?; fi
    case $status in
        0) ;;
        77) say "not tried: packages and units under systemd" ;;
        *) exit "$status" ;;
    esac
    say "all passed"
}

below_a_folder() {
    local root=$WORK/root
    scripts/install.sh install --root "$root" --binary "$BINARY" >/dev/null
    "$root/usr/bin/barnabas" check --config "$root/etc/barnabas/barnabas.toml" >/dev/null || die "the first configuration is refused"
    [ "$(stat -c %a "$root/var/lib/barnabas")" = 700 ] || die "the state directory is open to others"
    if scripts/install.sh install --root "$root" --binary "$BINARY" 2>/dev/null; then die "a second install was not refused"; fi
    scripts/install.sh upgrade --root "$root" --binary "$BINARY" >/dev/null
    [ -x "$root/usr/bin/barnabas.previous" ] || die "the old binary was not kept"
    say "ok: install.sh below a folder"
    # For the units: they name the binary.
    cp -r "$root" "$WORK/units"
    scripts/install.sh uninstall --root "$root" --purge >/dev/null
    [ -z "$(find "$root" -name '*barnabas*')" ] || die "uninstall left $(find "$root" -name '*barnabas*')"
}

units() {
    command -v systemd-analyze >/dev/null || { say "not tried: the units, since systemd-analyze is missing" && return; }
    local unit found
    for unit in barnabas barnabas-219; do
        # What they refer to: the system's own units, and the binary.
        sed "s|/usr/bin/barnabas|$WORK/units/usr/bin/barnabas|" "packaging/systemd/$unit.service" >"$WORK/$unit.service"
        found=$(systemd-analyze verify --man=no "$WORK/$unit.service" 2>&1 | grep "$unit.service" || true)
        case "$unit" in
            # Its name for MemoryMax= is old; that is what it is for.
            barnabas-219) found=$(grep -v 'MemoryLimit=' <<<"$found" || true) ;;
        esac
        [ -z "$found" ] || die "systemd-analyze verify: $found"
    done
    systemd-analyze security --offline=true --threshold="$EXPOSURE" --no-pager "$WORK/barnabas.service" >"$WORK/security" ||
        die "$(tail -n 1 "$WORK/security")"
    say "ok: units; $(tail -n 1 "$WORK/security" | sed 's/^[^A-Za-z]*//; s/ [^ ]*$//')"
}

# Debian's OpenRC wants to be the init system, so its files are laid out in the view only.
open_rc() {
    local sentence="OpenRC starts, reloads, supervises and stops it" package
    mkdir -p "$WORK/openrc-packages"
    for package in libeinfo1 librc1 openrc; do
        if ! (cd "$WORK/openrc-packages" && apt-get -qq -o APT::Sandbox::User=root download "$package" >/dev/null 2>&1); then
            say "not tried: $sentence (apt-get does not get $package)"
            return
        fi
        dpkg-deb --extract "$WORK/openrc-packages/$package"_*.deb "$WORK/openrc-files"
    done
    in_a_view openrc "$sentence"
}

# in_a_view TEST SENTENCE: runs inside_TEST with / as it is, and every change thrown away at the end. Loopback is its own.
in_a_view() {
    local upper=$WORK/$1
    mkdir -p "$upper"
    if ! unshare --net --mount --pid --fork true 2>/dev/null; then
        say "not tried: $2 (namespaces are not allowed)"
        return
    fi
    # shellcheck disable=SC2016 # expanded by the inner shell
    unshare --net --mount --pid --fork --kill-child bash -ec '
        ip link set lo up
        mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" "$1/new"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/new"
        mount -t proc proc "$1/new/proc" && mount --rbind /dev "$1/new/dev"
        mount -t tmpfs tmpfs "$1/new/run" && mount -t tmpfs tmpfs "$1/new/tmp"
        if [ -d "$4" ]; then cp -r "$4" "$1/new/tmp/openrc"; fi
        exec chroot "$1/new" "$2" --inside "$3"' - "$upper" "$ROOT/packaging/test.sh" "$1" "$WORK/openrc-files" >"$upper.log" 2>&1 || {
        tail -n 30 "$upper.log" >&2
        die "failed: $2"
    }
    say "ok: $2"
}

# --- inside the view; errors end it with the line that failed ---

inside_installer() {
    set -x
    local install=$ROOT/scripts/install.sh sum
    "$install" install --binary "$BINARY"
    id barnabas
    [ "$(stat -c '%U %a' /var/lib/barnabas)" = "barnabas 700" ]
    [ "$(stat -c '%G %a' /etc/barnabas/barnabas.toml)" = "barnabas 640" ]
    /etc/init.d/barnabas start
    /etc/init.d/barnabas status
    [ "$(stat -c %U "/proc/$(cat /run/barnabas/barnabas.pid)")" = barnabas ]
    sum=$(sha256sum </usr/bin/barnabas)

    # The new binary refuses the configuration: nothing was changed, the old process runs on.
    fake_binary 'check) exit 2 ;;'
    local process
    process=$(cat /run/barnabas/barnabas.pid)
    if "$install" upgrade --binary /tmp/fake; then return 1; fi
    [ "$(sha256sum </usr/bin/barnabas)" = "$sum" ]
    kill -0 "$process"

    # It takes the configuration and does not start: the old one runs again, on the old state.
    fake_binary 'check) exit 0 ;;'
    echo "of the old one" >/var/lib/barnabas/witness
    if "$install" upgrade --binary /tmp/fake; then return 1; fi
    [ "$(sha256sum </usr/bin/barnabas)" = "$sum" ]
    [ -s /var/lib/barnabas/witness ]
    /etc/init.d/barnabas status

    # A good one.
    cp "$BINARY" /tmp/good
    printf '\0' >>/tmp/good
    "$install" upgrade --binary /tmp/good
    [ "$(sha256sum </usr/bin/barnabas)" = "$(sha256sum </tmp/good)" ]
    /etc/init.d/barnabas status
    rm /var/lib/barnabas/witness

    "$install" uninstall
    [ -e /etc/barnabas/barnabas.toml ] && [ ! -e /usr/bin/barnabas ] && [ ! -e /etc/init.d/barnabas ]
    "$install" install --binary "$BINARY"
    "$install" uninstall --purge
    [ ! -e /etc/barnabas ] && [ ! -e /var/lib/barnabas ]
    if id barnabas; then return 1; fi
}

# fake_binary CASE: a binary that knows --version, does what CASE says, and else fails.
fake_binary() {
    # shellcheck disable=SC2016 # expanded by the fake
    printf '#!/bin/sh\ncase "$1" in --version) echo barnabas 9.9.9 ;; %s *) exit 1 ;; esac\n' "$1" >/tmp/fake
    chmod +x /tmp/fake
}

inside_deb() {
    set -x
    local package
    package=$(echo "$ROOT"/dist/*_amd64.deb)
    dpkg -i "$package"
    id barnabas
    barnabas --version
    barnabas check
    [ "$(stat -c '%G %a' /etc/barnabas/barnabas.toml)" = "barnabas 640" ]
    # A configuration that was edited stays.
    echo "# mine" >>/etc/barnabas/barnabas.toml
    dpkg -i "$package"
    grep -q "# mine" /etc/barnabas/barnabas.toml
    # One that was deleted is not missed.
    mv /etc/barnabas/barnabas.toml /tmp/kept.toml
    dpkg -i "$package"
    mv /tmp/kept.toml /etc/barnabas/barnabas.toml
    dpkg --remove barnabas
    [ ! -e /usr/bin/barnabas ] && [ -e /etc/barnabas/barnabas.toml ] && [ -d /var/lib/barnabas ]
    dpkg --purge barnabas
    [ ! -e /etc/barnabas/barnabas.toml ] && [ ! -e /var/lib/barnabas ]
}

inside_rpm() {
    set -x
    local package
    package=$(echo "$ROOT"/dist/*.x86_64.rpm)
    command -v rpm || { say "not tried: rpm is missing" && return; }
    rpm --install --nodeps "$package"
    id barnabas
    barnabas check
    [ "$(stat -c '%G %a' /etc/barnabas/barnabas.toml)" = "barnabas 640" ]
    echo "# mine" >>/etc/barnabas/barnabas.toml
    rpm --upgrade --replacepkgs --nodeps "$package"
    grep -q "# mine" /etc/barnabas/barnabas.toml
    [ "$(stat -c '%G %a' /etc/barnabas/barnabas.toml)" = "barnabas 640" ]
    rpm --erase --nodeps barnabas
    [ ! -e /usr/bin/barnabas ] && [ -d /var/lib/barnabas ] && [ ! -e /usr/share/doc/barnabas ]
    # What was edited is kept, under another name.
    grep -q "# mine" /etc/barnabas/barnabas.toml.rpmsave
}

inside_openrc() {
    set -x
    local folder process
    # /bin, /sbin and /lib are links.
    for folder in bin sbin lib; do cp -a "/tmp/openrc/$folder/." "/usr/$folder/"; done
    cp -a /tmp/openrc/usr/. /usr/
    cp -a /tmp/openrc/etc/. /etc/
    ldconfig
    # What `openrc sysinit` makes.
    mkdir -p /run/openrc/{daemons,exclusive,failed,hotplugged,inactive,options,scheduled,started,starting,stopping,tmp,wasinactive}
    touch /run/openrc/softlevel
    "$ROOT/scripts/install.sh" install --binary "$BINARY"
    [ -L /etc/runlevels/default/barnabas ]
    # The view has a network; Debian's own services do not tell OpenRC so.
    printf '#!/sbin/openrc-run\ndepend() { provide net; }\nstart() { :; }\n' >/etc/init.d/view
    chmod 755 /etc/init.d/view
    touch /etc/insserv.conf
    rc-service barnabas start
    wait_until 10 barnabas status
    rc-service barnabas status
    process=$(pgrep -x barnabas)
    [ "$(stat -c %U "/proc/$process")" = barnabas ]
    [ "$(stat -c '%U %a' /var/log/barnabas.log)" = "barnabas 640" ]
    rc-service barnabas reload
    wait_until 10 grep "configuration was read again" /var/log/barnabas.log
    [ "$(pgrep -x barnabas)" = "$process" ]
    kill -KILL "$process"
    wait_until 10 barnabas status
    [ "$(pgrep -x barnabas)" != "$process" ]
    "$ROOT/scripts/install.sh" upgrade --binary "$BINARY"
    rc-service barnabas stop
    if pgrep -x barnabas; then return 1; fi
    "$ROOT/scripts/install.sh" uninstall --purge
    [ ! -e /etc/init.d/barnabas ] && [ ! -e /etc/runlevels/default/barnabas ]
}

main "$@"
