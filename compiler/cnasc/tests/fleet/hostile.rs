//! Who is not let in, what is not executed, and messages that nobody should send.

use crate::processes::{LONG, Processes, local, members, pixels};
use cnasc_fleet::remote::protocol::RefusalKind;
use cnasc_fleet::remote::{Keys, RemoteError};
use cnasc_transport::net::{COORDINATOR, Net, NetError};
use serde_json::Value;
use std::time::Duration;

/// Removes a node from the lists of all other members.
fn lock_out(fleet: &Processes, node: &str, members: &[&str]) {
    for member in members {
        let path = fleet.folder.path().join(member).join("fleet.json");
        let mut list: Value = serde_json::from_slice(&std::fs::read(&path).expect("a list")).expect("JSON");
        list["nodes"].as_array_mut().expect("nodes").retain(|entry| entry["name"] != node);
        std::fs::write(&path, list.to_string()).expect("written");
    }
}

#[test]
fn who_is_not_listed_gets_nothing() {
    let mut fleet = Processes::new(3);
    lock_out(&fleet, "n2", &["n0", "n1", COORDINATOR]);
    fleet.start(0);
    fleet.start(1);
    let coordinator = fleet.coordinator();
    let stranger = fleet.member("n2");
    let call =
        |from: &Net| from.call("n0", "status", vec![], Duration::from_secs(5)).and_then(|call| call.wait(1 << 20));
    // Enough for the coordinator to see both nodes several times over.
    assert_eq!(stranger.wait_for(&["n0".to_owned()], Duration::from_secs(2)), ["n0"], "it is told of nobody");
    assert_eq!(call(&stranger), Err(NetError::Absent("n0".to_owned())), "it can call nobody");
    assert!(!coordinator.here().contains(&"n2".to_owned()), "nobody is told of it");
    assert!(coordinator.status("n0").is_ok());
    drop(stranger);
    // A node that is listed is seen, and can't call either: that is the coordinator's.
    fleet.kill(1);
    let node = fleet.member("n1");
    assert_eq!(node.wait_for(&["n0".to_owned()], LONG), Vec::<String>::new());
    assert_eq!(call(&node), Err(NetError::Absent("n0".to_owned())));
    assert!(coordinator.status("n0").is_ok());
    // One with certificates of another fleet does not even connect.
    let other = Processes::new(3);
    let mut settings = Keys::load(other.folder.path(), COORDINATOR).unwrap().settings(&[], &[]);
    settings.connect = Keys::load(fleet.folder.path(), COORDINATOR).unwrap().settings(&[], &[]).connect;
    let foreign = Net::join(&settings).expect("it has keys");
    assert_eq!(foreign.wait_for(&["n0".to_owned()], Duration::from_secs(2)), ["n0"]);
    assert_eq!(call(&foreign), Err(NetError::Absent("n0".to_owned())));
}

#[test]
fn only_what_is_signed_is_executed() {
    let fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let own_key = fleet.folder.path().join(COORDINATOR).join("sign.key");
    let key = std::fs::read(&own_key).expect("the coordinator's");
    let other = Processes::new(1);
    let false_key = std::fs::read(other.folder.path().join(COORDINATOR).join("sign.key")).expect("another's");
    let mut coordinator = fleet.coordinator();
    let nodes = members(&bundle, &coordinator);
    std::fs::write(&own_key, false_key).expect("written");
    let refused = coordinator.deploy(&bundle, &nodes);
    assert!(
        matches!(&refused, Err(RemoteError::Refused { refusal, .. }) if refusal.kind == RefusalKind::Signature),
        "{refused:?}"
    );
    assert!(coordinator.infer(&image).is_err(), "nothing was deployed");
    std::fs::write(&own_key, key).expect("written");
    coordinator.deploy(&bundle, &nodes).expect("signed by the fleet's own key");
    assert_eq!(coordinator.infer(&image).expect("an answer").output, local(&bundle, &image).output);
    drop(coordinator);
    hostile_calls(&fleet);
    let mut coordinator = fleet.coordinator();
    coordinator.deploy(&bundle, &nodes).expect("the nodes are still up");
    assert_eq!(coordinator.infer(&image).expect("an answer").output, local(&bundle, &image).output);
}

