"""Partitions each hypergraph of a list with Mt-KaHyPar and prints what it found.

Usage: rival.py LIST [PRESET]; needs `pip install mtkahypar`. A line of LIST is "FILE.hgr K EPSILON".
Prints a line for each: for each of five seeds km1, imbalance and seconds of processor time, separated by spaces. One thread.
"""
import sys
import time

import mtkahypar

partitioner = mtkahypar.initialize(1)
preset = getattr(mtkahypar.PresetType, sys.argv[2] if len(sys.argv) > 2 else "QUALITY")
for line in open(sys.argv[1]):
    path, parts, epsilon = line.split()
    context = partitioner.context_from_preset(preset)
    context.set_partitioning_parameters(int(parts), float(epsilon), mtkahypar.Objective.KM1)
    context.logging = False
    hypergraph = partitioner.hypergraph_from_file(path, context, mtkahypar.FileFormat.HMETIS)
    row = []
    for seed in range(5):
        mtkahypar.set_seed(seed)
        start = time.process_time()
        found = hypergraph.partition(context)
        took = time.process_time() - start
        row += [found.km1(), found.imbalance(context), took]
    print(*row, flush=True)
