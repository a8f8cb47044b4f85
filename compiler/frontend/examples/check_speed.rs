//! How long a 10,000-line program takes to parse and check: `cargo run --release -p cnasc-frontend --example check_speed`.

use cnasc_base::Sources;
use std::time::Instant;

/// Five declarations, their names ending in a number.
fn declarations(number: usize) -> String {
    format!(
        "/// Boards on a switch.
fleet shelf{number} {{
    node pi[4]: rpi4
    link pi <-> pi: 1 Gbit/s, 200 us
}}

/// Near nodes connect.
generator local{number}(n: int, reach: real) {{
    nodes n
    edge(i, j) with probability 0.9 * exp(-ring(i, j) / reach)
}}

staging gentle{number} {{
    policy   probabilistic(0.5)
    channels double up to 256
    shrink   maxpool(2)
}}

network fashion{number}(wiring: generator, width: int) {{
    input image(1, 28, 28)
    stem  conv(3, width) -> bn -> relu
    body  wiring of sepconv staged gentle{number}
    head  global_avg -> linear(10)
}}

search edge{number} {{
    over     fashion{number}(wiring: local{number}(n: in {{16, 24}}, reach: in log 1.0 .. 16.0), width: in {{16, 32}})
    on       shelf{number}
    where    params <= 1.5 M
    minimize concurrency_score
    budget   2000 candidates
    seed     7
}}

"
    )
}

fn main() {
    let mut program = "use std::blocks::sepconv\nuse std::devices::rpi4\n\n".to_owned();
    let mut lines = 3;
    for number in 0.. {
        if lines >= 10_000 {
            break;
        }
        let more = declarations(number);
        lines += more.lines().count();
        program.push_str(&more);
    }
    println!("{lines} lines, {} bytes", program.len());
    report("parse alone", || {
        let (_, errors) = cnasc_grammar::parse(&program);
        assert!(errors.is_empty(), "the program above is right");
    });
    report("check, parsing included", || {
        let mut sources = Sources::default();
        let file = sources.add("long.cnas", &program);
        let (checked, _) = cnasc_frontend::compile(&mut sources, file);
        assert!(checked.is_some(), "the program above is right");
    });
}

fn report(what: &str, work: impl Fn()) {
    let mut times: Vec<f64> = (0..31)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what}: median {:.1} ms, least {:.1} ms", times[times.len() / 2], times[0]);
}
