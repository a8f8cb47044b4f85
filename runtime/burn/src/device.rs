//! Where burn computes, as the cargo features say: → its device.

use burn_tensor::Device;
use cnasc_kernels::CompileError;

/// The CPU, on the calling thread.
///
/// # Errors
/// None.
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
#[expect(clippy::unnecessary_wraps, reason = "with a feature for a GPU there may be none")]
pub fn choose() -> Result<Device, CompileError> {
    Ok(Device::flex())
}

/// The first GPU that the library for them finds.
///
/// # Errors
/// Where it finds none.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub fn choose() -> Result<Device, CompileError> {
    #[cfg(feature = "cuda")]
    let (kind, name) = (burn_tensor::DeviceType::Cuda, "CUDA");
    #[cfg(not(feature = "cuda"))]
    let (kind, name) = (burn_tensor::DeviceType::Wgpu, "wgpu");
    let found = Device::enumerate(kind).into_vec().into_iter().next();
    found.ok_or_else(|| CompileError::Code(format!("burn finds no {name} device on this machine")))
}
