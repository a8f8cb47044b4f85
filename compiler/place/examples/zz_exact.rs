//! x
use cnasc_base::random::Seed;
use cnasc_place::hypergraph::hmetis;
use cnasc_place::partition::{Request, exact, partition};
use cnasc_place::Effort;
static NODES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
fn main() {
    let most: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let (mut all, mut ok) = (0, 0); let start = std::time::Instant::now();
    for line in std::fs::read_to_string("/tmp/part_rivals/list.txt").unwrap().lines().enumerate() {
        let w: Vec<&str> = line.1.split(' ').collect();
        let k: usize = w[1].parse().unwrap();
        if k > 4 { continue; } if let Ok(o) = std::env::var("ONLY") { if !o.split(',').any(|x| x == line.0.to_string()) { continue; } }
        let g = hmetis::read(&std::fs::read_to_string(w[0]).unwrap()).unwrap();
        if g.vertices() > 32 { continue; }
        let eps: f64 = if (line.0 / 40) % 2 == 0 { 0.03 } else { 0.1 };
        let targets = vec![1.0; k];
        let request = Request { targets: &targets, bound: 1.0 + eps, effort: Effort::THOROUGH, known: None };
        let p = partition(&g, &request, &Seed::new(1));


        let t = std::time::Instant::now();
        let proof = exact::prove(&g, &request, &p, most);
        NODES.fetch_add(proof.nodes, std::sync::atomic::Ordering::Relaxed); all += 1; ok += u32::from(proof.optimal);

        if !proof.optimal || proof.partition.connectivity < p.connectivity || t.elapsed().as_secs_f64() > 0.0 {
            println!("{} n {} k {k} eps {eps} pins {} {} -> {} optimal {} nodes {} {:.2}s bound {}", line.0 % 40, g.vertices(), g.pin_count(), p.connectivity, proof.partition.connectivity, proof.optimal, proof.nodes, t.elapsed().as_secs_f64(), p.bound);
        }
    }
    println!("{ok} of {all} nodes {} {:.1}s", NODES.load(std::sync::atomic::Ordering::Relaxed), start.elapsed().as_secs_f64());
}
