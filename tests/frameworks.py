"""Calls of other frameworks, as docs/migration.md has them, run with their gradients; and that page, read."""

import dataclasses
import functools
import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import pytest

from tests.programs import interpret

os.environ["KERAS_BACKEND"] = "jax"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
PAGE = (Path(__file__).parents[1] / "docs" / "migration.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BLOCKS = re.findall(r"^ *```python\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
BLOCKS = [re.sub(rf"^{re.match(' *', block)[0]}", "", block, flags=re.MULTILINE) for block in BLOCKS]


@functools.cache
def helpers():
    """The functions that the page defines."""
    definitions = {}
    for block in BLOCKS:
        if "\ndef " in block:
            exec(block, definitions)
    return definitions


def installed(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reason = f"{module} is not installed, which this compares with"
        return pytest.importorskip(module, reason=reason, exc_type=ImportError)


@dataclasses.dataclass(frozen=True)
class Framework:
    """How to call a framework: where its names come from, the layout of its arrays, and its gradients."""

    modules: dict[str, str]  # names in the page's calls, and the modules they are
    layout: str
    run: Callable  # (call, inputs, names) gives the outputs and a function from cotangents to gradients
    gradients: bool = True
    pools: str = "pool"  # a pattern of the names that the page must have

    def names(self):
        return {name: installed(module) for name, module in self.modules.items()}


def by_jax(call, x, names):
    def function(x):
        outputs = eval(call, names | {"x": x})
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def pullback(cotangent):
        return interpret(lambda x, y: jax.vjp(lambda x: function(x)[0], x)[1](y)[0], x, cotangent)

    return list(interpret(function, x)), pullback


def _by_haiku(call, x, names):
    hk = names["hk"]

    def transformed(x):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "When running under vmap", DeprecationWarning)
            return hk.transform(lambda x: eval(call, names | {"x": x})).apply({}, None, x)

    return by_jax("transformed(x)", x, {"transformed": transformed})


def by_torch(call, x, names):
    torch = names["torch"]
    tensors = {name: _for_torch(torch, name, value) for name, value in names.items()}
    x = torch.from_numpy(x).requires_grad_()
    outputs = eval(call, tensors | {"x": x})
    first, *others = outputs if isinstance(outputs, tuple) else (outputs,)

    def pullback(cotangent):
        return torch.autograd.grad(first, x, torch.from_numpy(cotangent))[0].numpy()

    return [first.detach().numpy(), *(other.numpy() for other in others)], pullback


def _for_torch(torch, name, value):
    """Arrays as tensors, and in one dimension ints, for LPPool1d takes no tuple."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return value[0] if name in ("k", "s", "p", "d") and len(value) == 1 else value


def _by_tensorflow(call, x, names):
    tf = names["tf"]
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = eval(call, names | {"x": x})
    return [outputs.numpy()], lambda cotangent: tape.gradient(outputs, x, cotangent).numpy()


def _by_numpy(call, x, names):
    return [np.asarray(eval(call, names | {"x": x}))], None


def _by_onnx(call, x, names):
    operators = {
        op: functools.partial(run_operator, op, names["onnx"], names["ort"]) for op in ONNX_OPERATORS
    }
    return [eval(call, names | operators | {"x": x})], None


ONNX_OPERATORS = (
    *("MaxPool", "AveragePool", "LpPool", "MaxUnpool"),
    *("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"),
    *("RoiAlign", "MaxRoiPool", "QLinearAveragePool", "QLinearGlobalAveragePool"),
)


def run_operator(operator, onnx, ort, *inputs, **attributes):
    """The output of an operator; those of MaxPool, which has two."""
    helper, inputs = onnx.helper, [np.asarray(x) for x in inputs]
    types = [helper.np_dtype_to_tensor_dtype(x.dtype) for x in inputs]
    arguments = [helper.make_tensor_value_info(f"x{i}", t, None) for i, t in enumerate(types)]
    result = [helper.make_tensor_value_info("y", types[0], None)]
    if operator == "MaxPool":
        result.append(helper.make_tensor_value_info("indices", onnx.TensorProto.INT64, None))
    names = [[value.name for value in values] for values in (arguments, result)]
    home = "com.microsoft" if operator.startswith("QLinear") else ""
    node = helper.make_node(operator, *names, domain=home, **attributes)
    graph = helper.make_graph([node], "operator", arguments, result)
    # onnxruntime's GlobalLpPool is of an older set of operators than the newest.
    sets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=sets, ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, dict(zip(names[0], inputs, strict=True)))
    return outputs if len(outputs) > 1 else outputs[0]


FRAMEWORKS = {
    "PyTorch": Framework(
        {"torch": "torch", "nn": "torch.nn", "F": "torch.nn.functional"}, "channels first", by_torch
    ),
    "torchvision": Framework(
        {"ops": "torchvision.ops", "torch": "torch"}, "channels first", by_torch, pools="^(ps_)?roi_"
    ),
    "Keras 3": Framework({"layers": "keras.layers", "ops": "keras.ops"}, "channels last", by_jax),
    "TensorFlow": Framework({"tf": "tensorflow"}, "channels last", _by_tensorflow),
    "Flax": Framework({"nn": "flax.linen", "nnx": "flax.nnx"}, "channels last", by_jax),
    "Haiku": Framework({"hk": "haiku"}, "channels last", _by_haiku),
    "Equinox": Framework({"eqx": "equinox"}, "channels, no batch", by_jax),
    "jax.lax": Framework({"lax": "jax.lax"}, "channels last", by_jax, pools=""),
    "Sequences": Framework({"torch": "torch"}, "channels last", by_torch, pools=""),
    "jax.ops": Framework({"ops": "jax.ops"}, "channels last", by_jax, pools="^segment_"),
    "jraph": Framework({"jraph": "jraph"}, "channels last", by_jax, pools="^segment_"),
    "PyTorch Geometric": Framework(
        {"aggr": "torch_geometric.nn.aggr", "utils": "torch_geometric.utils", "torch": "torch"},
        "channels last",
        by_torch,
        pools="",
    ),
    "Descriptors": Framework(
        {"torch": "torch", "F": "torch.nn.functional"}, "channels last", by_torch, pools=""
    ),
    "SciPy signals": Framework(
        {"signal": "scipy.signal"}, "channels last", _by_numpy, gradients=False, pools=""
    ),
    "PyWavelets": Framework(
        {"pywt": "pywt", "np": "numpy"}, "channels last", _by_numpy, gradients=False, pools=""
    ),
    "ONNX": Framework({"onnx": "onnx", "ort": "onnxruntime"}, "channels first", _by_onnx, gradients=False),
    "SciPy": Framework(
        {"ndimage": "scipy.ndimage"},
        "no channels",
        _by_numpy,
        gradients=False,
        pools="^grey_|tophat|^morphological_gradient",
    ),
    "scikit-image": Framework(
        {"ski": "skimage.morphology"},
        "no channels",
        _by_numpy,
        gradients=False,
        pools=r"^(dilation|erosion|opening|closing|\w+_tophat)$",
    ),
    "Kornia": Framework(
        {"km": "kornia.morphology", "subpix": "kornia.geometry.subpix", "torch": "torch"},
        "channels first",
        by_torch,
        pools="^(dilation|erosion|opening|closing|gradient|.*_hat)$",
    ),
    "scikit-image and xarray": Framework(
        {"measure": "skimage.measure", "xr": "xarray", "np": "numpy"},
        "no channels",
        _by_numpy,
        gradients=False,
        pools="",
    ),
}
