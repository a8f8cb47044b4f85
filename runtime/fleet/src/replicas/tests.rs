//! Images dealt to devices that each compute the whole network.

#![allow(clippy::panic, reason = "a failing test panics, in its helpers too")]

use super::deal;
use crate::{FleetError, Local, Replicas};
use cnasc_base::random::Seed;
use cnasc_bundle::{Bundle, sample};
use cnasc_ir::DeviceId;
use cnasc_ir::fleet::Backend;
use cnasc_ir::plan::Replica;

fn image(bundle: &Bundle, seed: u64) -> Vec<f32> {
    bundle.prepare(&sample::pixels(&Seed::new(seed))).unwrap()
}

/// A diamond of which all but the second of three devices take whole images; the last takes twice as long.
fn bundle(backend: Backend) -> Bundle {
    let mut bundle = sample::bundle(&sample::diamond(4), 3, backend, &Seed::new(1)).alone(backend).unwrap();
    let device = bundle.fleet.devices[0].clone();
    let like = |name: &str| cnasc_ir::fleet::Device { name: name.to_owned(), ..device.clone() };
    bundle.fleet.devices = vec![like("a"), like("b"), like("c")];
    bundle.fleet.links = vec![vec![None; 3]; 3];
    bundle.plan.order.extend([Vec::new(), Vec::new()]);
    bundle.plan.replicas =
        vec![Replica { device: DeviceId(0), latency: 1.0 }, Replica { device: DeviceId(2), latency: 2.0 }];
    bundle.verify().unwrap();
    bundle
}

#[test]
fn images_go_where_they_end_first() {
    assert_eq!(deal(5, &[1.0, 1.0]), [vec![0, 2, 4], vec![1, 3]]);
    assert_eq!(deal(6, &[1.0, 2.0]), [vec![0, 1, 3, 4], vec![2, 5]]);
    assert_eq!(deal(2, &[3.0, 1.0, 1.0]), [vec![], vec![0], vec![1]]);
    assert_eq!(deal(0, &[1.0]), [Vec::<usize>::new()]);
}

#[test]
fn answers_come_in_the_order_of_the_images() {
    for backend in [Backend::Reference, Backend::Jit] {
        let bundle = bundle(backend);
        let images: Vec<Vec<f32>> = (0..7).map(|number| image(&bundle, number)).collect();
        let batch = Replicas::start(&bundle).unwrap().infer(&images).unwrap();
        let mut one = Local::start(&bundle.alone(backend).unwrap()).unwrap();
        let mut counts = [0; 3];
        for (image, answer) in images.iter().zip(&batch.answers) {
            assert_eq!(answer.output, one.infer(image).unwrap().output);
            let [report] = answer.devices.as_slice() else { panic!("one device computes an image: {answer:?}") };
            assert_eq!(report.operators, bundle.graph.steps.len() - 1);
            counts[report.device.index()] += 1;
        }
        assert_eq!(counts, [5, 0, 2], "each as often as it is fast");
        assert!(batch.throughput() > 0.0);
    }
}

#[test]
fn nothing_to_do_and_wrong_images() {
    let bundle = bundle(Backend::Reference);
    let mut replicas = Replicas::start(&bundle).unwrap();
    assert_eq!(replicas.infer(&[]).unwrap().answers, []);
    let images = [image(&bundle, 1), vec![0.0; 3]];
    assert!(matches!(replicas.infer(&images), Err(FleetError::Image { found: 3, .. })));
    assert_eq!(replicas.infer(&images[..1]).unwrap().answers.len(), 1, "it goes on");
    let spread = sample::bundle(&sample::diamond(4), 2, Backend::Reference, &Seed::new(1));
    assert!(matches!(Replicas::start(&spread), Err(FleetError::NoReplicas)));
}
