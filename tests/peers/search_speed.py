"""How many candidates a second a search looks at, what threads and storage make of that, and what it costs to take a long study up again.

    cargo build --release -p cnasc
    target/peers/bin/python tests/peers/search_speed.py target/release/cnasc [--seconds 8] [--long 100000] [--postgres postgresql://USER@HOST/DATABASE]

Small worlds of 96 nodes; what is counted in the network (`params`, `depth`), and the concurrency score on four devices, of one bound and of five. The same loop in
Python is `search_loop.py`. Prints a table of medians of three. The server's database should be empty.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PROGRAM = """use std::blocks::sepconv
use std::devices::rpi4
use std::generators::ws
fleet shelf {
    node pi[4]: rpi4
    link pi <-> pi: 1 Gbit/s, 200 us
}
network net(p: real, width: int) {
    input image(3, 32, 32)
    stem  conv(3, width) -> bn -> relu
    body  ws(n: 96, k: 4, p: p) of sepconv
    head  global_avg -> linear(10)
}
search speed {
    over     net(p: in 0.0 .. 1.0, width: in 8 .. 64 step 8)
    on       shelf
    OBJECTIVES
    strategy STRATEGY
    budget   1000 candidates
}
"""
OBJECTIVES = {"counts": "minimize params\n    minimize depth", "score, one bound": "minimize concurrency_score\n    score cs(bound: 1.1)", "score": "minimize concurrency_score"}


class Place:
    def __init__(self, binary, folder):
        self.binary, self.folder, self.count = binary, pathlib.Path(folder), 0

    def command(self, objectives, budget, strategy):
        program = self.folder / "speed.cnas"
        program.write_text(PROGRAM.replace("OBJECTIVES", OBJECTIVES[objectives]).replace("STRATEGY", strategy))
        command = [self.binary, "--format", "json", "-q", "search", program, "--top", "1", "--budget", str(budget)]
        return [*command, "-o", self.folder / "out"]

    def fresh(self, storage):
        """Options for a study that is not there yet, in a file or on the server that `storage` names."""
        self.count += 1
        return ["--storage", storage or f"sqlite:///{self.folder}/{self.count}.db", "--seed", str(self.count)]

    def search(self, objectives, budget, *more, strategy="random"):
        """Seconds that the candidates took, and those of the whole process."""
        command = self.command(objectives, budget, strategy)
        start = time.perf_counter()
        run = subprocess.run([*command, *more], check=True, capture_output=True, text=True)
        whole = time.perf_counter() - start
        found = json.loads(run.stdout)
        assert found["evaluated"] == budget, found["evaluated"]
        return found["seconds"], whole

    def taken_up(self, objectives, budget, strategy, options):
        """Seconds until a study has another candidate, and those of the whole process."""
        command = [*self.command(objectives, budget, strategy), *options]
        with connect(options[1]) as count:
            before = last = count()
            run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            start = time.perf_counter()
            while last == before and run.poll() is None:
                time.sleep(0.002)
                last = count()
        first = time.perf_counter() - start
        run.communicate()
        assert run.returncode == 0 and last != before
        return first, time.perf_counter() - start

    def rate(self, objectives, budget, *more, storage=None):
        """Candidates a second; `storage` is empty for a file, else a server's URL."""
        rates = []
        for again in range(3):
            options = [] if storage is None else self.fresh(storage)
            seconds, _ = self.search(objectives, budget, *more, *options)
            rates.append(budget / seconds)
        return statistics.median(rates)


@contextlib.contextmanager
def connect(storage):
    """A function that gives the last trial's number in a database."""
    if storage.startswith("sqlite"):
        import sqlite3

        connection = sqlite3.connect(storage.removeprefix("sqlite:///"), timeout=10)
    else:
        import psycopg2

        connection = psycopg2.connect(storage)
        connection.autocommit = True

    def last():
        cursor = connection.cursor()
        cursor.execute("SELECT MAX(trial_id) FROM trials")
        return cursor.fetchone()[0]

    with contextlib.closing(connection):
        yield last


def python_rate(candidates):
    run = subprocess.run([sys.executable, HERE / "search_loop.py", "--candidates", str(candidates)], capture_output=True, text=True)
    return float(run.stdout.split()[0]) if run.returncode == 0 else None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("binary")
    options.add_argument("--seconds", type=float, default=8, help="about as long as each run takes")
    options.add_argument("--long", type=int, default=100_000, help="trials of the study that is taken up again")
    options.add_argument("--postgres", help="a server whose database is empty, to keep studies on too")
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(str(pathlib.Path(args.binary).resolve()), folder)
        storages = {"SQLite": ""} | ({"PostgreSQL": args.postgres} if args.postgres else {})
        kinds = ["one thread", "two threads", *(f"two threads, {kind}" for kind in storages)]
        print("| candidates a second |", " | ".join(kinds), "|\n| --- |" + " --- |" * len(kinds))
        rates = {}
        for objectives in OBJECTIVES:
            seconds, _ = place.search(objectives, 2000, "--workers", "1")
            budget = max(2000, int(args.seconds * 2000 / seconds))
            rates[objectives] = one = place.rate(objectives, budget, "--workers", "1")
            two = place.rate(objectives, 2 * budget, "--workers", "2")
            print(f"| {objectives} | {one:.0f} | {two:.0f} ({two / one:.2f} times)", end="", flush=True)
            for storage in storages.values():
                kept = place.rate(objectives, 2 * budget, "--workers", "2", storage=storage)
                print(f" | {kept:.0f} ({two / kept - 1:+.0%} time)", end="", flush=True)
            print(" |", flush=True)
        python = python_rate(60)
        if python:
            print(f"| the same in Python | {python:.1f} ({rates['score'] / python:.0f} times less) | | |")
        for kind, storage in storages.items() if args.long else []:
            for strategy in ("random", "nsga2"):
                options = place.fresh(storage)
                _, begun = place.search("counts", args.long, *options, strategy=strategy)
                first, whole = place.taken_up("counts", args.long + 128, strategy, options)
                print(f"\n{args.long} trials by {strategy} in {kind} took {begun:.1f} s; on from there, the next are there after {first:.2f} s; {whole:.2f} s in all")


if __name__ == "__main__":
    main()
