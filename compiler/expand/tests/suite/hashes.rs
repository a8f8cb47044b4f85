//! Full hashes of drawn networks. They are part of the language: they hold on every platform, in every build and for ever. A
//! change here changes every architecture ever published.

use crate::drawings::{FAMILIES, policies};
use crate::programs::{fashion, generator, program};
use cnasc_base::Seed;
use cnasc_expand::expand;
use std::fmt::Write as _;

#[test]
fn identities_are_pinned() {
    let program = program();
    let mut text = String::new();
    let families = FAMILIES.into_iter().chain([("local", &[32.0, 4.1][..]), ("distance_dfs", &[32.0, 0.75, 0.5, 1.0])]);
    for (name, args) in families {
        for seed in [0, 1, 4_294_967_297] {
            for (policy, staging) in policies() {
                let network = fashion(&program, generator(&program, name, args), 8, "sepconv", staging);
                let architecture = expand(&program, &network, &Seed::new(seed)).expect("the network fits");
                writeln!(text, "{name} {policy} {seed}: {}", architecture.hash()).expect("a string takes everything");
            }
        }
    }
    insta::assert_snapshot!(text);
}
