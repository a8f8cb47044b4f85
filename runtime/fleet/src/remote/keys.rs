//! Who belongs to a fleet and how it is known: names, addresses, certificates, and the key that bundles are signed with.
//!
//! ```text
//! DIR/authority/       ca.pem  ca.key                              needed again only to add nodes: keep it elsewhere
//! DIR/coordinator/     fleet.json  ca.pem  cert.pem  key.pem  sign.key
//! DIR/NODE/            fleet.json  ca.pem  cert.pem  key.pem       all that a node has; copied to its machine
//! ```
//! Every member has a certificate of the fleet's own authority with its name, and the same `fleet.json`: the names that are let in, where
//! they listen, and the public key of what may be executed. Taking a name out of a member's file locks that node out there. Private
//! keys can be read by their owner only.

use super::RemoteError;
use cnasc_transport::net::settings::{COORDINATOR, is_member_name};
use cnasc_transport::net::{Certificates, Role, Settings};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How `fleet.json` says what it is.
const FORMAT: &str = "cnasc-fleet-1";

/// For how many years certificates are good.
const YEARS: i32 = 10;

/// The most nodes of a fleet.
pub const MAX_NODES: usize = 256;

/// What all members know of their fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    format: String,
    /// The fleet's name.
    pub fleet: String,
    /// Who computes.
    pub nodes: Vec<Member>,
    /// Of what may be executed, in hexadecimal.
    signed_by: String,
}

/// A node and where it listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// `HOST:PORT`.
    pub address: String,
}

/// What one member has in its folder.
#[derive(Debug, Clone)]
pub struct Keys {
    folder: PathBuf,
    name: String,
    /// The fleet.
    pub members: Members,
}

/// Makes a fleet: writes the folders of its authority, its coordinator and its nodes into `folder`, which must not have them yet.
///
/// # Errors
/// Where a name or address is none, or twice there, or something can't be written.
pub fn init(folder: &Path, fleet: &str, nodes: &[Member]) -> Result<Members, RemoteError> {
    check(fleet, nodes)?;
    let taken = nodes.iter().map(|node| node.name.as_str()).chain([COORDINATOR, "authority"]);
    if let Some(taken) = taken.map(|name| folder.join(name)).find(|path| path.exists()) {
        return Err(RemoteError::Keys(format!("`{}` is there already", taken.display())));
    }
    let random = SystemRandom::new();
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| crypto("no random numbers"))?;
    let signing = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).map_err(|_| crypto("the new key can't be read"))?;
    let members = Members {
        format: FORMAT.to_owned(),
        fleet: fleet.to_owned(),
        nodes: nodes.to_vec(),
        signed_by: hex(signing.public_key().as_ref()),
    };
    let (params, key) = authority(fleet)?;
    let certificate = params.self_signed(&key).map_err(|error| crypto(&error.to_string()))?.pem();
    let secret = key.serialize_pem();
    let issuer = Issuer::new(params, key);
    write(&folder.join("authority"), "ca.pem", certificate.as_bytes(), false)?;
    write(&folder.join("authority"), "ca.key", secret.as_bytes(), true)?;
    let text = serde_json::to_string_pretty(&members).expect("names always serialise") + "\n";
    for name in nodes.iter().map(|node| node.name.as_str()).chain([COORDINATOR]) {
        let own = folder.join(name);
        let (cert, key) = member(name, &issuer)?;
        write(&own, "ca.pem", certificate.as_bytes(), false)?;
        write(&own, "cert.pem", cert.as_bytes(), false)?;
        write(&own, "key.pem", key.as_bytes(), true)?;
        write(&own, "fleet.json", text.as_bytes(), false)?;
    }
    write(&folder.join(COORDINATOR), "sign.key", pkcs8.as_ref(), true)?;
    Ok(members)
}

fn check(fleet: &str, nodes: &[Member]) -> Result<(), RemoteError> {
    let wrong = |message: String| Err(RemoteError::Keys(message));
    if nodes.is_empty() || nodes.len() > MAX_NODES {
        return wrong(format!("a fleet has 1 to {MAX_NODES} nodes, not {}", nodes.len()));
    }
    for (index, node) in nodes.iter().enumerate() {
        let shown: String = node.name.escape_debug().take(80).collect();
        if !is_member_name(&node.name) || [COORDINATOR, "authority"].contains(&node.name.as_str()) {
            return wrong(format!("a node can't be called `{shown}`: letters, digits, `_` and `-`, 64 at most"));
        }
        if nodes[..index].iter().any(|other| other.name == node.name || other.address == node.address) {
            return wrong(format!("node `{shown}` has the name or the address of another"));
        }
    }
    if is_member_name(fleet) { Ok(()) } else { wrong(format!("`{}` can't be a fleet's name", fleet.escape_debug())) }
}

