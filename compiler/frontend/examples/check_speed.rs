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
    let mut times: Vec<f64> = (0..15).map(|_| milliseconds(&program)).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{lines} lines, {} bytes: median {:.1} ms, least {:.1} ms",
        program.len(),
        times[times.len() / 2],
        times[0]
    );
}

fn milliseconds(program: &str) -> f64 {
    let mut sources = Sources::default();
    let file = sources.add("long.cnas", program);
    let start = Instant::now();
    let (checked, _) = cnasc_frontend::compile(&mut sources, file);
    let spent = start.elapsed().as_secs_f64() * 1e3;
    assert!(checked.is_some(), "the program above is right");
    spent
}
