"""ONNX's checker and ONNX Runtime on models that cnasc wrote.

Each line of standard input is a job, `{"models": [PATH, …], "input": PATH, "answer": PATH}`: one model, or the shares of a placed one, whose
inputs and outputs are joined by their names; `input` and `answer` hold floats, little-endian. For each a line is printed:
`{"difference": …}`, the largest difference to the answer relative to its largest value. Whatever goes wrong ends the program.
"""
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort


def load(path):
    onnx.checker.check_model(path, full_check=True)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def answer(sessions, image):
    """Runs all until nothing changes: a share may give some of its outputs before others of its inputs are there."""
    shapes = {spec.name: spec.shape for session in sessions for spec in session.get_inputs()}
    given = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    made = {spec.name for session in sessions for spec in session.get_outputs()}
    images = [name for name in given if name not in made]
    assert len(images) == 1, f"one image was expected, there are {images}"
    given[images[0]] = image.reshape(shapes[images[0]])
    answers = made - given.keys()
    assert len(answers) == 1, f"one answer was expected, there are {answers}"
    found = {}
    while True:
        for session in sessions:
            names = [spec.name for spec in session.get_outputs()]
            inputs = {spec.name: given[spec.name] for spec in session.get_inputs()}
            found.update(zip(names, session.run(names, inputs)))
        changed = [name for name in made & given.keys() if not np.array_equal(given[name], found[name])]
        given.update((name, found[name]) for name in changed)
        if not changed:
            return found[answers.pop()]


def main():
    for line in sys.stdin:
        job = json.loads(line)
        image = np.fromfile(job["input"], dtype="<f4")
        wanted = np.fromfile(job["answer"], dtype="<f4")
        found = answer([load(path) for path in job["models"]], image).ravel()
        assert found.shape == wanted.shape, f"{job}: {found.shape} for {wanted.shape}"
        difference = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        print(json.dumps({"difference": difference}), flush=True)


main()