/// The fleet's own authority, which signs its members.
fn authority(fleet: &str) -> Result<(CertificateParams, KeyPair), RemoteError> {
    let mut params = params(&format!("cnasc fleet {fleet}"))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok((params, KeyPair::generate().map_err(|error| crypto(&error.to_string()))?))
}

/// A member's certificate and key.
fn member(name: &str, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String), RemoteError> {
    let mut params = params(name)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate().map_err(|error| crypto(&error.to_string()))?;
    let certificate = params.signed_by(&key, issuer).map_err(|error| crypto(&error.to_string()))?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn params(name: &str) -> Result<CertificateParams, RemoteError> {
    let mut params =
        CertificateParams::new(vec![name.replace([' ', '_'], "-")]).map_err(|error| crypto(&error.to_string()))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // The mean Gregorian year; a certificate need not begin or end to the day.
    let year = 1970 + (since_epoch.as_secs() / 31_556_952) as i32;
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + YEARS, 1, 1);
    Ok(params)
}

impl Keys {
    /// What is in the folder `folder/name`, or in `folder` where that is one member's own.
    ///
    /// # Errors
    /// Where there is no such member's folder, or what stands in it is damaged.
    pub fn load(folder: &Path, name: &str) -> Result<Self, RemoteError> {
        if !is_member_name(name) {
            return Err(RemoteError::Keys(format!("`{}` can't be a member's name", name.escape_debug())));
        }
        let inner = folder.join(name);
        let folder = if inner.join("fleet.json").is_file() { inner } else { folder.to_owned() };
        let path = folder.join("fleet.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| RemoteError::Keys(format!("can't read `{}`: {error}", path.display())))?;
        let wrong = |problem: String| RemoteError::Keys(format!("`{}`: {problem}", path.display()));
        let members: Members = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if members.format != FORMAT {
            return Err(wrong(format!("this release reads `{FORMAT}`")));
        }
        check(&members.fleet, &members.nodes)?;
        unhex(&members.signed_by).filter(|key| key.len() == 32).ok_or_else(|| wrong("the key is none".to_owned()))?;
        if name != COORDINATOR && !members.nodes.iter().any(|node| node.name == name) {
            return Err(wrong(format!("`{name}` is not among the nodes")));
        }
        Ok(Self { folder, name: name.to_owned(), members })
    }

    /// The member's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The member's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How this member joins. Nodes listen at their address and connect to those before them in the list, so that two of them have one
    /// connection; the coordinator connects to all. What is given stands instead of that.
    #[must_use]
    pub fn settings(&self, listen: &[String], connect: &[String]) -> Settings {
        let own = self.members.nodes.iter().position(|node| node.name == self.name);
        let nodes = &self.members.nodes;
        let addresses = |nodes: &[Member]| nodes.iter().map(|node| node.address.clone()).collect::<Vec<_>>();
        let own_listen = own.map_or_else(Vec::new, |own| vec![nodes[own].address.clone()]);
        let own_connect = addresses(own.map_or(&nodes[..], |own| &nodes[..own]));
        let or = |given: &[String], own: Vec<String>| if given.is_empty() { own } else { given.to_vec() };
        Settings {
            fleet: self.members.fleet.clone(),
            name: self.name.clone(),
            role: if own.is_some() { Role::Node } else { Role::Coordinator },
            nodes: nodes.iter().map(|node| node.name.clone()).collect(),
            listen: or(listen, own_listen),
            connect: or(connect, own_connect),
            certificates: Some(Certificates {
                authority: self.folder.join("ca.pem"),
                certificate: self.folder.join("cert.pem"),
                key: self.folder.join("key.pem"),
            }),
        }
    }

    /// The signature of `bytes` by the fleet's key, which only the coordinator has.
    ///
    /// # Errors
    /// Where the key is not in the folder.
    pub fn sign(&self, bytes: &[u8]) -> Result<String, RemoteError> {
        let path = self.folder.join("sign.key");
        let key = std::fs::read(&path)
            .map_err(|error| RemoteError::Keys(format!("can't read `{}`: {error}", path.display())))?;
        let key = Ed25519KeyPair::from_pkcs8(&key)
            .map_err(|_| RemoteError::Keys(format!("`{}` is no ed25519 key", path.display())))?;
        Ok(hex(key.sign(bytes).as_ref()))
    }

    /// Whether `signature` is that of the fleet's key for `bytes`.
    #[must_use]
    pub fn is_signed(&self, bytes: &[u8], signature: &str) -> bool {
        let (Some(key), Some(signature)) = (unhex(&self.members.signed_by), unhex(signature)) else { return false };
        UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok()
    }
}

fn crypto(problem: &str) -> RemoteError {
    RemoteError::Keys(format!("keys can't be made: {problem}"))
}

/// Writes a file of a folder that is made where it is missing; a secret one can be read by its owner only.
fn write(folder: &Path, name: &str, bytes: &[u8], secret: bool) -> Result<(), RemoteError> {
    let path = folder.join(name);
    let failed = |error: std::io::Error| RemoteError::Keys(format!("can't write `{}`: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let mut file = options.open(&path).map_err(failed)?;
    std::io::Write::write_all(&mut file, bytes).map_err(failed)
}

/// Hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits, where they are some.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<Member> {
        (0..count).map(|at| Member { name: format!("n{at}"), address: format!("127.0.0.1:{}", 7000 + at) }).collect()
    }

    #[test]
    fn every_member_finds_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let members = init(folder.path(), "home", &nodes(3)).unwrap();
        let second = Keys::load(folder.path(), "n1").unwrap();
        assert_eq!(second.members, members);
        let settings = second.settings(&[], &[]);
        assert_eq!((settings.listen, settings.connect), (vec!["127.0.0.1:7001".into()], vec!["127.0.0.1:7000".into()]));
        let coordinator = Keys::load(folder.path(), COORDINATOR).unwrap().settings(&[], &[]);
        assert_eq!((coordinator.listen.len(), coordinator.connect.len(), coordinator.role), (0, 3, Role::Coordinator));
        let alone = Keys::load(&folder.path().join("n2"), "n2").unwrap();
        assert_eq!(alone.folder(), folder.path().join("n2"), "a node's own folder is enough");
        assert!(Keys::load(folder.path(), "n3").is_err());
        assert!(Keys::load(folder.path(), "../n1").is_err());
        assert!(init(folder.path(), "home", &nodes(1)).is_err(), "nothing is written over");
    }

