//! x
use cnasc_base::{Seed, Sources};
use cnasc_place::{Effort, ScoreOptions, Workload, score};
use cnasc_search::draw;
use std::collections::BTreeMap;
use std::time::Instant;
fn main() {
    let text = include_str!("candidate_speed.rs");
    let start = text.find("use std::blocks").unwrap(); let end = text.find("\"\n    )").unwrap();
    let text = text[start..end].replace("{{", "{").replace("}}", "}").replace("{nodes}", "96");
    let mut sources = Sources::default();
    let file = sources.add("speed.cnas", text);
    let (program, _) = cnasc_frontend::compile(&mut sources, file);
    let program = program.unwrap();
    let search = &program.searches[0];
    let mut best = [f64::MAX; 3];
    for _ in 0..10 {
        let mut t = [0.0; 3];
        for seed in 0..200 {
            let s = Instant::now();
            let drawn = draw(&program, &search.over, &BTreeMap::new(), seed).unwrap();
            t[0] += s.elapsed().as_secs_f64();
            let s = Instant::now();
            let w = Workload::sketch(&drawn.architecture).unwrap();
            t[1] += s.elapsed().as_secs_f64();
            let s = Instant::now();
            let o = ScoreOptions { effort: Effort { starts: 0, steps: 20 }, ..ScoreOptions::fast(Seed::new(seed)) };
            std::hint::black_box(score(&w, 4, &o));
            t[2] += s.elapsed().as_secs_f64();
        }
        for i in 0..3 { best[i] = f64::min(best[i], t[i]); }
    }
    println!("{:?} us", best.map(|b| b * 1e6 / 200.0));
}
