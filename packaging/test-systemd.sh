#!/usr/bin/env bash
# Boots a small virtual machine whose process 1 is this machine's systemd, and tries packages, units and install.sh there.
#
# usage: packaging/test-systemd.sh [--log FILE]
#
#   --log FILE   the machine's console; default: target/packages/systemd/console.log
#
# The machine is made of files of this one (Debian's systemd and what it needs), the .deb and the static binary in dist/;
# its kernel is Debian's for clouds, fetched with apt-get, or the one that KERNEL names. It has no disk and no network.
# The processor is emulated, since KVM within a virtual machine is too often half of one: it takes some minutes. Exit
# status 77: this machine cannot do that, and the reason.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"

BINARY=$ROOT/dist/barnabas-x86_64-unknown-linux-musl
WORK=${CARGO_TARGET_DIR:-$ROOT/target}/packages/systemd
LOG=$WORK/console.log
CANNOT=77
LIMIT=900 # seconds for everything within the machine
# What is in the machine, with everything these depend on.
CONTENT=(base-files base-passwd bash coreutils dash dbus diffutils dpkg findutils grep gzip hostname init-system-helpers
    kmod libc-bin login mount ncurses-base passwd procps sed systemd systemd-sysv tar util-linux)

main() {
    while (($#)); do
        case "$1" in
            --log) [ $# -gt 1 ] || usage_error "--log needs a value" && LOG=$2 && shift ;;
            -h | --help) print_header "$0" && exit 0 ;;
            *) usage_error "unknown argument '$1'" ;;
        esac
        shift
    done
    local program kernel
    [ "$(uname -m)" = x86_64 ] || cannot "this machine is no x86_64"
    for program in qemu-system-x86_64 cpio dpkg apt-cache; do
        command -v "$program" >/dev/null || cannot "$program is missing (Debian: apt-get install qemu-system-x86 cpio)"
    done
    dpkg --status systemd systemd-sysv dbus >/dev/null 2>&1 || cannot "systemd, systemd-sysv and dbus of Debian are not installed here"
    [ -x "$BINARY" ] || die "$BINARY is missing: scripts/build-static.sh"
    compgen -G "$ROOT/dist/barnabas_*_amd64.deb" >/dev/null || die "no .deb in dist/: packaging/build.sh"
    mkdir -p "$WORK"
    kernel=$(kernel)
    [ -r "$kernel" ] || cannot "there is no kernel to boot (set KERNEL)"
    make_root "$WORK/root"
    (cd "$WORK/root" && find . -print0 | cpio --quiet --null --create --format=newc) >"$WORK/initramfs"
    rm -rf "$WORK/root"
    boot "$kernel" "$WORK/initramfs"
}

# cannot REASON: nothing was tried.
cannot() {
    say "$1"
    exit $CANNOT
}

# kernel: the path of one. It needs no module: everything is in memory.
kernel() {
    if [ -n "${KERNEL:-}" ]; then echo "$KERNEL" && return; fi
    if [ ! -r "$WORK/vmlinuz" ]; then
        local package
        package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: //p' | head -n 1)
        [ -n "$package" ] || return 0
        (cd "$WORK" && apt-get -qq -o APT::Sandbox::User=root download "$package" >&2 && dpkg-deb --fsys-tarfile "$package"_*.deb |
            tar --extract --wildcards --strip-components 2 './boot/vmlinuz-*' && mv vmlinuz-* vmlinuz) || return 0
        rm -f "$WORK/$package"_*.deb
    fi
    echo "$WORK/vmlinuz"
}

