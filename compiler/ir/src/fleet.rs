//! Devices and the links between them, all figures known.

use serde::{Deserialize, Serialize};

cnasc_base::declare_id! {
    /// A device of a [`Fleet`].
    DeviceId
}

/// The most devices of one fleet.
pub const MAX_DEVICES: usize = 256;

/// The devices that an inference is spread over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fleet {
    /// Its name in the source.
    pub name: String,
    /// At least one.
    pub devices: Vec<Device>,
    /// `links[a][b]` carries tensors from a to b: absent where there is no way, and on the diagonal.
    pub links: Vec<Vec<Option<Link>>>,
    /// In which precision tensors travel; they are computed in single precision on every device.
    #[serde(default, skip_serializing_if = "Precision::is_single")]
    pub transfer: Precision,
}

/// The form of a number on its way from one device to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE 754 single precision, 4 bytes: what arrives is what was sent.
    #[default]
    F32,
    /// IEEE 754 half precision, 2 bytes: rounded to 11 significant bits, and to infinity from 65,520 on.
    F16,
}

impl Precision {
    /// As written in the language and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        }
    }

    /// Bytes of one number.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_single(&self) -> bool {
        *self == Self::F32
    }
}

/// One device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Unique in its fleet: `pi[2]`, or `pi` where the group has one.
    pub name: String,
    /// The name of its kind: `rpi4`.
    pub kind: String,
    /// Sustained FLOP/s of all cores together.
    pub compute: f64,
    /// Bytes for weights and tensors.
    pub memory: f64,
    /// Cores.
    pub cores: u32,
    /// What executes its share.
    pub backend: Backend,
    /// Watts while it computes, where that is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
}

/// What executes a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// Kernels compiled for the device's CPU when it starts.
    Jit,
    /// Plain loops, the oracle of the others.
    Reference,
    /// Calls of the tensor library burn; a cargo feature of the runtime.
    Burn,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Bits a second.
    pub rate: f64,
    /// Seconds before the first bit arrives.
    pub latency: f64,
}

impl Link {
    /// Seconds from sending to having received `bytes`.
    #[must_use]
    pub fn seconds(self, bytes: u64) -> f64 {
        self.latency + 8.0 * bytes as f64 / self.rate
    }
}

impl Fleet {
    /// `count` equal devices, each joined to each other.
    #[must_use]
    pub fn uniform(name: &str, count: usize, device: &Device, link: Link) -> Self {
        let devices =
            (0..count).map(|index| Device { name: format!("{}[{index}]", device.name), ..device.clone() }).collect();
        let links = (0..count).map(|a| (0..count).map(|b| (a != b).then_some(link)).collect()).collect();
        Self { name: name.to_owned(), devices, links, transfer: Precision::F32 }
    }

    /// The device of `id`.
    #[must_use]
    pub fn device(&self, id: DeviceId) -> &Device {
        &self.devices[id.index()]
    }

    /// All devices' ids.
    pub fn ids(&self) -> impl Iterator<Item = DeviceId> + use<> {
        (0..self.devices.len()).map(DeviceId::new)
    }

    /// The link from `a` to `b`.
    #[must_use]
    pub fn link(&self, a: DeviceId, b: DeviceId) -> Option<Link> {
        self.links[a.index()][b.index()]
    }

    /// Bytes on the wire of a tensor of `bytes` bytes in single precision.
    #[must_use]
    pub fn wire_bytes(&self, bytes: u64) -> u64 {
        match self.transfer {
            Precision::F32 => bytes,
            Precision::F16 => bytes / 2,
        }
    }

    /// The device that computes fastest; the first of equals.
    #[must_use]
    pub fn fastest(&self) -> DeviceId {
        let mut best = DeviceId(0);
        for id in self.ids() {
            if self.device(id).compute > self.device(best).compute {
                best = id;
            }
        }
        best
    }

    /// Checks a fleet that came from a file: sizes, finite positive figures, unique names.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn verify(&self) -> Result<(), String> {
        let count = self.devices.len();
        if count == 0 || count > MAX_DEVICES {
            return Err(format!("a fleet has 1 to {MAX_DEVICES} devices, found {count}"));
        }
        if self.links.len() != count || self.links.iter().any(|row| row.len() != count) {
            return Err(format!("`links` must have {count} rows of {count}"));
        }
        let mut names = std::collections::BTreeSet::new();
        for device in &self.devices {
            if !names.insert(&device.name) {
                return Err(format!("two devices are called `{}`", device.name));
            }
            let positive = |figure: f64| figure.is_finite() && figure > 0.0;
            if !positive(device.compute) || !positive(device.memory) || device.cores == 0 {
                return Err(format!("device `{}` needs positive compute, memory and cores", device.name));
            }
            if device.power.is_some_and(|power| !positive(power)) {
                return Err(format!("device `{}` needs a positive power, or none", device.name));
            }
        }
        let links = self.links.iter().flatten().flatten();
        for link in links {
            if !(link.rate.is_finite() && link.rate > 0.0 && link.latency.is_finite() && link.latency >= 0.0) {
                return Err("a link needs a positive rate and a latency of at least 0".to_owned());
            }
        }
        Ok(())
    }
}
