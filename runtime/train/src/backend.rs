//! Where burn computes a network that it computes whole: the GPU that cargo features bring in, and in which precision.

use crate::TrainError;
use burn_tensor::{DType, Device};

/// What products are computed in where precision is mixed: as wide a range as single precision has, so that no loss need be scaled
/// (Kalamkar et al., "A Study of BFLOAT16 for Deep Learning Training", 2019).
const HALF: DType = DType::BF16;

/// The first GPU that burn finds.
///
/// # Errors
/// Where it finds none.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub fn gpu() -> Result<Device, TrainError> {
    #[cfg(feature = "cuda")]
    let (kind, name) = (burn_tensor::DeviceType::Cuda, "CUDA");
    #[cfg(not(feature = "cuda"))]
    let (kind, name) = (burn_tensor::DeviceType::Wgpu, "wgpu");
    let found = Device::enumerate(kind).into_vec().into_iter().next();
    found.ok_or_else(|| TrainError::Absent(format!("a GPU: burn finds no {name} device on this machine")))
}

/// None: this build has no GPU in it.
///
/// # Errors
/// Always.
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
pub fn gpu() -> Result<Device, TrainError> {
    Err(TrainError::Absent("a GPU: this program was built without `train-wgpu` and `train-cuda`".to_owned()))
}

/// What products are computed in on this device where precision is mixed.
///
/// # Errors
/// Where the device has no such numbers.
pub fn half(device: &Device) -> Result<DType, TrainError> {
    if device.supports_dtype(HALF) {
        Ok(HALF)
    } else {
        Err(TrainError::Absent("mixed precision: the device does not compute in bfloat16".to_owned()))
    }
}
