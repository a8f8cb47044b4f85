//! `--proxy`: a figure of the untrained network that tells how well it may learn.

use crate::cli::ProxyArgs;
use crate::failure::Failure;
use cnasc_ir::{Architecture, TensorGraph};
use serde::Serialize;

/// What a proxy says of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Told {
    /// Its name.
    pub name: &'static str,
    /// More is better; absent where it is the least there is.
    pub value: Option<f64>,
}

#[cfg(feature = "train")]
pub use with::Looker;

#[cfg(feature = "train")]
mod with {
    use super::{Architecture, Failure, ProxyArgs, TensorGraph, Told};
    use crate::cli::ProxyArg;
    use crate::failure::codes;
    use crate::sets;
    use cnasc_base::Diagnostic;
    use cnasc_ir::architecture::Preprocess;
    use cnasc_train::data::Images;
    use cnasc_train::proxy::{Batch, Proxy};
    use cnasc_train::{initial_weights, prepared};
    use std::path::{Path, PathBuf};

    /// Images that networks are looked at with.
    const LOOKED_AT: usize = 64;

    /// A proxy with the images that it looks at.
    #[derive(Debug)]
    pub struct Looker {
        proxy: Proxy,
        images: Images,
        preprocess: Preprocess,
        data: PathBuf,
    }

    impl Looker {
        /// None where none is asked for.
        ///
        /// # Errors
        /// Where there are no images.
        pub fn new(args: &ProxyArgs) -> Result<Option<Self>, Failure> {
            let Some(given) = args.proxy else { return Ok(None) };
            Self::of(given.map_or_else(Proxy::default, proxy), &args.data).map(Some)
        }

        /// A proxy and the images of a folder.
        ///
        /// # Errors
        /// Where there are none.
        pub fn of(proxy: Proxy, data: &Path) -> Result<Self, Failure> {
            let train = sets::read(data, sets::GLANCE)?.train;
            let (preprocess, images) = (train.statistics(), train.first(LOOKED_AT));
            Ok(Self { proxy, images, preprocess, data: data.to_owned() })
        }

        /// What it says.
        ///
        /// # Errors
        /// Where the images or the classes are not the network's, or it can't be trained.
        pub fn tell(&self, architecture: &Architecture, graph: &TensorGraph) -> Result<Told, Failure> {
            let unfit = |problem| Diagnostic::error(codes::IMAGE, format!("`{}`: {problem}", self.data.display()));
            let images = self.images.fit(graph.steps[0].shape).map_err(unfit)?;
            let classes: Vec<usize> = images.labels.iter().map(|&label| label.into()).collect();
            let mut preprocess = self.preprocess.clone();
            if !preprocess.fits(images.shape.channels) {
                preprocess = images.statistics();
            }
            let (seed, values) = (architecture.provenance.seed, prepared(&preprocess, &images));
            let batch = Batch { images: &values, classes: &classes, seed };
            let found = self.proxy.measure(graph, &initial_weights(graph, seed), batch);
            let value = found
                .map_err(|error| Diagnostic::error(codes::UNTRAINABLE, format!("`{}`: {error}", architecture.name)))?;
            Ok(Told { name: self.proxy.word(), value: value.is_finite().then_some(value) })
        }
    }

    fn proxy(given: ProxyArg) -> Proxy {
        match given {
            ProxyArg::GradNorm => Proxy::GradNorm,
            ProxyArg::Synflow => Proxy::Synflow,
            ProxyArg::Naswot => Proxy::Naswot,
            ProxyArg::JacobCov => Proxy::JacobCov,
            ProxyArg::Zen => Proxy::Zen,
        }
    }
}

/// None can look in a program that was built without training.
#[cfg(not(feature = "train"))]
pub enum Looker {}

#[cfg(not(feature = "train"))]
impl Looker {
    /// None where none is asked for.
    ///
    /// # Errors
    /// Where one is.
    pub fn new(args: &ProxyArgs) -> Result<Option<Self>, Failure> {
        use crate::failure::codes;
        if args.proxy.is_none() {
            return Ok(None);
        }
        let message = "this program was built without training, which --proxy takes";
        let note = "build it with the cargo feature `train`: `cargo build --release --features train`";
        Err(Failure::usage(cnasc_base::Diagnostic::error(codes::ABSENT, message).note(note)))
    }

    /// Never.
    #[allow(clippy::unnecessary_wraps, reason = "as with training")]
    pub fn tell(&self, _: &Architecture, _: &TensorGraph) -> Result<Told, Failure> {
        match *self {}
    }
}
