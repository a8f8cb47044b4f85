"""Writes the operator cases of the package `onnx` into a folder, in the form of its other test data.

usage: node_cases.py FOLDER OPERATOR...

Written are the cases whose nodes are all among the operators: FOLDER/<case>/model.onnx and its test_data_set_0. Whole numbers of `Pad` and
`MaxPool` become real ones, because these operators do the same with both.
"""

import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases

REAL = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}


def real(model):
    """Makes the first input and the output real where they are whole."""
    tensors = [model.graph.input[0].type.tensor_type, model.graph.output[0].type.tensor_type]
    changed = any(tensor.elem_type not in REAL for tensor in tensors)
    for tensor in tensors:
        tensor.elem_type = TensorProto.FLOAT
    return changed


def save(path, value, name):
    tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(numpy.asarray(value), name)
    path.write_bytes(tensor.SerializeToString())


def write(folder, case):
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    first = model.graph.node[0].op_type
    whole = first in ("Pad", "MaxPool") and len(model.graph.output) == 1 and real(model)
    data = folder / case.name / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / case.name / "model.onnx").write_bytes(model.SerializeToString())
    inputs, outputs = case.data_sets[0]
    for kind, values, infos in (("input", inputs, model.graph.input), ("output", outputs, model.graph.output)):
        for index, (value, info) in enumerate(zip(values, infos)):
            if whole and index == 0:
                value = numpy.asarray(value).astype(numpy.float32)
            save(data / f"{kind}_{index}.pb", value, info.name)


def main():
    folder, wanted = pathlib.Path(sys.argv[1]), set(sys.argv[2:])
    for case in collect_testcases(None):
        tensors = [*case.model.graph.input, *case.model.graph.output]
        if not all(tensor.type.HasField("tensor_type") for tensor in tensors):
            continue
        if {node.op_type for node in case.model.graph.node} <= wanted:
            write(folder, case)


main()