# make_root FOLDER: the files of CONTENT without their documentation, and a first process.
make_root() {
    local root=$1 packages name
    rm -rf "$root"
    mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,proc,sys,dev,run,tmp,root,test,var/lib/dpkg/{info,updates}}
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$root/$name"; done
    packages=$(apt-cache --installed --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances depends "${CONTENT[@]}" | grep '^[a-z]' | sort -u)
    # Where dpkg says /bin, the file is below /usr/bin: the links above.
    # shellcheck disable=SC2086 # one argument a package
    { dpkg --listfiles $packages 2>/dev/null || true; } | sed -E 's#^/(bin|sbin|lib|lib64)/#/usr/\1/#' |
        grep -vE '^/[.]$|^[^/]|^/usr/share/(doc|man|locale|info|lintian|bug|zoneinfo)/|^/usr/lib/modules' | sort -u |
        while read -r name; do
            if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\0' "${name#/}"; fi
        done | tar --create --null --no-recursion --directory / --files-from - | tar --extract --directory "$root"
    # As dpkg knows it, so that the package finds what it depends on.
    # shellcheck disable=SC2086 # one argument a package
    { dpkg --status $packages 2>/dev/null || true; } >"$root/var/lib/dpkg/status"
    # shellcheck disable=SC2016,SC2086 # dpkg's own variable; as above
    { dpkg-query --show --showformat '${binary:Package}\n' $packages 2>/dev/null || true; } |
        while read -r name; do : >"$root/var/lib/dpkg/info/$name.list"; done
    cp /etc/{passwd,group,shadow,gshadow,nsswitch.conf,ld.so.conf} "$root/etc/"
    sed -i '/^barnabas:/d' "$root"/etc/{passwd,group,shadow,gshadow}
    cp -r /etc/ld.so.conf.d "$root/etc/"
    ldconfig -r "$root"
    rm -f "$root/etc/fstab" "$root/etc/machine-id"
    : >"$root/etc/machine-id"

    cp "$BINARY" "$root/test/barnabas"
    cp "$ROOT"/dist/barnabas_*_amd64.deb "$root/test/barnabas.deb"
    cp -r "$ROOT/packaging" "$root/test/packaging"
    mkdir "$root/test/scripts"
    cp -r "$ROOT/scripts/install.sh" "$ROOT/scripts/lib" "$root/test/scripts/"
    # What the machine does: it starts up, tries everything, and ends.
    cat >"$root/etc/systemd/system/test.service" <<'UNIT'
[Unit]
After=basic.target dbus.service
Wants=dbus.service
[Service]
Type=oneshot
# Not by StandardOutput=tty, which waits for udev.
ExecStart=/bin/bash -c 'exec /test/packaging/systemd/guest.sh >/dev/ttyS0 2>&1 </dev/null'
ExecStopPost=/bin/systemctl poweroff --force --force
UNIT
    # systemd makes namespaces, for which the root must be a file system of its own.
    cat >"$root/init" <<'INIT'
#!/bin/bash
mkdir /new
mount -t tmpfs -o mode=0755 tmpfs /new
for name in /*; do
    case $name in
        /new) ;;
        /proc | /sys | /dev) mkdir "/new$name" ;;
        *) cp -a "$name" /new/ ;;
    esac
done
# It deletes what is here.
exec switch_root /new /lib/systemd/systemd
INIT
    chmod 755 "$root/init"
}

# boot KERNEL INITRAMFS
boot() {
    rm -f "$LOG"
    say "booting; its console: $LOG"
    timeout --kill-after 10 "$LIMIT" qemu-system-x86_64 -accel tcg -m 1024 -smp 2 -kernel "$1" -initrd "$2" -nodefaults -no-reboot \
        -display none -serial "file:$LOG" -append "console=ttyS0 quiet panic=-1 systemd.show_status=no systemd.unit=test.service" </dev/null ||
        die "the machine did not end by itself within $LIMIT s: see $LOG"
    tr -d '\r' <"$LOG" | grep '^ok: ' | sed 's/^ok: /  /' >&2 || true
    if ! tr -d '\r' <"$LOG" | grep -q '^all passed$'; then
        tail -n 40 "$LOG" | tr -d '\r' >&2
        die "failed under systemd: see $LOG"
    fi
}

main "$@"
