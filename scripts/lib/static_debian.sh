# shellcheck shell=bash
# Static builds from Debian's packages alone: its newest Rust (rustc-web) with the standard library in source, clang and
# lld, and musl-dev of each architecture unpacked to a folder. Nothing comes from rustup, no cross compiler is installed.
# To be sourced after common.sh, need.sh and static_targets.sh; defines functions only.
#
# The folder is $BARNABAS_MUSL_HOME, else ~/.cache/barnabas/musl. Delete it to begin anew.

MUSL_HOME="${BARNABAS_MUSL_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/barnabas/musl}"
# What rustc-web 1.96 was built with; another lld reads its bitcode as well, since rustc emits machine code.
LLVM=19
# zig's package carries musl in source; the only thing it is used for is a libc of ARMv6, which Debian has not.
ZIG_VERSION=0.17.1

# llvm_tool NAME: the tool, with or without its version in its name.
llvm_tool() { command -v "$1-$LLVM" || command -v "$1" || true; }

# debian_missing: the packages that this way needs and that are not there.
debian_missing() {
    local package
    for package in rustc-web cargo-web rust-web-src "clang-$LLVM" "lld-$LLVM" "llvm-$LLVM" binutils; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
    done
}

# debian_prepare TARGET: packages and the folder for one target; what is there already is kept.
debian_prepare() {
    command -v dpkg-query >/dev/null || die "this way needs Debian's packages (bookworm or later)"
    local missing
    missing=$(debian_missing)
    if [ -n "$missing" ]; then
        can_install || die "missing: $missing(apt-get install; or as root this script does it)"
        apt_update
        # shellcheck disable=SC2086 # a list of words
        apt_install $missing
        hash -r
    fi
    debian_c_library "$1"
}

# debian_c_library TARGET: musl's headers, start files and libc.a, and the stub of an unwinder.
debian_c_library() {
    local triple library
    triple=$(musl_triple "$1")
    library=$(debian_library_folder "$1")
    debian_unpack_musl "$(debian_architecture "$1")" "$triple"
    case "$1" in arm-*) zig_c_library "$library" ;; esac
    # The last that the stub makes.
    [ -f "$library/libatomic.a" ] && return 0
    debian_unwinder_stub "$library" "$triple" "$(clang_cpu "$1")"
}

# debian_library_folder TARGET: ARMv6 has the headers of armhf and a libc of its own.
debian_library_folder() {
    case "$1" in
        arm-*) echo "$MUSL_HOME/sys/usr/lib/armv6-linux-musleabihf" ;;
        *) echo "$MUSL_HOME/sys/usr/lib/$(musl_triple "$1")" ;;
    esac
}

# debian_unpack_musl ARCHITECTURE TRIPLE: musl-dev without dpkg --add-architecture, so that the system stays as it is.
debian_unpack_musl() {
    [ -f "$MUSL_HOME/sys/usr/lib/$2/libc.a" ] && return 0
    local uri apt=()
    say "fetching musl-dev:$1 (apt-get download)"
    mkdir -p "$MUSL_HOME/apt/partial" "$MUSL_HOME/debs" "$MUSL_HOME/sys"
    # The mirror that apt uses here already.
    uri=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$3 == "main" && $2 !~ /-/ { print $1, $2; exit }')
    [ -n "$uri" ] || die "apt knows no Debian mirror (apt-get indextargets)"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri main" >"$MUSL_HOME/apt.list"
    apt=(-q -o "Dir::Etc::sourcelist=$MUSL_HOME/apt.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$MUSL_HOME/apt"
        -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root
        -o "APT::Architectures::=$1")
    (
        cd "$MUSL_HOME/debs"
        apt-get "${apt[@]}" update >&2
        apt-get "${apt[@]}" download "musl-dev:$1" >&2
        dpkg -x musl-dev_*_"$1".deb "$MUSL_HOME/sys"
    ) || die "musl-dev:$1 could not be fetched"
}

