#!/usr/bin/env bash
# Makes a .deb and an .rpm of each static binary in dist/, and where Podman, Buildah or Docker works, an image.
#
# usage: packaging/build.sh [--image] [TARGET…]
#
#   TARGET    default: every target that scripts/build-static.sh has put into dist/
#   --image   the image, too: dist/barnabas-TARGET.image.tar
#
# Uses cargo-deb and cargo-generate-rpm, and installs them from crates.io below target/ where they are missing.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/common.sh
. "$ROOT/scripts/lib/common.sh"
# shellcheck source=scripts/lib/need.sh
. "$ROOT/scripts/lib/need.sh"
# shellcheck source=scripts/lib/static_targets.sh
. "$ROOT/scripts/lib/static_targets.sh"

DEB_VERSION=3.8.0 RPM_VERSION=0.21.1
STAGE=${CARGO_TARGET_DIR:-$ROOT/target}/packages
IMAGE_LIMIT=6500000 # bytes
IMAGE=''
TARGETS=()

main() {
    local target
    while (($#)); do
        case "$1" in
            --image) IMAGE=yes ;;
            -h | --help) print_header "$0" && exit 0 ;;
            -*) usage_error "unknown argument '$1'" ;;
            *) TARGETS+=("$1") ;;
        esac
        shift
    done
    cd "$ROOT"
    if [ ${#TARGETS[@]} = 0 ]; then
        for target in "${STATIC_TARGETS[@]}"; do
            [ ! -f "dist/barnabas-$target" ] || TARGETS+=("$target")
        done
    fi
    [ ${#TARGETS[@]} -gt 0 ] || die "nothing in dist/: scripts/build-static.sh first"
    need rust
    tool cargo-deb "$DEB_VERSION"
    tool cargo-generate-rpm "$RPM_VERSION"
    # The date in packages and image, so that the same commit and binary give the same bytes.
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
    export SOURCE_DATE_EPOCH
    for target in "${TARGETS[@]}"; do
        [ -f "dist/barnabas-$target" ] || die "dist/barnabas-$target is missing: scripts/build-static.sh $target"
        package "$target"
        [ -z "$IMAGE" ] || image "$target"
    done
}

# tool NAME VERSION: on PATH afterwards.
tool() {
    PATH=$STAGE/tools/bin:$PATH
    command -v "$1" >/dev/null && return 0
    say "installing $1 $2 (cargo install)"
    # Without optimisation: built in a third of the time, and used once.
    cargo install --quiet --locked --debug --root "$STAGE/tools" --target-dir "$STAGE/tools/target" "$1@$2" ||
        die "$1 could not be installed"
}

# package TARGET: both tools look for the binary where cargo would have put it.
package() {
    local target=$1 release
    release=$STAGE/$target/release
    mkdir -p "$release"
    cp "dist/barnabas-$target" "$release/barnabas"
    CARGO_TARGET_DIR=$STAGE cargo deb --quiet --no-build --no-strip --target "$target" --output "dist/$(deb_name "$target")"
    # xz: the smallest of what CentOS 7's rpm knows.
    cargo generate-rpm --target "$target" --target-dir "$STAGE" --payload-compress xz --output "dist/$(rpm_name "$target")"
    say "dist/$(deb_name "$target"), dist/$(rpm_name "$target")"
}

version() { sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1; }

# For ARMv6 the packages are called as Raspbian and Fedora call it; the others as everybody does.
deb_name() {
    case "$1" in
        arm-*) echo "barnabas_$(version)_armhf-v6.deb" ;;
        *) echo "barnabas_$(version)_$(debian_architecture "$1").deb" ;;
    esac
}

rpm_name() {
    case "$1" in
        armv7-*) echo "barnabas-$(version).armv7hl.rpm" ;;
        arm-*) echo "barnabas-$(version).armv6hl.rpm" ;;
        *) echo "barnabas-$(version).${1%%-*}.rpm" ;;
    esac
}

# image_platform TARGET: what registries and `podman run` go by.
image_platform() {
    case "$1" in
        x86_64-*) echo linux/amd64 ;;
        aarch64-*) echo linux/arm64 ;;
        armv7-*) echo linux/arm/v7 ;;
        arm-*) echo linux/arm/v6 ;;
        i686-*) echo linux/386 ;;
        *) die "unknown target $1" ;;
    esac
}

# The archive holds the layers as they are, not compressed: its size is what the image takes, and both `docker load` and
# `podman load` read it.
image() {
    local target=$1 name archive=dist/barnabas-$1.image.tar bytes platform
    name=barnabas:$(version)
    platform=$(image_platform "$target")
    rm -f "$archive"
    if command -v buildah >/dev/null; then
        # Nothing is run in it (FROM scratch, no RUN): no daemon and no namespaces are needed.
        local buildah=(buildah --storage-driver vfs --root "$STAGE/images" --runroot "$STAGE/images-run")
        "${buildah[@]}" bud --quiet --isolation chroot --ignorefile .dockerignore --platform "$platform" \
            --timestamp "$SOURCE_DATE_EPOCH" --build-arg "TARGET=$target" -f packaging/Containerfile -t "$name" . >&2
        "${buildah[@]}" push --quiet "$name" "docker-archive:$archive" >&2
        "${buildah[@]}" rmi --all --force >/dev/null
    elif command -v podman >/dev/null; then
        podman build --quiet --ignorefile .dockerignore --platform "$platform" --timestamp "$SOURCE_DATE_EPOCH" \
            --build-arg "TARGET=$target" -f packaging/Containerfile -t "$name" . >&2
        podman save --quiet --format docker-archive -o "$archive" "$name"
    elif docker info >/dev/null 2>&1; then
        docker build --quiet --platform "$platform" --build-arg "TARGET=$target" -f packaging/Containerfile -t "$name" . >&2
        docker save -o "$archive" "$name"
    else
        die "no image: neither Buildah nor Podman nor a running Docker (Debian: apt-get install buildah)"
    fi
    bytes=$(stat -c %s "$archive")
    say "$archive: $bytes bytes"
    [ "$bytes" -le "$IMAGE_LIMIT" ] || die "the image is larger than $IMAGE_LIMIT bytes"
}

main "$@"
