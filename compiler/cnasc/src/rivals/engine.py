"""One engine that runs one ONNX model: the other end of `rivals/python.rs`.

Arguments: ENGINE MODEL INPUT OUTPUT THREADS, where INPUT holds the input's floats, little-endian, and OUTPUT gets the answer's.
First a line `{"version": …}` is printed, once the model is ready and has answered. Then for each line `WARM RUNS` on standard input
the seconds of RUNS inferences as a list, after WARM that are not counted. Ends with standard input.
"""
import gc
import json
import os
import sys
import time

import numpy as np


def onnxruntime(model, threads):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    out = session.get_outputs()[0].name
    binding = session.io_binding()

    def give(x):
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(x))
        binding.bind_output(out, "cpu")

    def answer():
        return binding.get_outputs()[0].numpy()

    return ort.__version__, give, lambda: session.run_with_iobinding(binding), answer


def openvino(model, threads):
    import openvino as ov

    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()
    kept = []

    def give(x):
        kept.append(ov.Tensor(x))
        request.set_input_tensor(kept[-1])

    def step():
        request.start_async()
        request.wait()

    return ov.__version__, give, step, lambda: request.get_output_tensor().data


def ncnn(model, threads):
    import importlib.util
    import subprocess

    import ncnn

    # The converter's Python module needs a tensor library that its program does not.
    converter = os.path.join(os.path.dirname(importlib.util.find_spec("pnnx").origin), "pnnx")
    folder = os.path.dirname(model)
    param, weights = os.path.join(folder, "ncnn.param"), os.path.join(folder, "ncnn.bin")
    command = [converter, model, "fp16=0", f"ncnnparam={param}", f"ncnnbin={weights}"]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    if net.load_param(param) != 0 or net.load_model(weights) != 0:
        raise RuntimeError("ncnn does not load what pnnx made of the model")
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


def tract(model, threads):
    import tract

    if threads > 1:
        raise RuntimeError("tract computes on one thread")
    runnable = tract.runtime_for_name("default").prepare(tract.onnx().load(model).into_model())
    state = {}

    def give(x):
        state["x"] = tract.Tensor.from_numpy(x)

    def step():
        state["y"] = runnable.run([state["x"]])

    return tract.version(), give, step, lambda: state["y"][0].to_numpy()


def shape_of(model):
    import onnx

    proto = onnx.load(model)
    return [extent.dim_value for extent in proto.graph.input[0].type.tensor_type.shape.dim]


def main():
    # What libraries print goes to standard error; the protocol has standard output for itself.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    engine, model, given, answered, threads = sys.argv[1:]
    shape = shape_of(model)
    engines = {"onnxruntime": onnxruntime, "openvino": openvino, "ncnn": ncnn, "tract": tract}
    version, give, step, answer = engines[engine](model, int(threads))
    give(np.fromfile(given, dtype="<f4").reshape(shape))
    step()
    np.ascontiguousarray(answer(), dtype="<f4").tofile(answered)
    print(json.dumps({"version": version}), file=out, flush=True)
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
