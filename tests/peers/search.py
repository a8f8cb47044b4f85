"""Searches of cnasc beside Optuna's samplers: the same spaces, as many candidates, the median hypervolume over seeds.

    cargo build --release -p cnasc-search --example search_rivals
    target/peers/bin/python tests/peers/search.py target/release/examples/search_rivals [--seeds 20] [--budget 1000] [--jobs 2]

Both judge candidates by the same code. A candidate is its variables and the number that its graph is drawn from. For Optuna's NSGA-II that
number is one more variable, so that children may inherit it, as they do here; TPE gets a new one each time, as it does here. Violations
of constraints are known to both. The hypervolume is that of the kept candidates below the worst values of a random sample, as a share of
the box from there to the best values that anyone found.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
OURS = ["random", "evolution", "nsga2", "tpe"]
THEIRS = ["optuna random", "optuna nsga2", "optuna tpe"]
GRAPHS = 2**31 - 1


def lines(text):
    """Answers as (values or None, violation)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if words[0] == "kept":
            found.append(([float(word) for word in words[1:]], 0.0))
        else:
            found.append((None, float(words[1]) if words[0] == "missed" else 1e3))
    return found


def ours(binary, space, strategy, seed, budget):
    command = [binary, space, "run", strategy, str(seed), str(budget)]
    return lines(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def variables(binary, space):
    """(name, kind, arguments, condition) of each, those that others depend on first."""
    text = subprocess.run([binary, space, "space"], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        line, _, condition = line.partition(" if ")
        name, kind, *arguments = line.split()
        yield name, kind, arguments, condition.split()


def suggest(trial, space):
    chosen = {}
    for name, kind, arguments, condition in space:
        if condition and chosen.get(condition[0]) != condition[1]:
            continue
        if kind == "choice":
            chosen[name] = trial.suggest_categorical(name, arguments)
        elif kind == "int":
            low, high, step = map(int, arguments)
            chosen[name] = trial.suggest_int(name, low, high - (high - low) % step, step=step)
        else:
            low, high = map(float, arguments[:2])
            step = None if arguments[2] == "-" else float(arguments[2])
            chosen[name] = trial.suggest_float(name, low, high, step=step, log=arguments[3] == "true")
    return chosen


def theirs(binary, file, sampler, seed, budget):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = list(variables(binary, file))
    judge = subprocess.Popen([binary, file, "evaluate"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    found = []

    def objective(trial):
        chosen = suggest(trial, space)
        inherits = sampler == "optuna nsga2"
        graph = trial.suggest_int("graph", 0, GRAPHS) if inherits else seed * 1_000_003 + trial.number
        judge.stdin.write(" ".join([str(graph), *(f"{name}={value}" for name, value in chosen.items())]) + "\n")
        (values, violation), = lines(judge.stdout.readline())
        found.append((values, violation))
        trial.set_user_attr("violation", violation)
        # What was not computed is far off.
        return values or [1e9] * count

    count = sum(line.strip().startswith(("minimize", "maximize")) for line in pathlib.Path(file).read_text().splitlines())
    constrained = {}
    if "where" in pathlib.Path(file).read_text():
        constrained["constraints_func"] = lambda trial: (trial.user_attrs["violation"],)
    samplers = {
        "optuna random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "optuna nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, **constrained),
        "optuna tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, **constrained),
    }
    study = optuna.create_study(directions=["minimize"] * count, sampler=samplers[sampler]())
    study.optimize(objective, n_trials=budget)
    judge.stdin.close()
    judge.wait()
    return found


def volume(points, reference, ideal):
    """The part of the box between `ideal` and `reference` that two-dimensional points dominate."""
    span = [worst - best for worst, best in zip(reference, ideal)]
    scaled = [[(value - best) / extent for value, best, extent in zip(point, ideal, span)] for point in points]
    total, right = 0.0, 1.0
    for x, y in sorted((p for p in scaled if max(p) < 1), key=lambda p: (p[1], p[0])):
        if x < right:
            total += (right - x) * (1 - y)
            right = x
    return total


def run(job):
    binary, space, sampler, seed, budget = job
    judged = (theirs if sampler.startswith("optuna") else ours)(binary, space, sampler, seed, budget)
    return sampler, [values for values, _ in judged if values], len(judged)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("binary")
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--budget", type=int, default=1000)
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--only", nargs="*", default=OURS + THEIRS)
    options.add_argument("--spaces", nargs="*", default=["two", "constrained", "mixed"])
    options.add_argument("--cache", help="a file that results are kept in between runs")
    args = options.parse_args()
    file = lambda name: str(HERE / "search" / f"{name}.cnas")
    kept = lambda job: " ".join([pathlib.Path(job[1]).stem, *map(str, job[2:])])
    cache = json.loads(pathlib.Path(args.cache).read_text()) if args.cache and os.path.exists(args.cache) else {}
    # Seed by seed, so that what an interrupted run leaves in the cache is as many of each.
    jobs = [
        (args.binary, file(name), sampler, seed, args.budget)
        for seed in range(args.seeds) for name in args.spaces for sampler in args.only
    ]
    missing = [job for job in jobs if kept(job) not in cache]
    with concurrent.futures.ProcessPoolExecutor(args.jobs) as pool:
        for job, (_, values, judged) in zip(missing, pool.map(run, missing)):
            assert judged == args.budget, f"{job}: {judged} candidates"
            cache[kept(job)] = values
            if args.cache:
                pathlib.Path(args.cache).write_text(json.dumps(cache))
    print("| space | " + " | ".join(args.only) + " |\n| --- |" + " --- |" * len(args.only))
    for name in args.spaces:
        sample = [values for values, _ in ours(args.binary, file(name), "random", 10**6, 4000) if values]
        reference = [max(column) for column in zip(*sample)]
        here = [job for job in jobs if job[1] == file(name)]
        everything = sample + [values for job in here for values in cache[kept(job)]]
        ideal = [min(column) for column in zip(*everything)]
        volumes = {sampler: [] for sampler in args.only}
        for job in here:
            volumes[job[2]].append(volume(cache[kept(job)], reference, ideal))
        print(f"| {name} | " + " | ".join(f"{statistics.median(volumes[sampler]):.4f}" for sampler in args.only) + " |")


if __name__ == "__main__":
    main()
