"""Images a second that TensorFlow trains a network of ours at, on as many threads and with as large batches.

    python examples/training/tensorflow_speed.py NETWORK.arch.json --threads 2 --batch 64 --steps 30

The network is built from its architecture file: the same operators, SGD with momentum, cross-entropy, fp32, a compiled graph
(tf.function). Data are random and in memory. Prints one JSON document. Needs the package tensorflow-cpu.
"""

import argparse
import json
import os
import resource
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architecture")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--layout", choices=["NHWC", "NCHW"], default="NHWC")
    return parser.parse_args()


def build(tf, architecture):
    """The forward pass of a batch in TensorFlow's order of axes, and the variables that it learns."""
    variables = []

    def learnt(values):
        variable = tf.Variable(values)
        variables.append(variable)
        return variable

    def window_padding(op):
        sides = op.get("padding", 0)
        top, left, bottom, right = sides if isinstance(sides, list) else [sides] * 4
        return [[0, 0], [top, bottom], [left, right], [0, 0]]

    def both(number):
        return number if isinstance(number, list) else [number, number]

    def layer(op, shape):
        """One operator on inputs of this shape (channels, rows, columns) as a function, and its output's channels."""
        kind, channels = op["op"], shape[0]
        if kind == "conv":
            rows, columns = both(op["kernel"])
            stride = both(op["stride"])
            padding = window_padding(op)
            outputs, is_depthwise = op["channels"], op["groups"] == channels and op["groups"] > 1
            if is_depthwise:
                kernel = learnt(tf.random.normal([rows, columns, channels, outputs // channels], stddev=0.3))
            else:
                assert op["groups"] == 1, "grouped convolutions are not compared"
                kernel = learnt(tf.random.normal([rows, columns, channels, outputs], stddev=(2 / (rows * columns * channels)) ** 0.5))
            bias = learnt(tf.zeros([outputs])) if op["bias"] else None

            # `SAME` where it is that, so that the library need not pad in a tensor of its own.
            same = stride == [1, 1] and all(sum(padding[axis]) == (rows, columns)[axis - 1] - 1 for axis in (1, 2))
            edges = "SAME" if same else ("VALID" if padding == [[0, 0]] * 4 else padding)

            def convolve(inputs):
                x = inputs[0]
                pads = edges
                if is_depthwise:
                    if isinstance(pads, list):
                        x, pads = tf.pad(x, pads), "VALID"
                    y = tf.nn.depthwise_conv2d(x, kernel, [1, *stride, 1], pads)
                else:
                    y = tf.nn.conv2d(x, kernel, stride, pads)
                return y if bias is None else tf.nn.bias_add(y, bias)

            return convolve, outputs
        if kind == "batch_norm":
            scale, shift = learnt(tf.ones([channels])), learnt(tf.zeros([channels]))
            return lambda inputs: tf.compat.v1.nn.fused_batch_norm(inputs[0], scale, shift, is_training=True, epsilon=1e-5)[0], channels
        if kind == "weighted_sum":
            count = shape[3]
            gates = learnt(tf.zeros([count]))

            def weigh(inputs):
                shares = tf.unstack(tf.sigmoid(gates))
                return tf.add_n([share * x for share, x in zip(shares, inputs)])

            return weigh, channels
        if kind == "linear":
            elements = shape[0] * shape[1] * shape[2]
            weight = learnt(tf.random.normal([elements, op["outputs"]], stddev=(1 / elements) ** 0.5))
            bias = learnt(tf.zeros([op["outputs"]]))
            return lambda inputs: tf.reshape(tf.matmul(tf.reshape(inputs[0], [-1, elements]), weight) + bias, [-1, 1, 1, op["outputs"]]), op["outputs"]
        simple = {
            "relu": lambda inputs: tf.nn.relu(inputs[0]),
            "sum": lambda inputs: tf.add_n(inputs),
            "mean": lambda inputs: tf.add_n(inputs) / len(inputs),
            "global_avg": lambda inputs: tf.reduce_mean(inputs[0], [1, 2], keepdims=True),
            "max_pool": lambda inputs: tf.nn.max_pool2d(inputs[0], both(op["kernel"]), both(op["stride"]), "VALID"),
        }
        return simple[kind], channels

    nodes = []
    for node in architecture["nodes"]:
        def chain(ops, shape):
            """Functions of a row of operators; shapes between are found as they come."""
            functions = []
            for op in ops:
                function, channels = layer(op, shape)
                functions.append(function)
                rows, columns = shape[1], shape[2]
                if op["op"] in ("conv", "max_pool"):
                    padding = window_padding(op)
                    extents = []
                    for axis, extent in enumerate((rows, columns)):
                        extents.append((extent + sum(padding[axis + 1]) - both(op["kernel"])[axis]) // both(op["stride"])[axis] + 1)
                    rows, columns = extents
                elif op["op"] in ("global_avg", "linear"):
                    rows, columns = 1, 1
                shape = [channels, rows, columns]
            return functions

        joins = []
        for join in node["inputs"]:
            scale = join.get("scale", [])
            joins.append((join["from"], chain(scale, [*architecture["nodes"][join["from"]]["shape"], 1])))
        first = [0, 0, 0, 1]
        if node["inputs"]:
            # After scaling, all inputs have the shape that the node's own operators begin with.
            join = node["inputs"][0]
            first = scaled(architecture["nodes"][join["from"]]["shape"], join.get("scale", []), both, window_padding)
        nodes.append((joins, chain(node["ops"], [*first, len(node["inputs"])])))

    def forward(images):
        outputs = [images]
        for joins, functions in nodes[1:]:
            inputs = []
            for source, scale in joins:
                x = outputs[source]
                for function in scale:
                    x = function([x])
                inputs.append(x)
            for function in functions:
                inputs = [function(inputs)]
            outputs.append(inputs[0] if functions else tf.add_n(inputs))
        return outputs[-1]

    return forward, variables


def scaled(shape, ops, both, window_padding):
    channels, rows, columns = shape
    for op in ops:
        if op["op"] in ("conv", "max_pool"):
            padding = window_padding(op)
            rows, columns = [
                (extent + sum(padding[axis + 1]) - both(op["kernel"])[axis]) // both(op["stride"])[axis] + 1
                for axis, extent in enumerate((rows, columns))
            ]
            channels = op.get("channels", channels)
    return [channels, rows, columns]


def main():
    arguments = read_arguments()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(arguments.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    with open(arguments.architecture) as file:
        architecture = json.load(file)
    channels, rows, columns = architecture["nodes"][0]["shape"]
    classes = architecture["nodes"][-1]["shape"][0]
    forward, variables = build(tf, architecture)
    velocities = [tf.Variable(tf.zeros_like(variable)) for variable in variables]
    images = tf.random.normal([arguments.batch, rows, columns, channels])
    labels = tf.random.uniform([arguments.batch], maxval=classes, dtype=tf.int32)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = tf.reshape(forward(images), [-1, classes])
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        for variable, velocity, gradient in zip(variables, velocities, tape.gradient(loss, variables)):
            velocity.assign(0.9 * velocity + gradient)
            variable.assign_sub(0.01 * velocity)
        return loss

    for _ in range(3):
        step().numpy()
    times = []
    for _ in range(arguments.steps):
        began = time.perf_counter()
        step().numpy()
        times.append(time.perf_counter() - began)
    times.sort()
    median = times[len(times) // 2]
    print(
        json.dumps(
            {
                "tensorflow": tf.__version__,
                "threads": arguments.threads,
                "batch": arguments.batch,
                "step_ms": 1e3 * median,
                "images_per_second": arguments.batch / median,
                "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
            }
        )
    )


main()
