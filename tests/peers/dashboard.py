"""The front of a study as `optuna-dashboard` shows it.

    cnasc search FILE --storage sqlite:///FILE.db
    target/peers/bin/python tests/peers/dashboard.py sqlite:///FILE.db [--study NAME] [--front HASH …] [--screenshot FILE.png]

Starts the dashboard on the study, asks it for the best trials, and looks at its page with a headless Chromium where there is one: the page must
list these trials, and draw a point for each trial that has values. `--front` are the hashes that the best trials' networks must have, each.
"""

import argparse
import contextlib
import json
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
PATIENCE = 60


@contextlib.contextmanager
def dashboard(storage):
    """The address of a running dashboard."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [pathlib.Path(sys.executable).parent / "optuna-dashboard", storage, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def ask(address, path):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address + path, timeout=PATIENCE) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def browse(browser, page, *more):
    with tempfile.TemporaryDirectory() as profile:
        # Nothing but our own page is seen, so that the administrator may look at it too.
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", f"--user-data-dir={profile}"]
        command = [browser, *options, "--window-size=1400,2200", *more, page]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=PATIENCE * 2)
        return run.stdout


def seen(dom):
    """The numbers of the best trials that a page lists, and how many points its first plot has."""
    text = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", dom, flags=re.S)
    numbers = {int(number) for number in re.findall(r">Trial (\d+)<", text)}
    plot = text.partition("Pareto Front")[2].partition("History")[0]
    return numbers, len(re.findall(r'<path class="point"', plot))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("storage")
    options.add_argument("--study", help="the only one where absent")
    options.add_argument("--front", nargs="*", help="hashes of the networks that it must be")
    options.add_argument("--screenshot", help="an image of the page")
    args = options.parse_args()
    with dashboard(args.storage) as address:
        studies = ask(address, "/api/studies")["study_summaries"]
        (study,) = [study for study in studies if args.study in (None, study["study_name"])]
        found = ask(address, f"/api/studies/{study['study_id']}")
        best = found["best_trials"]
        networks = {attribute["value"].strip('"') for trial in best for attribute in trial["user_attrs"] if attribute["key"] == "network"}
        complete = sum(trial["state"] == "Complete" for trial in found["trials"])
        print(f"{study['study_name']}: {len(found['trials'])} trials, {complete} complete, {len(best)} best ones of {len(networks)} networks")
        if args.front is not None and networks != set(args.front):
            sys.exit(f"the front has the networks {sorted(args.front)}, the dashboard's best trials {sorted(networks)}")
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None:
            print("the page is left out: there is no Chromium")
            return
        page = f"{address}/dashboard/studies/{study['study_id']}"
        numbers, points = seen(browse(browser, page, "--dump-dom"))
        print(f"the page lists the trials {sorted(numbers)} as the best and draws {points} points")
        if numbers != {trial["number"] for trial in best} or points != complete:
            sys.exit("that is not what the study holds")
        if args.screenshot:
            browse(browser, page, f"--screenshot={pathlib.Path(args.screenshot).resolve()}")


if __name__ == "__main__":
    main()
