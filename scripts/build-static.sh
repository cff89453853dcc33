#!/usr/bin/env bash
# Builds static binaries into dist/ as barnabas-TARGET, with SHA256SUMS and a list of what is in them.
#
# usage: scripts/build-static.sh [--way rustup|cross|debian] [TARGET…|--all]
#
#   TARGET   x86_64-unknown-linux-musl (default), aarch64-unknown-linux-musl, armv7-unknown-linux-musleabihf,
#            i686-unknown-linux-musl, arm-unknown-linux-musleabihf; --all: all of them
#   --way    how; default: for each target the first that can be had, in this order
#     rustup   rustup's compiler and musl for that target, clang for the C code; the standard library is built from source
#              where rustup has it (rust-src), else taken as it comes, which makes a larger binary
#     cross    cross (cross.toml), which needs Docker or Podman
#     debian   Debian's packages alone: the standard library is built from source, too
#
# Says which way it took and why. Symbols stay in target/static*/TARGET/release/barnabas. The same commit is meant
# to give the same bytes in every folder, by the same way with the same compilers (docs/install.md). BARNABAS_JOBS=N: N compilers at once.
# The list (dist/barnabas.cdx.json, CycloneDX 1.5) is from `cargo metadata`: what the binary is made of, not what builds it.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"
# shellcheck source=scripts/lib/static_targets.sh
. "$ROOT/scripts/lib/static_targets.sh"
# shellcheck source=scripts/lib/static_debian.sh
. "$ROOT/scripts/lib/static_debian.sh"

DIST=$ROOT/dist
RUSTUP_LIMIT=120 # seconds that rustup may take to fetch a target
# Built for size, and without what prints backtraces. The compiler is a stable one: RUSTC_BOOTSTRAP=1 lets it do this.
BUILD_STD=("-Zbuild-std=std,panic_abort" -Zbuild-std-features=optimize_for_size)
WAY='' WHY=''
TARGETS=()

main() {
    local target
    parse "$@"
    cd "$ROOT"
    mkdir -p "$DIST"
    # The allocator's C code has a date in it. One that cargo does not know of is not built anew for the next commit: so always the same.
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_STRIP=none SOURCE_DATE_EPOCH=0
    [ -z "${BARNABAS_JOBS:-}" ] || export CARGO_BUILD_JOBS=$BARNABAS_JOBS
    # Before the flags are made: they name the folders that this makes.
    cargo fetch --quiet --locked
    for target in "${TARGETS[@]}"; do
        build "$target"
    done
    python3 "$ROOT/scripts/lib/sbom.py" "${TARGETS[@]}" >"$DIST/barnabas.cdx.json"
    (cd "$DIST" && sha256sum barnabas-*-musl* barnabas.cdx.json >SHA256SUMS)
    table
}

