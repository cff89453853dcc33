# shellcheck shell=bash
# The targets of the static binaries and what is particular to each. To be sourced after common.sh; defines functions and
# the list STATIC_TARGETS only.

# shellcheck disable=SC2034 # read by the scripts that source this
STATIC_TARGETS=(
    x86_64-unknown-linux-musl
    aarch64-unknown-linux-musl
    armv7-unknown-linux-musleabihf
    i686-unknown-linux-musl
    arm-unknown-linux-musleabihf
)

# musl_triple TARGET: the name that clang and Debian's musl-dev know it by, which is also the folder below usr/lib.
musl_triple() {
    case "$1" in
        x86_64-*) echo x86_64-linux-musl ;;
        aarch64-*) echo aarch64-linux-musl ;;
        armv7-* | arm-*) echo arm-linux-musleabihf ;;
        i686-*) echo i386-linux-musl ;;
        *) die "unknown target $1" ;;
    esac
}

# clang_cpu TARGET: what clang must be told besides, so that C code runs on every processor that Rust's target promises.
clang_cpu() {
    case "$1" in
        i686-*) echo "-march=pentium4" ;;
        armv7-*) echo "-march=armv7-a -mfpu=vfpv3-d16 -mfloat-abi=hard" ;;
        arm-*) echo "-march=armv6 -mfpu=vfp -mfloat-abi=hard -marm" ;;
    esac
}

# debian_architecture TARGET
debian_architecture() {
    case "$1" in
        x86_64-*) echo amd64 ;;
        aarch64-*) echo arm64 ;;
        # Debian's armhf is ARMv7. For ARMv6 the package is named so all the same: on Raspbian that is what it is.
        armv7-* | arm-*) echo armhf ;;
        i686-*) echo i386 ;;
    esac
}

# qemu_processor TARGET: the oldest processor that the target promises to run on, as qemu-user names it; nothing: any.
qemu_processor() {
    case "$1" in
        x86_64-*) echo qemu64 ;;
        aarch64-*) echo cortex-a53 ;;
        armv7-*) echo cortex-a8 ;;
        arm-*) echo arm1176 ;;
        i686-*) echo pentium3 ;;
    esac
}

# qemu_program TARGET
qemu_program() {
    case "$1" in
        x86_64-*) echo qemu-x86_64-static ;;
        aarch64-*) echo qemu-aarch64-static ;;
        armv7-* | arm-*) echo qemu-arm-static ;;
        i686-*) echo qemu-i386-static ;;
    esac
}

# elf_facts FILE: "static" or what makes it not so. Reads the program headers with readelf.
elf_facts() {
    local headers
    headers=$(readelf --program-headers --wide "$1") || return 1
    if grep -q INTERP <<<"$headers"; then
        echo "has an interpreter"
    elif grep -q DYNAMIC <<<"$headers"; then
        echo "has a dynamic section"
    else
        echo static
    fi
}
