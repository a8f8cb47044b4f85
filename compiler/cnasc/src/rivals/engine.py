"""One engine that runs one ONNX model: the other end of `rivals/python.rs`.

Arguments: ENGINE MODEL INPUT OUTPUT THREADS CHANNELS HEIGHT WIDTH, where INPUT holds the input's floats, little-endian, and OUTPUT gets
the answer's. First a line `{"version": …, "ready_ms": …, "memory_mib": …}` is printed, once the model is ready and has answered: the time from
the file to ready-to-run, and what the process grew by at most from before it read the file, or null where the system does not tell. Then for each line `WARM RUNS` on standard input
the seconds of RUNS inferences as a list, after WARM that are not counted. Ends with standard input.
"""
import gc
import json
import os
import sys
import time

import numpy as np


class Meter:
    """What getting ready takes: started once an engine is imported, so that Python and the engine's code don't count."""

    def start(self):
        self.before = status("VmRSS:")
        self.began = time.perf_counter()

    def stop(self):
        self.ready_ms = 1e3 * (time.perf_counter() - self.began)

    def memory(self):
        most = status("VmHWM:")
        return None if most is None or self.before is None else most - self.before


def status(field):
    """MiB of a field of what Linux says of this process."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))
    except (OSError, StopIteration):
        return None


def onnxruntime(model, threads, meter):
    import onnxruntime as ort

    meter.start()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    meter.stop()
    name = session.get_inputs()[0].name
    out = session.get_outputs()[0].name
    binding = session.io_binding()

    def give(x):
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(x))
        binding.bind_output(out, "cpu")

    def answer():
        return binding.get_outputs()[0].numpy()

    return ort.__version__, give, lambda: session.run_with_iobinding(binding), answer


def openvino(model, threads, meter):
    import openvino as ov

    meter.start()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    meter.stop()
    kept = []

    def give(x):
        kept.append(ov.Tensor(x))
        request.set_input_tensor(kept[-1])

    def step():
        request.start_async()
        request.wait()

    return ov.__version__, give, step, lambda: request.get_output_tensor().data


def ncnn(model, threads, meter):
    import importlib.util
    import subprocess

    import ncnn

    # The converter's Python module needs a tensor library that its program does not.
    converter = os.path.join(os.path.dirname(importlib.util.find_spec("pnnx").origin), "pnnx")
    folder = os.path.dirname(model)
    param, weights = os.path.join(folder, "ncnn.param"), os.path.join(folder, "ncnn.bin")
    command = [converter, model, "fp16=0", f"ncnnparam={param}", f"ncnnbin={weights}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    # Converting is done once and elsewhere.
    meter.start()
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    if net.load_param(param) != 0 or net.load_model(weights) != 0:
        raise RuntimeError("ncnn does not load what pnnx made of the model")
    meter.stop()
    state = {}

    def give(x):
        state["x"] = ncnn.Mat(x[0]).clone()

    def step():
        extractor = net.create_extractor()
        extractor.input("in0", state["x"])
        code, state["y"] = extractor.extract("out0")
        if code != 0:
            raise RuntimeError(f"ncnn ends an inference with {code}")

    return ncnn.__version__, give, step, lambda: np.array(state["y"])


def tract(model, threads, meter):
    import tract

    if threads > 1:
        raise RuntimeError("tract computes on one thread")
    meter.start()
    runnable = tract.runtime_for_name("default").prepare(tract.onnx().load(model).into_model())
    meter.stop()
    state = {}

    def give(x):
        state["x"] = tract.Tensor.from_numpy(x)

    def step():
        state["y"] = runnable.run([state["x"]])

    return tract.version(), give, step, lambda: state["y"][0].to_numpy()


def main():
    # What libraries print goes to standard error; the protocol has standard output for itself.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine, model, given, answered, threads, *extents = sys.argv[1:]
    shape = [1, *map(int, extents)]
    meter = Meter()
    engines = {"onnxruntime": onnxruntime, "openvino": openvino, "ncnn": ncnn, "tract": tract}
    version, give, step, answer = engines[engine](model, int(threads), meter)
    give(np.fromfile(given, dtype="<f4").reshape(shape))
    step()
    np.ascontiguousarray(answer(), dtype="<f4").tofile(answered)
    ready = {"version": version, "ready_ms": meter.ready_ms, "memory_mib": meter.memory()}
    print(json.dumps(ready), file=out, flush=True)
    gc.disable()
    for line in sys.stdin:
        warm, runs = map(int, line.split())
        for _ in range(warm):
            step()
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), file=out, flush=True)


main()
