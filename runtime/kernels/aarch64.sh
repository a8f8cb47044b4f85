#!/usr/bin/env bash
# The tests of the kernels as an aarch64 program under emulation: NEON's microkernels, and code generated for that CPU.
# Needs qemu's user-mode emulator and a linker for aarch64 (Debian: qemu-user, gcc-aarch64-linux-gnu), and Rust's target
# aarch64-unknown-linux-gnu (rustup target add). On two cores the build takes 8 minutes the first time and the tests 2.5.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER:-aarch64-linux-gnu-gcc}"
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER:-qemu-aarch64 -L /usr/aarch64-linux-gnu}"
cargo test --release --target aarch64-unknown-linux-gnu -p cnasc-kernels "$@"
