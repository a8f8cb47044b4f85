//! How a member joins its fleet: names, addresses and certificates → the configuration of zenoh.
//!
//! Every figure that differs from zenoh's own has its reason beside it: as it comes, zenoh drops large messages under load and takes
//! ten seconds to notice that a peer is gone.
//!
//! Who may say what is decided by each member for itself, by the name in the certificate of whoever is at the other end:
//!
//! | to a node | a node of the fleet | the coordinator | anyone else |
//! | --- | --- | --- | --- |
//! | tensors, under its own name only | yes | no | no |
//! | calls | no | yes | no |
//! | that it is there, who is there | yes | yes | no |

use super::{MAX_MESSAGE, NetError};
use serde_json::{Value, json};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

/// The name of the member that calls.
pub const COORDINATOR: &str = "coordinator";

/// For so long a member may be silent before it is taken to be gone, in milliseconds; four signs of life are sent in it.
const LEASE_MS: u64 = 1500;

/// Of the system, for each connection: several large tensors may be on their way at once.
const SOCKET_BUFFER: u64 = 4 << 20;

/// How a member joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The fleet's name.
    pub fleet: String,
    /// This member's: that of its certificate.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// The names of all nodes of the fleet.
    pub nodes: Vec<String>,
    /// Where to listen, as `HOST:PORT`.
    pub listen: Vec<String>,
    /// Where others listen, as `HOST:PORT`; tried again until they are there.
    pub connect: Vec<String>,
    /// Absent only where everything stays on this machine.
    pub certificates: Option<Certificates>,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It computes.
    Node,
    /// It calls.
    Coordinator,
}

/// Files in PEM form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// The certificate of the fleet's authority, which must have signed those of all members.
    pub authority: PathBuf,
    /// This member's own.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Whether members, fleets and nodes may be called so: 1 to 64 letters, digits, `_` and `-`.
#[must_use]
pub fn is_member_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

impl Settings {
    /// The same for zenoh.
    ///
    /// # Errors
    /// Where a name or an address is none, or there are no certificates and an address is not one of this machine alone.
    pub(super) fn config(&self) -> Result<zenoh::Config, NetError> {
        let names = self.nodes.iter().chain([&self.fleet, &self.name]);
        if let Some(name) = names.into_iter().find(|name| !is_member_name(name)) {
            let name: String = name.escape_debug().take(80).collect();
            let message = format!("`{name}` can't be a name: letters, digits, `_` and `-`, 64 at most");
            return Err(NetError::Settings(message));
        }
        let mut all = self.common();
        all["listen"]["endpoints"] = self.addresses(&self.listen)?;
        all["connect"]["endpoints"] = self.addresses(&self.connect)?;
        if let Some(files) = &self.certificates {
            all["transport"]["link"]["tls"] = tls(files);
            all["access_control"] = self.access();
        }
        zenoh::Config::from_json5(&all.to_string()).map_err(|error| NetError::Settings(error.to_string()))
    }

    fn common(&self) -> Value {
        // Each queue holds so many batches of 64 KiB before a sender waits; the greatest number that zenoh takes.
        let queue = 16;
        json!({
            "mode": "peer",
            // Who is in the fleet is known, so nobody is looked for.
            "scouting": { "multicast": { "enabled": false }, "gossip": { "enabled": false } },
            "open": { "return_conditions": { "connect_scouted": false, "declares": false } },
            "timestamping": { "enabled": false },
            "connect": { "timeout_ms": -1, "exit_on_failure": false,
                "retry": { "period_init_ms": 100, "period_max_ms": 800, "period_increase_factor": 2 } },
            "listen": { "timeout_ms": 0, "exit_on_failure": true },
            "transport": {
                "unicast": { "accept_timeout": 3000, "open_timeout": 3000 },
                "link": {
                    "tx": {
                        "lease": LEASE_MS,
                        "keep_alive": 4,
                        "queue": {
                            "size": { "real_time": queue, "data_high": queue, "data": queue },
                            // In microseconds: a large tensor on a slow link takes seconds, and closing the connection would lose it.
                            "congestion_control": { "block": { "wait_before_close": 30_000_000 } },
                            "batching": { "enabled": true, "time_limit": 0 },
                        },
                    },
                    "rx": { "buffer_size": 1 << 20, "max_message_size": MAX_MESSAGE },
                },
            },
        })
    }

