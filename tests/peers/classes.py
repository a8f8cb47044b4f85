"""The classes that ONNX Runtime finds: `classes.py MODEL IMAGES ANSWER`.

MODEL takes one image; IMAGES holds floats, little-endian, image after image; ANSWER becomes a byte an image, its class.
"""
import sys

import numpy as np
import onnxruntime as ort

model, images, answer = sys.argv[1:]
session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
spec = session.get_inputs()[0]
classes = []
for image in np.fromfile(images, dtype="<f4").reshape(-1, *spec.shape):
    classes.append(int(np.argmax(session.run(None, {spec.name: image})[0])))
np.array(classes, np.uint8).tofile(answer)
