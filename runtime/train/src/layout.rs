//! How the kernels of our own have burn's tensors of its backend `flex`: images one after the other, each pixel by pixel, with the channels of a
//! pixel side by side. Burn is told so by strides, and its own operators do with that.

use burn_backend::TensorData;
use burn_flex::FlexTensor;

/// A tensor with its elements in that order, copied where they are not; its extents stay images, channels, rows, columns.
pub fn side_by_side(tensor: &FlexTensor) -> FlexTensor {
    tensor.permute(&[0, 2, 3, 1]).to_contiguous().permute(&[0, 3, 1, 2])
}

/// The elements in that order as a tensor of these extents.
pub fn tensor(values: Vec<f32>, [images, channels, rows, columns]: [usize; 4]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, [images, rows, columns, channels])).permute(&[0, 3, 1, 2])
}

/// The elements of a tensor that has them in one piece, in the order in which they lie.
pub fn numbers(tensor: &FlexTensor) -> &[f32] {
    &tensor.storage::<f32>()[tensor.layout().start_offset()..][..tensor.layout().num_elements()]
}

/// The elements of a tensor in that order, without a copy where nothing else has them.
pub fn owned(tensor: FlexTensor) -> Vec<f32> {
    let turned = tensor.permute(&[0, 2, 3, 1]);
    drop(tensor);
    turned.into_data().try_into_vec().expect("a tensor of single precision, as all are made")
}
