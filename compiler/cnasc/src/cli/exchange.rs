//! Options about files of other programs, and about other engines.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Values of a network's parameters.
#[derive(Debug, Clone, Args)]
pub struct WeightsArgs {
    /// A safetensors file, or an ONNX file whose initialisers have the names of the parameters; seeded random values where absent.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
}

/// How ONNX files are written.
#[derive(Debug, Clone, Copy, Args)]
pub struct FoldArgs {
    /// In ONNX files, batch norm and gates are computed into the layers, as kernels run them, instead of every parameter under its name.
    #[arg(long)]
    pub fold: bool,
}

/// Engines that people run such networks with, in the Python environment that `cnasc explain E0642` tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// ONNX Runtime.
    Onnxruntime,
    /// OpenVINO.
    Openvino,
    /// ncnn, with its converter pnnx.
    Ncnn,
    /// tract, on one thread.
    Tract,
}
