//! Prints how long tensors take from one process to another: over plain TCP, TCP inside TLS, and this crate's endpoints inside mutual TLS.
//! `cargo run --release -p cnasc-transport --features net --example over_tcp`
//!
//! Half the median of many round trips, all four ways in turn, so that what else the machine does falls on all alike. The other process is started
//! from here; between two machines, or two network namespaces, it is `over_tcp echo FOLDER HOST:PORT` there, and then
//! `over_tcp call FOLDER HOST:PORT` here, where the folder is the same: who calls writes certificates into it.

use cnasc_ir::{DeviceId, TensorId};
use cnasc_transport::net::{Certificates, Net, Networked, Role, Settings, prepare};
use cnasc_transport::{Endpoint, Expected, Frame, Payload};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of the tensors: from 4 KiB to 4 MiB.
const SIZES: [usize; 6] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20];

const TENSOR: TensorId = TensorId(0);

/// Between round trips, so that threads fall asleep as they do in a fleet.
const PAUSE: Duration = Duration::from_micros(300);

const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> Outcome<()> {
    // SAFETY: there is no other thread yet.
    #[allow(unsafe_code, reason = "zenoh takes this from its environment alone")]
    unsafe {
        prepare();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => {
            let folder = tempfile::tempdir()?;
            make_certificates(folder.path())?;
            let address = "127.0.0.1:7461";
            let mut other =
                Command::new(std::env::current_exe()?).args(["echo"]).arg(folder.path()).arg(address).spawn()?;
            let called = call(folder.path(), address.parse()?);
            // It has ended by itself where all went well.
            let _ = other.kill();
            other.wait()?;
            called
        }
        ["certificates", folder] => make_certificates(Path::new(folder)),
        ["echo", folder, address] => echo(Path::new(folder), address.parse()?),
        ["call", folder, address] => call(Path::new(folder), address.parse()?),
        _ => Err("over_tcp [certificates FOLDER | echo FOLDER HOST:PORT | call FOLDER HOST:PORT]".into()),
    }
}

/// Sends each tensor back.
fn echo(folder: &Path, address: SocketAddr) -> Outcome<()> {
    let listener = TcpListener::bind(next(address, 1))?;
    let net = Net::join(&settings(folder, "b", &[address.to_string()], &[]))?;
    net.announce()?;
    let plain = accepted(&listener)?;
    let inside = accepted(&listener)?;
    let connection = ServerConnection::new(Arc::new(serving(folder)?))?;
    let threads = [
        std::thread::spawn(move || echo_stream(plain)),
        std::thread::spawn(move || echo_stream(StreamOwned::new(connection, inside))),
    ];
    for (at, bytes) in SIZES.into_iter().enumerate() {
        let mut end = endpoint(&net, at, 1, bytes)?;
        let mut values = vec![0.0; bytes / 4];
        let mut buffer = Payload::from(values.as_slice());
        for round in 0..rounds(bytes) {
            receive(&mut end, round, &mut values)?;
            send(&mut end, round, &values, &mut buffer)?;
        }
        // What waits to be sent leaves before the endpoint does.
        end.flush()?;
    }
    for thread in threads {
        thread.join().map_err(|_| "a thread of the echo panicked")??;
    }
    Ok(())
}

fn echo_stream(mut stream: impl Read + Write) -> Outcome<()> {
    for bytes in SIZES {
        let mut buffer = vec![0; bytes];
        for _ in 0..rounds(bytes) {
            stream.read_exact(&mut buffer)?;
            stream.write_all(&buffer)?;
            stream.flush()?;
        }
    }
    // Until the caller leaves: it is still to get the last tensor.
    let _ = stream.read(&mut [0]);
    Ok(())
}