/// Calls that no coordinator makes: each is refused, or has no answer, and none does harm.
fn hostile_calls(fleet: &Processes) {
    let net = fleet.member(COORDINATOR);
    assert_eq!(net.wait_for(&["n0".to_owned()], LONG), Vec::<String>::new());
    let signed = {
        let keys = Keys::load(fleet.folder.path(), COORDINATOR).expect("its keys");
        let offer = format!(
            r#"{{"fleet":"home","node":"n0","run":{},"network":"x","part":"{}","bytes":10,"members":["n0"]}}"#,
            u64::MAX - 1,
            "ab".repeat(32),
        );
        let signature = keys.sign(offer.as_bytes()).expect("its key");
        serde_json::json!({ "offer": offer, "signature": signature }).to_string()
    };
    let altered = signed.replace("\\\"bytes\\\":10", "\\\"bytes\\\":11");
    assert_ne!(altered, signed);
    let garbage = |seed: u32, len: usize| {
        (0..len).map(|at| (seed.wrapping_add(at as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<u8>>()
    };
    let mut calls: Vec<(&str, Vec<u8>)> = vec![
        ("offer", altered.into_bytes()),
        ("offer", vec![b'['; 100_000]),
        ("start", br#"{"run":18446744073709551615,"patience_ms":18446744073709551615}"#.to_vec()),
        ("part", vec![0; 8 << 20]),
        ("infer", vec![255; 1 << 20]),
        ("nothing", vec![]),
    ];
    for seed in 0..100 {
        for verb in ["offer", "part", "start", "infer", "stop", "status"] {
            calls.push((verb, garbage(seed, seed as usize * 7)));
        }
    }
    for (verb, bytes) in calls {
        let answer = net.call("n0", verb, bytes, LONG).and_then(|call| call.wait(1 << 20));
        let answer = answer.unwrap_or_else(|error| panic!("{verb}: {error}"));
        assert!(verb == "status" || String::from_utf8_lossy(&answer).contains("\"Err\""), "{verb} was taken");
    }
    // A signed offer for which other bytes come.
    let call = |verb: &str, bytes: Vec<u8>| net.call("n1", verb, bytes, LONG).and_then(|call| call.wait(1 << 20));
    let for_another = call("offer", signed.into_bytes()).expect("an answer");
    assert!(String::from_utf8_lossy(&for_another).contains("another node"), "it is for n0");
}

/// As many as a node may be sent in a day of probing, of every kind, while it is watched; some seconds.
#[test]
fn a_hundred_thousand_hostile_messages() {
    let mut fleet = Processes::running(4);
    let bundle = fleet.bundle();
    let image = pixels(&bundle);
    let mut coordinator = fleet.coordinator();
    let nodes = members(&bundle, &coordinator);
    coordinator.deploy(&bundle, &nodes).expect("all are there");
    let wanted = coordinator.infer(&image).expect("an answer").output;
    drop(coordinator);
    let net = fleet.member(COORDINATOR);
    assert_eq!(net.wait_for(&["n0".to_owned()], LONG), Vec::<String>::new());
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    let shapes: [&[u8]; 4] = [
        br#"{"offer":"{\"fleet\":\"home\",\"node\":\"n0\",\"run\":7}","signature":"00"}"#,
        br#"{"run":7,"patience_ms":10}"#,
        &[0; 200],
        b"",
    ];
    let mut waiting = std::collections::VecDeque::new();
    for _ in 0..100_000 {
        let verb = ["offer", "part", "start", "infer", "stop", "status", "clock", "other"][random() % 8];
        let mut bytes = shapes[random() % 4].to_vec();
        for _ in 0..random() % 8 {
            let place = random() % (bytes.len() + 1);
            match random() % 3 {
                0 => bytes.truncate(place),
                1 => bytes.insert(place, random() as u8),
                _ => bytes.iter_mut().skip(place).step_by(7).for_each(|byte| *byte ^= 0x5a),
            }
        }
        waiting.push_back(net.call("n0", verb, bytes, LONG).expect("it is sent"));
        // So many as a node keeps waiting; it does not answer more, which is no answer to wait for either.
        if waiting.len() >= 32 {
            let answer = waiting.pop_front().expect("some wait").wait(1 << 20);
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
    drop(waiting);
    drop(net);
    assert!(fleet.nodes[0].as_mut().expect("it runs").try_wait().expect("it is ours").is_none(), "it ended");
    let mut coordinator = fleet.coordinator();
    coordinator.deploy(&bundle, &nodes).expect("all are there");
    assert_eq!(coordinator.infer(&image).expect("an answer").output, wanted);
}