    fn addresses(&self, addresses: &[String]) -> Result<Value, NetError> {
        let protocol = if self.certificates.is_some() { "tls" } else { "tcp" };
        let endpoint = |address: &String| {
            if self.certificates.is_none() && !is_loopback(address) {
                let message = format!("`{address}` is beyond this machine, where nodes speak only with certificates");
                return Err(NetError::Settings(message));
            }
            if !is_address(address) {
                let shown: String = address.escape_debug().take(80).collect();
                return Err(NetError::Settings(format!("`{shown}` is no address: give HOST:PORT")));
            }
            Ok(format!("{protocol}/{address}#so_sndbuf={SOCKET_BUFFER};so_rcvbuf={SOCKET_BUFFER}"))
        };
        Ok(addresses.iter().map(endpoint).collect::<Result<Vec<String>, _>>()?.into())
    }

    /// What others may say to this member; the table above. Everything may be said to members, so that only what comes in is looked at.
    fn access(&self) -> Value {
        let key = |rest: &str| format!("cnasc/{}/{rest}", self.fleet);
        let everything = [
            "put",
            "delete",
            "declare_subscriber",
            "query",
            "reply",
            "declare_queryable",
            "liveliness_token",
            "liveliness_query",
            "declare_liveliness_subscriber",
        ];
        let mut rules = vec![json!({ "id": "out", "permission": "allow", "flows": ["egress"],
            "messages": everything, "key_exprs": [key("**")] })];
        let mut subjects = Vec::new();
        let mut policies = Vec::new();
        for name in self.nodes.iter().map(String::as_str).chain([COORDINATOR]) {
            subjects.push(json!({ "id": name, "cert_common_names": [name], "link_protocols": ["tls"] }));
            let mut granted = vec!["out".to_owned()];
            for (which, (messages, keys)) in self.granted(name).into_iter().enumerate() {
                let id = format!("{name}.{which}");
                let keys: Vec<String> = keys.iter().map(|rest| key(rest)).collect();
                rules.push(json!({ "id": id, "permission": "allow", "flows": ["ingress"],
                    "messages": messages, "key_exprs": keys }));
                granted.push(id);
            }
            policies.push(json!({ "rules": granted, "subjects": [name] }));
        }
        json!({ "enabled": true, "default_permission": "deny", "rules": rules, "subjects": subjects, "policies": policies })
    }

    /// The kinds of messages that member `name` may send here, and under which keys.
    fn granted(&self, name: &str) -> Vec<(Vec<&'static str>, Vec<String>)> {
        let here = (vec!["liveliness_token"], vec![format!("alive/{name}")]);
        let who = (vec!["liveliness_query", "declare_liveliness_subscriber"], vec!["alive/*".to_owned()]);
        let me = &self.name;
        let mut granted = vec![here, who];
        if name == COORDINATOR {
            granted.push((vec!["query"], vec![format!("calls/{me}/*")]));
            return granted;
        }
        granted.push((vec!["declare_subscriber"], vec![format!("tensors/{name}/*")]));
        if self.role == Role::Coordinator {
            granted.push((vec!["declare_queryable", "reply"], vec![format!("calls/{name}/*")]));
        } else {
            granted.push((vec!["put"], vec![format!("tensors/{me}/{name}")]));
        }
        granted
    }
}

fn tls(files: &Certificates) -> Value {
    json!({
        "root_ca_certificate": files.authority,
        "listen_certificate": files.certificate, "listen_private_key": files.key,
        "connect_certificate": files.certificate, "connect_private_key": files.key,
        "enable_mtls": true,
        // A name is that of a member and not of a machine, which may have many addresses. Whoever answers at an address can say only
        // what its own name allows.
        "verify_name_on_connect": false,
        "close_link_on_expiration": true,
    })
}

/// `HOST:PORT`, without anything that zenoh would read as a further setting.
fn is_address(address: &str) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte));
    !host.is_empty() && plain && port.parse::<u16>().is_ok()
}

/// Whether all that an address stands for is on this machine and can't be reached from others.
fn is_loopback(address: &str) -> bool {
    let all: Vec<SocketAddr> = address.to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    !all.is_empty() && all.iter().all(|address| address.ip().is_loopback())
}
