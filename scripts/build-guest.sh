#!/usr/bin/env bash
# Builds a function's cargo project to a WASM component, and prints the component's path on its last line.
#
#   scripts/build-guest.sh DIR [CARGO ARGUMENTS...]
#
# With rustup, the target wasm32-wasip2 is all it takes. Where that target cannot be downloaded but Debian's packages
# can, Debian's compiler builds the standard library from source instead (rustc-web, rust-web-src, wasi-libc).
set -euo pipefail

usage="usage: scripts/build-guest.sh DIR [CARGO ARGUMENTS...]"
dir=${1:?$usage}
shift
scripts=$(cd "$(dirname "$0")" && pwd)
cd "$dir"
target=wasm32-wasip2

have_target() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$target" && return 0
    [ -z "${TIDEMILL_NO_TARGET_DOWNLOAD:-}" ] && timeout 60 rustup target add "$target" >&2 2>/dev/null
}

# The target's libraries come with the compiler on systems that do not use rustup.
have_packaged_target() {
    ! command -v rustup >/dev/null && [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]
}

build_with_debian_packages() {
    "$scripts/apt-install.sh" rustc-web rust-web-src wasi-libc
    # Linkers for wasm come with rustup's toolchain, though its target does not.
    local tools
    tools="$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin"
    # The two compilers must not share a build folder.
    export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/debian"
    PATH="$tools:$PATH" RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS="-L /usr/lib/wasm32-wasi" \
        cargo build --release --target "$target" -Zbuild-std=std,panic_abort "$@" >&2
}

# A guest is a workspace of its own with its own build folder, wherever it is built from.
unset RUSTFLAGS CARGO_BUILD_TARGET
export CARGO_TARGET_DIR="${TIDEMILL_GUEST_TARGET_DIR:-$PWD/target}"

if have_target || have_packaged_target; then
    cargo build --release --target "$target" "$@" >&2
elif command -v apt-get >/dev/null; then
    build_with_debian_packages "$@"
else
    echo "cannot build for $target: install it with \`rustup target add $target\`" >&2
    exit 1
fi

name=$(sed -n 's/^name *= *"\(.*\)"/\1/p' Cargo.toml | head -n 1 | tr - _)
artefact="$CARGO_TARGET_DIR/$target/release/$name.wasm"
[ -f "$artefact" ] || { echo "cargo built no $artefact: is it a cdylib?" >&2; exit 1; }
echo "$artefact"
