//! Runs: that they learn, that they repeat, and that they go on where they were.

use crate::graphs::{patterns, separable};
use cnasc_ir::architecture::Preprocess;
use cnasc_train::{
    Augment, Network, Noise, Optimizer, Schedule, Settings, State, TrainError, Trainer, checkpoint, evaluate,
    initial_weights,
};

fn settings() -> Settings {
    Settings {
        epochs: 8,
        batch: 16,
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        rate: 0.1,
        schedule: Schedule::Cosine,
        warmup: 0.5,
        decay: 1e-4,
        smoothing: 0.1,
        mixup: 0.0,
        augment: Augment { shift: 1, flip: true, cutout: 0 },
        noise: Noise::default(),
        clip: Some(5.0),
        average: None,
        patience: None,
        seed: 1,
    }
}

/// Trains for so many epochs.
fn train(settings: &Settings, epochs: u32, state: Option<State>) -> (Network, State) {
    let network = Network::new(&separable(6), 2).expect("it can be trained");
    let images = patterns(160, 1);
    let preprocess = images.statistics();
    let trainer = Trainer::new(&network, settings, &preprocess, &images).expect("they fit");
    let mut state = state.unwrap_or_else(|| trainer.begin(initial_weights(network.graph(), settings.seed)));
    for _ in 0..epochs {
        trainer.epoch(&mut state, &mut |_| {}).expect("it does not diverge");
    }
    (network, state)
}

fn accuracy(network: &Network, state: &State) -> f32 {
    let seen = patterns(160, 1).statistics();
    evaluate(network, state.result(), &seen, &patterns(100, 2), 32).accuracy
}

#[test]
fn patterns_are_learnt() {
    let (network, state) = train(&settings(), 8, None);
    let found = accuracy(&network, &state);
    assert!(found > 0.95, "{found} of images that it has never seen");
}

#[test]
fn every_other_way_learns_as_well() {
    let settings = Settings {
        optimizer: Optimizer::AdamW,
        rate: 0.02,
        schedule: Schedule::Step { every: 4, factor: 0.3 },
        mixup: 0.2,
        noise: Noise { edge: 0.1, path: 0.1, dropout: 0.1 },
        augment: Augment { shift: 0, flip: false, cutout: 2 },
        average: Some(0.9),
        ..settings()
    };
    let (network, state) = train(&settings, 8, None);
    let found = accuracy(&network, &state);
    assert!(found > 0.9, "{found} of images that it has never seen");
    assert_ne!(state.result(), &state.weights);
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let (network, state) = train(&settings(), 2, None);
    let (_, again) = train(&settings(), 2, None);
    let (_, other) = train(&Settings { seed: 2, ..settings() }, 2, None);
    let bytes = |state: &State| checkpoint::write(network.graph(), state, "run").expect("it can be written");
    assert_eq!(bytes(&state), bytes(&again));
    assert_ne!(bytes(&state), bytes(&other));
}

#[test]
fn going_on_is_as_never_having_stopped() {
    for settings in [settings(), Settings { optimizer: Optimizer::AdamW, average: Some(0.9), ..settings() }] {
        let (network, whole) = train(&settings, 4, None);
        let (_, mut half) = train(&settings, 2, None);
        half.judge(0.5);
        let graph = network.graph();
        let bytes = checkpoint::write(graph, &half, "a\nrun").expect("it can be written");
        let (_, fresh) = train(&settings, 0, None);
        let read = checkpoint::read(&bytes, graph, "a run", &fresh).expect("it can be read");
        assert_eq!(read, half);
        let (_, mut resumed) = train(&settings, 2, Some(read));
        resumed.best = None;
        assert_eq!(resumed, whole);
    }
}

#[test]
fn damaged_and_strange_checkpoints_are_refused() {
    let (network, state) = train(&settings(), 0, None);
    let graph = network.graph();
    let bytes = checkpoint::write(graph, &state, "run").expect("it can be written");
    assert!(checkpoint::read(&bytes, graph, "run", &state).is_ok());
    for cut in (0..bytes.len()).step_by(97) {
        assert!(checkpoint::read(&bytes[..cut], graph, "run", &state).is_err(), "cut at {cut}");
    }
    let other = checkpoint::read(&bytes, graph, "another", &state).expect_err("it is of another run");
    assert!(other.contains("of another run"), "{other}");
    assert!(checkpoint::read(&bytes, separable_other().graph(), "run", &state).is_err(), "of another network");
    let mut wanting = state.clone();
    wanting.average = wanting.weights.clone();
    let lacking = checkpoint::read(&bytes, graph, "run", &wanting).expect_err("it has no averages");
    assert!(lacking.contains("lacks the tensor `average/"), "{lacking}");
}

fn separable_other() -> Network {
    let mut graph = separable(6);
    graph.params[0].name = "other".to_owned();
    Network::new(&graph, 2).expect("it can be trained")
}

#[test]
fn it_stops_where_it_gets_no_better() {
    let settings = Settings { patience: Some(2), ..settings() };
    let (network, mut state) = train(&settings, 0, None);
    let images = patterns(16, 1);
    let preprocess = images.statistics();
    let trainer = Trainer::new(&network, &settings, &preprocess, &images).expect("they fit");
    let mut after = |epoch, accuracy| {
        state.epoch = epoch;
        state.judge(accuracy);
        trainer.is_done(&state)
    };
    assert_eq!([after(1, 0.5), after(2, 0.6), after(3, 0.6), after(4, 0.5)], [false, false, false, true]);
    assert!(after(8, 0.9), "all epochs are done");
}

#[test]
fn what_does_not_fit_is_refused() {
    let network = Network::new(&separable(6), 2).expect("it can be trained");
    let images = patterns(16, 1);
    let preprocess = Preprocess::default();
    let refused = |settings: &Settings| Trainer::new(&network, settings, &preprocess, &images).is_err();
    assert!(!refused(&settings()));
    let wrong: [fn(&mut Settings); 8] = [
        |settings| settings.noise.path = 1.5,
        |settings| settings.noise.dropout = 1.0,
        |settings| settings.rate = f32::NAN,
        |settings| settings.batch = 0,
        |settings| settings.smoothing = 1.0,
        |settings| settings.mixup = 2.0,
        |settings| settings.clip = Some(0.0),
        |settings| settings.average = Some(1.0),
    ];
    for change in wrong {
        let mut settings = settings();
        change(&mut settings);
        assert!(refused(&settings), "{settings:?}");
    }
    let mut strange = images.clone();
    strange.labels[3] = 4;
    assert!(Trainer::new(&network, &settings(), &preprocess, &strange).is_err(), "a fifth class");
}

#[test]
fn a_run_that_diverges_says_so() {
    let settings = Settings { rate: 1e30, clip: None, warmup: 0.0, ..settings() };
    let network = Network::new(&separable(6), 2).expect("it can be trained");
    let images = patterns(160, 1);
    let preprocess = images.statistics();
    let trainer = Trainer::new(&network, &settings, &preprocess, &images).expect("they fit");
    let mut state = trainer.begin(initial_weights(network.graph(), 1));
    let end = (0..3).find_map(|_| trainer.epoch(&mut state, &mut |_| {}).err());
    assert!(matches!(end, Some(TrainError::Diverged { .. })), "{end:?}");
}