# zig_c_library FOLDER: lets zig build its musl for ARMv6 and takes the results from its cache.
zig_c_library() {
    [ -f "$1/libc.a" ] && return 0
    local work=$MUSL_HOME/zig
    say "building musl for ARMv6 (zig $ZIG_VERSION from PyPI)"
    mkdir -p "$work" "$1"
    if [ ! -x "$work/venv/bin/python" ]; then
        python3 -m venv "$work/venv" || die "python3 with venv is missing (Debian: apt-get install python3-venv)"
    fi
    "$work/venv/bin/python" -m pip install --quiet "ziglang==$ZIG_VERSION" || die "ziglang $ZIG_VERSION could not be fetched from PyPI"
    echo 'int main(void) { return 0; }' >"$work/main.c"
    # --verbose-link shows the files that zig made. What it has rewritten of musl in its own language is in libzigc.a.
    (
        cd "$work"
        export ZIG_GLOBAL_CACHE_DIR="$work/cache" ZIG_LOCAL_CACHE_DIR="$work/cache"
        venv/bin/python -m ziglang build-exe main.c -target arm-linux-musleabihf -mcpu arm1176jzf_s -lc -O ReleaseSmall --verbose-link
    ) >"$work/log" 2>&1 || die "zig could not build musl: see $work/log"
    local name found=()
    for name in crt1.o libc.a libzigc.a; do
        found+=("$work/$(tail -n 1 "$work/log" | tr ' ' '\n' | grep "/$name\$")")
        [ -f "${found[-1]}" ] || die "zig's $name was not found: see $work/log"
    done
    cp "${found[0]}" "$1/crt1.o"
    # Today's musl has nothing in these two.
    for name in crti.o crtn.o; do
        "clang-$LLVM" --target=arm-linux-musleabihf -march=armv6 -x c -c /dev/null -o "$1/$name"
    done
    "llvm-ar-$LLVM" qcsLD "$1/libc.a" "${found[1]}" "${found[2]}"
}

# debian_unwinder_stub FOLDER TRIPLE FLAGS: panic = abort needs no unwinder; the standard library asks for one to print
# RUST_BACKTRACE, and is told that there is nothing to see.
debian_unwinder_stub() {
    mkdir -p "$1"
    cat >"$MUSL_HOME/unwind.c" <<'C'
int _Unwind_Backtrace(void *trace, void *data) { return 5; /* _URC_END_OF_STACK */ }
unsigned long _Unwind_GetIP(void *context) { return 0; }
unsigned long _Unwind_GetIPInfo(void *context, int *before) { *before = 0; return 0; }
unsigned long _Unwind_GetCFA(void *context) { return 0; }
void *_Unwind_FindEnclosingFunction(void *pc) { return 0; }
int _Unwind_VRS_Get(void *context, int kind, unsigned reg, int type, void *value) { *(unsigned *)value = 0; return 1; }
void __aeabi_unwind_cpp_pr0(void) {}
void __aeabi_unwind_cpp_pr1(void) {}
C
    # shellcheck disable=SC2086 # a list of words
    "$(llvm_tool clang)" --target="$2" $3 -Os -ffunction-sections -c "$MUSL_HOME/unwind.c" -o "$1/unwind.o"
    "$(llvm_tool llvm-ar)" rcsD "$1/libunwind.a" "$1/unwind.o"
    # On ARMv6 the allocator asks for a libatomic. What would be in it is in Rust's compiler_builtins.
    "$(llvm_tool llvm-ar)" rcsD "$1/libatomic.a"
}

# debian_c_flags TARGET: no C library but musl's headers, every function in a section of its own, no unwind tables.
debian_c_flags() {
    echo "-nostdlibinc -isystem $MUSL_HOME/sys/usr/include/$(musl_triple "$1") -U_FORTIFY_SOURCE $(clang_cpu "$1")" \
        "-ffunction-sections -fdata-sections -fno-unwind-tables -fno-asynchronous-unwind-tables" \
        "-ffile-prefix-map=$(cargo_home)=/cargo -ffile-prefix-map=$ROOT=/barnabas"
}
