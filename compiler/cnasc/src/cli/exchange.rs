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

/// `cnasc import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// An ONNX model.
    pub file: PathBuf,
    /// The architecture file to write; the model's name with `.arch.json`, in this folder, where absent.
    #[arg(short, long, value_name = "FILE.arch.json")]
    pub output: Option<PathBuf>,
    /// The file for its weights; beside the architecture, with `.safetensors`, where absent.
    #[arg(long, value_name = "FILE.safetensors")]
    pub weights: Option<PathBuf>,
    /// What the network is called; the model's file where absent.
    #[arg(long)]
    pub name: Option<String>,
    /// The extents of an input, where the model leaves them open or others are meant: `--shape data=1x3x224x224`.
    #[arg(long = "shape", value_name = "INPUT=SHAPE", value_parser = shape)]
    pub shapes: Vec<(String, Vec<u64>)>,
}

/// `data=1x3x224x224`
fn shape(text: &str) -> Result<(String, Vec<u64>), String> {
    let (name, extents) = text.rsplit_once('=').ok_or("write it as INPUT=1x3x224x224")?;
    let extents = extents.split('x').map(str::parse).collect::<Result<_, _>>();
    Ok((name.to_owned(), extents.map_err(|_| "extents are whole numbers with an x between")?))
}
