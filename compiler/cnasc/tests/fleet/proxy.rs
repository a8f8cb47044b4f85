//! What stands between the members of a fleet and can be cut: a relay in front of each node, at the address that the others know.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a relay looks whether it is cut.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The relay of a node. While it is cut, nothing passes, nobody is told, and nobody new gets in, as where a cable is pulled; afterwards what was
/// on its way arrives.
#[derive(Clone)]
pub struct Relay {
    cut: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl Relay {
    /// From where others come to where the node listens.
    pub fn start(listener: TcpListener, node: SocketAddr) -> Self {
        let relay = Self { cut: Arc::default(), ended: Arc::default() };
        let own = relay.clone();
        listener.set_nonblocking(true).expect("a socket can be asked whether somebody is there");
        std::thread::spawn(move || own.accept(&listener, node));
        relay
    }

    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::Relaxed);
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed) && !self.has_ended()
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn accept(&self, listener: &TcpListener, node: SocketAddr) {
        while !self.has_ended() {
            if self.is_cut() {
                std::thread::sleep(LOOK_AGAIN);
                continue;
            }
            let Ok((outer, _)) = listener.accept() else {
                std::thread::sleep(LOOK_AGAIN);
                continue;
            };
            // Where the node does not run, whoever came is turned away.
            let Ok(inner) = TcpStream::connect(node) else { continue };
            let both = [&outer, &inner].map(TcpStream::try_clone);
            let [Ok(outer_again), Ok(inner_again)] = both else { continue };
            for (from, to) in [(outer, inner_again), (inner, outer_again)] {
                let own = self.clone();
                std::thread::spawn(move || own.pass_on(from, to));
            }
        }
    }

    fn pass_on(&self, mut from: TcpStream, mut to: TcpStream) {
        let _ = from.set_nonblocking(false);
        let _ = to.set_nodelay(true);
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            while self.is_cut() {
                std::thread::sleep(LOOK_AGAIN);
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        // Each side ends when the other does.
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
