"""The loop of a search as one writes it in Python: draw a graph with networkx, partition it with Mt-KaHyPar, compute the score.

    target/peers/bin/python tests/peers/search_loop.py [--candidates 60] [--preset DEFAULT]

The same as a candidate of `minimize concurrency_score` over `ws(n: 96, k: 4, p: …)` on four devices takes here, but for the networks' layers,
which this loop does not make: a small world, edges from lower to higher numbers, an input and an output, five bounds of balance, and the
least (δ_w · Λ′^1.5 · η)^(1/3). Prints candidates a second of one thread.
"""

import argparse
import random
import time

import mtkahypar
import networkx as nx

NODES, NEAR, PARTS = 96, 4, 4
BALANCES = [0.02, 0.05, 0.1, 0.2, 0.5]


def draw(rng):
    """A DAG with the input and the output as further nodes."""
    ring = nx.watts_strogatz_graph(NODES, NEAR, rng.random(), seed=rng.randrange(2**31))
    graph = nx.DiGraph((min(edge), max(edge)) for edge in ring.edges)
    graph.add_nodes_from(ring.nodes)
    graph.add_edges_from([("in", node) for node in list(graph) if graph.in_degree(node) == 0])
    graph.add_edges_from([(node, "out") for node in list(graph) if graph.out_degree(node) == 0 and node != "in"])
    return graph


def score(graph, partitioner, preset):
    order = list(nx.topological_sort(graph))
    place = {node: index for index, node in enumerate(order)}
    edges = [[place[node], *(place[to] for to in graph.successors(node))] for node in order if graph.out_degree(node)]
    weights = [0 if node in ("in", "out") else 10 + graph.in_degree(node) for node in order]
    bytes_of = [4096] * len(edges)
    depth = {}
    for node in order:
        counts = node not in ("in", "out")
        depth[node] = max((depth[before] for before in graph.predecessors(node)), default=0) + counts
    eta = max(depth.values()) / (NODES / PARTS)
    best = None
    for balance in BALANCES:
        context = partitioner.context_from_preset(preset)
        context.set_partitioning_parameters(PARTS, balance, mtkahypar.Objective.KM1)
        context.logging = False
        hypergraph = partitioner.create_hypergraph(context, len(order), len(edges), edges, weights, bytes_of)
        found = hypergraph.partition(context)
        loads = [found.block_weight(part) for part in range(PARTS)]
        delta = max(loads) / (sum(loads) / PARTS)
        communication = max(found.km1() / 4096 / PARTS, 1 / PARTS)
        value = (delta * communication**1.5 * eta) ** (1 / 3)
        best = value if best is None else min(best, value)
    return best


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--candidates", type=int, default=60)
    options.add_argument("--preset", default="DEFAULT")
    args = options.parse_args()
    partitioner = mtkahypar.initialize(1)
    preset = getattr(mtkahypar.PresetType, args.preset)
    rng = random.Random(1)
    start = time.process_time()
    best = min(score(draw(rng), partitioner, preset) for _ in range(args.candidates))
    seconds = time.process_time() - start
    print(f"{args.candidates / seconds:.1f} candidates a second, best {best:.3f}")


if __name__ == "__main__":
    main()