    #[test]
    fn only_the_fleets_key_signs() {
        let folder = tempfile::tempdir().unwrap();
        init(&folder.path().join("a"), "home", &nodes(1)).unwrap();
        init(&folder.path().join("b"), "home", &nodes(1)).unwrap();
        let of = |fleet: &str, name: &str| Keys::load(&folder.path().join(fleet), name).unwrap();
        let signature = of("a", COORDINATOR).sign(b"bundle").unwrap();
        assert!(of("a", "n0").is_signed(b"bundle", &signature));
        assert!(!of("a", "n0").is_signed(b"bundl3", &signature));
        assert!(!of("b", "n0").is_signed(b"bundle", &signature), "another fleet's");
        assert!(!of("a", "n0").is_signed(b"bundle", ""));
        assert!(of("a", "n0").sign(b"bundle").is_err(), "a node has no key to sign with");
    }

    #[test]
    fn names_and_addresses_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["", "a/b", "*", "coordinator", "authority", "..", "a b"] {
            let node = Member { name: name.to_owned(), address: "127.0.0.1:1".to_owned() };
            assert!(init(folder.path(), "home", &[node]).is_err(), "{name}");
        }
        let twice = [nodes(1), nodes(1)].concat();
        assert!(init(folder.path(), "home", &twice).is_err());
        assert!(init(folder.path(), "home", &[]).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
    }

    #[cfg(unix)]
    #[test]
    fn secrets_are_the_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        init(folder.path(), "home", &nodes(1)).unwrap();
        for secret in ["authority/ca.key", "coordinator/key.pem", "coordinator/sign.key", "n0/key.pem"] {
            let mode = std::fs::metadata(folder.path().join(secret)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{secret}");
        }
        let signer = folder.path().join("n0/sign.key");
        assert!(!signer.exists());
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(unhex(&hex(&[0, 9, 255])), Some(vec![0, 9, 255]));
        assert_eq!((unhex("f"), unhex("0g"), unhex("")), (None, None, Some(vec![])));
    }
}
