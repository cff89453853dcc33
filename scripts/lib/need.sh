# shellcheck shell=bash
# Checks for the programs that the scripts call. On Debian and Ubuntu as root what is missing is installed, and said;
# elsewhere the script ends with what is missing and how to get it. To be sourced after common.sh.
#
#   need java maven rust rust_tools openssl smtp      any of them; rust_tools are rustfmt and clippy, smtp is what
#                                                     smtp_catcher.py runs on
#
# BARNABAS_NO_INSTALL=1 keeps it from installing anything.

NEED_JAVA=17     # what Kafka 4 asks for
NEED_RUST=1.95.0 # rust-version in Cargo.toml
APT_UPDATED=

# need THING…: returns when all of them are there, else ends the script.
need() {
    local thing
    for thing in "$@"; do
        "need_$thing"
    done
}

# version_at_least WANTED FOUND
version_at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

can_install() {
    [ -z "${BARNABAS_NO_INSTALL:-}" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# has_candidate PACKAGE: apt could install it.
has_candidate() { [ -n "$(candidate "$1")" ]; }

# candidate PACKAGE: the version that apt would install, or nothing.
candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^  Candidate: \(.*\)/\1/p' | grep -v '(none)' || true; }

apt_update() {
    [ -z "$APT_UPDATED" ] || return 0
    say "apt-get update"
    apt-get update -qq >&2 || say "apt-get update failed; going on with the lists that are here"
    APT_UPDATED=yes
}

# apt_install PACKAGE…: says what it does; ends the script when apt fails.
apt_install() {
    say "installing: $* (apt-get)"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2 ||
        die "apt-get could not install $*; install it by hand and start again"
}

# --- Java: a JDK, since the tests compile a small helper against the broker's own jars ---

java_major() { java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }

have_java() {
    command -v java >/dev/null && command -v javac >/dev/null && [ "$(java_major)" -ge "$NEED_JAVA" ] 2>/dev/null
}

need_java() {
    if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/javac" ]; then
        PATH="$JAVA_HOME/bin:$PATH"
    fi
    have_java && return 0
    if can_install; then
        apt_update
        local package
        # 17 first: old brokers (2.8 and before) do not start on the newest Java.
        for package in openjdk-17-jdk-headless openjdk-21-jdk-headless default-jdk-headless; do
            if has_candidate "$package"; then
                apt_install "$package"
                break
            fi
        done
        hash -r
        use_installed_jdk
        have_java && return 0
    fi
    die "no JDK $NEED_JAVA or newer (java and javac). Debian/Ubuntu: apt-get install openjdk-17-jdk-headless;" \
        "Fedora: dnf install java-17-openjdk-devel; macOS: brew install openjdk@17. Or set JAVA_HOME."
}

# An older Java may still be the system's default after the install: take the new one by its folder.
use_installed_jdk() {
    have_java && return 0
    local home
    for home in /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/java-21-openjdk-* /usr/lib/jvm/default-java; do
        if [ -x "$home/bin/javac" ]; then
            export JAVA_HOME="$home" PATH="$home/bin:$PATH"
            return 0
        fi
    done
}

# --- Maven: fetches the brokers' jars ---

need_maven() {
    command -v mvn >/dev/null && return 0
    if can_install; then
        apt_update
        apt_install maven
        hash -r
        command -v mvn >/dev/null && return 0
    fi
    die "no Maven (mvn), which fetches Kafka. Debian/Ubuntu: apt-get install maven; macOS: brew install maven."
}

# --- OpenSSL's command: makes the certificates of a TLS cluster ---

need_openssl() {
    command -v openssl >/dev/null && return 0
    if can_install; then
        apt_update
        apt_install openssl
        hash -r
        command -v openssl >/dev/null && return 0
    fi
    die "no openssl command, which makes the test certificates. Debian/Ubuntu: apt-get install openssl."
}

# --- aiosmtpd: the mail server of the tests (smtp_catcher.py) ---

have_smtp() {
    local python
    for python in python3 /usr/bin/python3; do
        "$python" -c 'import aiosmtpd' 2>/dev/null && return 0
    done
    return 1
}

need_smtp() {
    have_smtp && return 0
    if can_install; then
        apt_update
        apt_install python3-aiosmtpd
        hash -r
        have_smtp && return 0
    fi
    die "no Python with aiosmtpd, the mail server of the tests. Debian/Ubuntu: apt-get install python3-aiosmtpd;" \
        "elsewhere: pip install aiosmtpd."
}

# --- Rust, and the C compiler that ring and mimalloc need ---

rust_version() { rustc --version 2>/dev/null | sed -n 's/^rustc \([0-9.]*\).*/\1/p'; }

have_rust() {
    command -v cargo >/dev/null && command -v rustc >/dev/null && version_at_least "$NEED_RUST" "$(rust_version)"
}

need_rust() {
    need_c_compiler
    # rustup puts its programs there; a shell that was open before does not know yet.
    [ ! -d "${CARGO_HOME:-$HOME/.cargo}/bin" ] || PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    have_rust && return 0
    rust_by_rustup && have_rust && return 0
    if can_install; then
        apt_update
        rust_by_apt && have_rust && return 0
    fi
    die "no Rust $NEED_RUST or newer (found: $(rust_version | grep . || echo none))." \
        "Install it with rustup (https://rustup.rs), or a package of that version."
}

need_c_compiler() {
    command -v cc >/dev/null && return 0
    if can_install; then
        apt_update
        apt_install gcc libc6-dev
        hash -r
        command -v cc >/dev/null && return 0
    fi
    die "no C compiler (cc), which two of the libraries need. Debian/Ubuntu: apt-get install gcc libc6-dev."
}

# A rustup that is here already: use a toolchain that it has, else let it fetch one.
rust_by_rustup() {
    command -v rustup >/dev/null || return 1
    local toolchain
    for toolchain in "${NEED_RUST}" stable; do
        if RUSTUP_TOOLCHAIN="$toolchain" RUSTUP_AUTO_INSTALL=0 have_rust; then
            export RUSTUP_TOOLCHAIN="$toolchain"
            return 0
        fi
    done
    say "installing: Rust $NEED_RUST (rustup)"
    rustup toolchain install "$NEED_RUST" --profile minimal -c clippy -c rustfmt >&2 || return 1
    export RUSTUP_TOOLCHAIN="$NEED_RUST"
}

# Distributions carry a recent compiler under different names: rustup (Debian 13, Ubuntu 24.04), rustc-web (Debian's
# updates for browsers), rustc-1.NN (Ubuntu), rustc.
rust_by_apt() {
    if version_at_least "$NEED_RUST" "$(candidate rustc-web)"; then
        local extra=()
        ! has_candidate rustfmt-web || extra+=(rustfmt-web)
        ! has_candidate rust-web-clippy || extra+=(rust-web-clippy)
        apt_install rustc-web cargo-web "${extra[@]}"
        hash -r
        have_rust && return 0
    fi
    if version_at_least "$NEED_RUST" "$(candidate rustc)"; then
        apt_install rustc cargo
        hash -r
        have_rust && return 0
    fi
    local numbered
    numbered=$(apt-cache search --names-only '^rustc-1\.[0-9]+$' | sed 's/ .*//' | sort -V | tail -n 1)
    if [ -n "$numbered" ] && version_at_least "$NEED_RUST" "${numbered#rustc-}.0"; then
        apt_install "$numbered" "cargo-${numbered#rustc-}"
        PATH="/usr/lib/rust-${numbered#rustc-}/bin:$PATH"
        have_rust && return 0
    fi
    if has_candidate rustup; then
        apt_install rustup
        hash -r
        rust_by_rustup && return 0
    fi
    return 1
}

# rustfmt and clippy: with the compiler, or packages of their own.
need_rust_tools() {
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
    if command -v rustup >/dev/null && [ -z "${BARNABAS_NO_INSTALL:-}" ]; then
        say "installing: rustfmt and clippy (rustup)"
        rustup component add rustfmt clippy >&2 || true
    elif can_install; then
        apt_update
        # Of the same source as the compiler, or they would be too old for the code.
        if version_at_least "$NEED_RUST" "$(candidate rustc-web)"; then
            apt_install rustfmt-web rust-web-clippy
        else
            apt_install rustfmt rust-clippy
        fi
        hash -r
    fi
    cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return 0
    die "no rustfmt or clippy (cargo fmt, cargo clippy). rustup component add rustfmt clippy."
}