parse() {
    while (($#)); do
        case "$1" in
            --way) WAY=${2:?--way needs a value} && shift ;;
            --all) TARGETS=("${STATIC_TARGETS[@]}") ;;
            -h | --help) print_header "$0" && exit 0 ;;
            -*) usage_error "unknown argument '$1'" ;;
            *)
                printf '%s\n' "${STATIC_TARGETS[@]}" | grep -qx -- "$1" || usage_error "unknown target '$1'"
                TARGETS+=("$1")
                ;;
        esac
        shift
    done
    case "$WAY" in '' | rustup | cross | debian) ;; *) usage_error "unknown way '$WAY'" ;; esac
    [ ${#TARGETS[@]} -gt 0 ] || TARGETS=("${STATIC_TARGETS[0]}")
}

build() {
    local target=$1 way=$WAY
    if [ -n "$way" ]; then WHY="as asked"; else choose_way "$target"; fi
    say "$target: by way of $way ($WHY)"
    # Each in a shell of its own: what it exports ends with it.
    (build_by_"$way" "$target")
    local built
    built=$(target_folder "$way")/$target/release/barnabas
    strip_to "$built" "$DIST/barnabas-$target"
    echo "$way" >"$DIST/.way-$target"
}

# choose_way TARGET: sets `way` of the caller, and WHY.
choose_way() {
    local no_rustup no_cross
    no_rustup=$(why_not_rustup "$1")
    if [ -z "$no_rustup" ]; then
        way=rustup WHY="rustup has the target"
        return
    fi
    no_cross=$(why_not_cross)
    if [ -z "$no_cross" ]; then
        way=cross WHY="not rustup: $no_rustup; cross is there"
    else
        way=debian WHY="not rustup: $no_rustup; not cross: $no_cross"
    fi
}

target_folder() {
    local base=${CARGO_TARGET_DIR:-$ROOT/target}
    echo "$base/static-$1"
}

cargo_home() { echo "${CARGO_HOME:-$HOME/.cargo}"; }

# The paths of this machine have no place in a binary: they would make it differ, and 30 KB longer. What is left of them is
# `redb-4.4.0/src/db.rs`, which is what a panic in the log should say.
remap_flags() {
    local folder
    printf -- '--remap-path-prefix=%s=barnabas ' "$ROOT"
    # The folder of crates.io has the hash of its address in its name.
    for folder in "$(cargo_home)"/registry/src/*/; do
        [ ! -d "$folder" ] || printf -- '--remap-path-prefix=%s= ' "$folder"
    done
    printf -- '--remap-path-prefix=/usr/lib/rustlib/src/rust/library/='
}

# What rustup's way and Debian's have in common: fixed addresses (no dynamic section), no tables for unwinding, since a panic
# aborts, one copy of functions that came out the same, and of those that differ in constants only. (lld folds code only, and
# neither Rust nor the C code here compares functions.)
common_flags() {
    echo "-Clinker-flavor=ld -Crelocation-model=static -Cforce-unwind-tables=no -Cllvm-args=-enable-global-merge-func" \
        "-Clink-arg=--icf=all -Clink-arg=-O2 $(remap_flags)"
}

# use_linker TARGET FIRST LAST: scripts/lib/link.sh, with words for before and behind what rustc gives it.
use_linker() {
    export "CARGO_TARGET_$(environment_name "$1")_LINKER=$ROOT/scripts/lib/link.sh" BARNABAS_LLD BARNABAS_NM \
        BARNABAS_LINK_FIRST=$2 BARNABAS_LINK_LAST=$3
    BARNABAS_LLD=$(llvm_tool ld.lld)
    BARNABAS_NM=$(llvm_tool llvm-nm)
}

environment_name() { tr 'a-z-' 'A-Z_' <<<"$1"; }

# --- rustup ---

# why_not_rustup TARGET: nothing when this way is open.
why_not_rustup() {
    local clang
    command -v rustup >/dev/null || { echo "it is not installed" && return; }
    clang=$(llvm_tool clang)
    [ -n "$clang" ] && [ -n "$(llvm_tool ld.lld)" ] || can_install || { echo "clang and lld are missing" && return; }
    rustup target list --installed 2>/dev/null | grep -qx "$1" && return
    timeout "$RUSTUP_LIMIT" rustup target add "$1" >/dev/null 2>&1 || echo "it cannot get the target"
}

build_by_rustup() {
    local target=$1 name flags
    need rust
    name=$(environment_name "$target")
    if [ -z "$(llvm_tool clang)" ] || [ -z "$(llvm_tool ld.lld)" ]; then
        apt_update
        apt_install "clang-$LLVM" "lld-$LLVM" "llvm-$LLVM"
        hash -r
    fi
    # Only the headers: the library is the one that rustup brought.
    musl_headers "$target"
    flags="-Clink-self-contained=yes $(common_flags)"
    # Where libunwind is looked for first: rustup's own has nothing to read, and stays out.
    debian_unwinder_stub "$MUSL_HOME/rustup/$target" "$(musl_triple "$target")" "$(clang_cpu "$target")"
    use_linker "$target" "-L$MUSL_HOME/rustup/$target" ''
    export "CC_${target//-/_}=$(llvm_tool clang)" "AR_${target//-/_}=$(llvm_tool llvm-ar)" \
        "CFLAGS_${target//-/_}=$(debian_c_flags "$target")" "CARGO_TARGET_${name}_RUSTFLAGS=$flags"
    local own_std=()
    if timeout "$RUSTUP_LIMIT" rustup component add rust-src >/dev/null 2>&1; then
        own_std=("${BUILD_STD[@]}")
        export RUSTC_BOOTSTRAP=1
    else
        say "$target: rustup cannot get rust-src: with its own standard library"
    fi
    cargo build --locked --release --bin barnabas --target "$target" --target-dir "$(target_folder rustup)" "${own_std[@]}"
}

musl_headers() {
    command -v apt-get >/dev/null || die "musl's headers are taken from Debian's package musl-dev; elsewhere use --way cross"
    debian_unpack_musl "$(debian_architecture "$1")" "$(musl_triple "$1")"
}

# --- cross ---

why_not_cross() {
    command -v cross >/dev/null || { echo "it is not installed" && return; }
    docker info >/dev/null 2>&1 || podman info >/dev/null 2>&1 || echo "neither Docker nor Podman runs"
}

build_by_cross() {
    local target=$1
    export CROSS_CONFIG=$ROOT/cross.toml
    # In the container the folders are /project and /cargo, whatever they are called here.
    export "CARGO_TARGET_$(environment_name "$target")_RUSTFLAGS=-Crelocation-model=static -Cforce-unwind-tables=no \
--remap-path-prefix=/project=/barnabas --remap-path-prefix=/cargo/registry/src=/cargo"
    cross build --locked --release --bin barnabas --target "$target" --target-dir "$(target_folder cross)"
}

# --- Debian ---

build_by_debian() {
    local target=$1 name flags library
    debian_prepare "$target"
    name=$(environment_name "$target")
    library=$(debian_library_folder "$target")
    flags="-Clink-self-contained=no $(common_flags)"
    # With musl's start files, which rustc leaves to a C compiler otherwise.
    use_linker "$target" "$library/crt1.o $library/crti.o" "-L$library $library/crtn.o"
    # Debian's cargo and rustc, not rustup's: the standard library's source is of exactly that compiler.
    export PATH=/usr/bin:/bin RUSTC_BOOTSTRAP=1 "CC_${target//-/_}=clang-$LLVM" \
        "AR_${target//-/_}=llvm-ar-$LLVM" "CFLAGS_${target//-/_}=$(debian_c_flags "$target")" \
        "CARGO_TARGET_${name}_RUSTFLAGS=$flags"
    unset RUSTUP_TOOLCHAIN RUSTC CARGO
    cargo build --locked --release --bin barnabas --target "$target" --target-dir "$(target_folder debian)" \
        "${BUILD_STD[@]}"
}

# --- results ---

# strip_to FROM TO: without symbols; written beside and moved, so that a running binary can be replaced.
strip_to() {
    local strip
    strip=$(llvm_tool llvm-strip)
    [ -n "$strip" ] || die "llvm-strip is missing (Debian: apt-get install llvm-$LLVM)"
    "$strip" --strip-all --remove-section=.comment -o "$2.new" "$1"
    mv "$2.new" "$2"
}

table() {
    local target file bad=''
    printf '| target | bytes | linked | way | SHA-256 |\n|---|---|---|---|---|\n'
    for target in "${TARGETS[@]}"; do
        file=$DIST/barnabas-$target
        local facts
        facts=$(elf_facts "$file")
        [ "$facts" = static ] || bad="$bad $target"
        printf '| %s | %s | %s | %s | %s |\n' "$target" "$(stat -c %s "$file")" "$facts" "$(cat "$DIST/.way-$target")" \
            "$(sha256sum "$file" | cut -d ' ' -f 1)"
    done
    [ -z "$bad" ] || die "not static:$bad"
}

main "$@"