fn call(folder: &Path, address: SocketAddr) -> Outcome<()> {
    let net = Net::join(&settings(folder, "a", &[], &[address.to_string()]))?;
    net.announce()?;
    if !net.wait_for(&["b".to_owned()], PATIENCE).is_empty() {
        return Err("the echo does not answer".into());
    }
    let mut plain = connected(next(address, 1))?;
    let connection = ClientConnection::new(Arc::new(calling(folder)?), ServerName::try_from("b")?)?;
    let mut inside = StreamOwned::new(connection, connected(next(address, 1))?);
    println!("  bytes    TCP µs    TLS µs   ours µs   over TCP   over TLS");
    for (at, bytes) in SIZES.into_iter().enumerate() {
        let mut end = endpoint(&net, at, 0, bytes)?;
        let mut values = vec![1.0; bytes / 4];
        let mut payload = Payload::from(values.as_slice());
        let mut buffer = vec![1; bytes];
        let mut times: [Vec<f64>; 3] = Default::default();
        for round in 0..rounds(bytes) {
            times[0].push(timed(|| round_trip(&mut plain, &mut buffer))?);
            times[1].push(timed(|| round_trip(&mut inside, &mut buffer))?);
            times[2].push(timed(|| {
                send(&mut end, round, &values, &mut payload)?;
                receive(&mut end, round, &mut values)
            })?);
        }
        let [plain, inside, ours] = times.map(median);
        println!("{bytes:>7} {plain:>9.0} {inside:>9.0} {ours:>9.0} {:>10.2} {:>10.2}", ours / plain, ours / inside);
    }
    Ok(())
}

fn rounds(bytes: usize) -> u64 {
    if bytes > 300_000 { 60 } else { 300 }
}

/// Microseconds one way.
fn timed(round_trip: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    std::thread::sleep(PAUSE);
    let start = Instant::now();
    round_trip()?;
    Ok(start.elapsed().as_secs_f64() * 1e6 / 2.0)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn round_trip(stream: &mut (impl Read + Write), buffer: &mut [u8]) -> Outcome<()> {
    stream.write_all(buffer)?;
    stream.flush()?;
    Ok(stream.read_exact(buffer)?)
}

fn next(address: SocketAddr, by: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port() + by)
}

fn accepted(listener: &TcpListener) -> Outcome<TcpStream> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connected(address: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The end of one size's deployment, once the other one is reached.
fn endpoint(net: &Net, at: usize, device: u32, bytes: usize) -> Outcome<Networked> {
    let (own, other) = (DeviceId(device), DeviceId(1 - device));
    let mut end = net.endpoint(at as u64, own, &["a".to_owned(), "b".to_owned()])?;
    end.expect(&[Expected { from: other, tensor: TENSOR, len: bytes / 4 }]);
    if !end.links(&[other]).unreachable(PATIENCE).is_empty() {
        return Err("the other one can't be reached".into());
    }
    // It takes part as well by then: each waits for the other before anything is sent, and a tensor that comes too early would be lost.
    std::thread::sleep(Duration::from_millis(200));
    Ok(end)
}

fn send(end: &mut Networked, round: u64, values: &[f32], buffer: &mut Payload) -> Outcome<()> {
    buffer.set(values);
    let from = end.device();
    Ok(end.send(DeviceId(1 - from.0), Frame { inference: round, tensor: TENSOR, from, payload: buffer.clone() })?)
}

fn receive(end: &mut Networked, round: u64, into: &mut [f32]) -> Outcome<()> {
    let other = DeviceId(1 - end.device().0);
    Ok(end.receive(other, round, TENSOR, into, Instant::now() + PATIENCE)?)
}

fn settings(folder: &Path, name: &str, listen: &[String], connect: &[String]) -> Settings {
    Settings {
        fleet: "bench".to_owned(),
        name: name.to_owned(),
        role: Role::Node,
        nodes: vec!["a".to_owned(), "b".to_owned()],
        listen: listen.to_vec(),
        connect: connect.to_vec(),
        certificates: Some(Certificates {
            authority: folder.join("ca.pem"),
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        }),
    }
}

fn make_certificates(folder: &Path) -> Outcome<()> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate()?;
    std::fs::write(folder.join("ca.pem"), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    for name in ["a", "b"] {
        let key = KeyPair::generate()?;
        let mut own = CertificateParams::new(vec![name.to_owned()])?;
        own.distinguished_name.push(DnType::CommonName, name);
        std::fs::write(folder.join(format!("{name}.pem")), own.signed_by(&key, &issuer)?.pem())?;
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem())?;
    }
    Ok(())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn serving(folder: &Path) -> Outcome<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.join("b.pem"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("b.key"))?;
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(config.with_no_client_auth().with_single_cert(vec![certificate], key)?)
}

fn calling(folder: &Path) -> Outcome<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
