"""Programs of `jaxpool.as_lax` in the formats of others: TensorFlow's, TensorFlow Lite's and Core ML's."""

import functools
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxpool
import jaxpool.nnx
from tests.cases import random
from tests.frameworks import installed

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the exporters
PAGE = (Path(__file__).parents[1] / "docs" / "api" / "export.md").read_text(encoding="utf-8")
INPUTS = np.asarray(random((2, 12, 10, 3)))


convolution = functools.partial(nnx.Conv, kernel_size=(3, 3), rngs=nnx.Rngs(0))
NETWORK = nnx.Sequential(
    convolution(3, 4),
    nnx.relu,
    jaxpool.nnx.MaxPool((3, 3), (2, 2), "SAME"),
    convolution(4, 8),
    jaxpool.nnx.AvgPool((2, 2), (2, 2)),
    jaxpool.nnx.GlobalMaxPool(),
    nnx.Linear(8, 5, rngs=nnx.Rngs(1)),
)


def _regions(inputs):
    boxes = jnp.array([[1.0, 1.0, 9.0, 7.5], [0.0, 2.0, 4.0, 8.0]])
    return jaxpool.roi_align(inputs, boxes, (2, 2), box_indices=jnp.array([0, 1]))


# What each pool is made of in TensorFlow Lite and in Core ML, or what that lacks.
POOLS = {
    "network": (
        NETWORK,
        {"CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D", "REDUCE_MAX", "FULLY_CONNECTED"},
        {"conv", "max_pool", "reduce_max", "linear"},
    ),
    "max": (
        lambda x: jaxpool.max_pool(x, (3, 3), (2, 2), "SAME"),
        {"MAX_POOL_2D"},
        {"max_pool"},
    ),
    "max of every other": (
        lambda x: jaxpool.max_pool(x, (3, 3), window_dilation=(2, 2)),
        {"STABLEHLO_REDUCE_WINDOW"},
        "Window dilations are currently unsupported",
    ),
    "min": (lambda x: jaxpool.min_pool(x, (3, 3), (2, 2)), {"STABLEHLO_REDUCE_WINDOW"}, {"max_pool"}),
    "average of what is there": (
        lambda x: jaxpool.avg_pool(x, (3, 3), (2, 2), "SAME", count_include_pad=False),
        {"STABLEHLO_REDUCE_WINDOW"},
        {"conv"},
    ),
    "logsumexp": (lambda x: jaxpool.logsumexp_pool(x, (2, 2), (2, 2)), {"MAX_POOL_2D"}, {"max_pool"}),
    "soft": (lambda x: jaxpool.soft_pool(x, (2, 2), (2, 2)), {"MAX_POOL_2D"}, {"max_pool"}),
    "adaptive": (lambda x: jaxpool.adaptive_avg_pool(x, (5, 3)), {"GATHER_ND"}, {"gather"}),
    "regions": (_regions, {"WHILE"}, {"while_loop"}),
    "euclidean norm": (
        lambda x: jaxpool.lp_pool(x, (2, 2), (2, 2)),
        "reduce_precision",
        "ReducePrecisionOp.* has not been implemented",
    ),
    "median": (
        lambda x: jaxpool.median_pool(x, (3, 3)),
        "failed to legalize",
        "BitcastConvertOp.* has not been implemented",
    ),
    "gradient of max": (
        jax.grad(lambda x: jnp.sum(jaxpool.max_pool(x, (3, 3), (2, 2)) ** 2)),
        "select_and_scatter",
        "SelectAndScatterOp.* has not been implemented",
    ),
}


def _parametrize(number):
    rows = {name: (row[0], row[number]) for name, row in POOLS.items()}
    return pytest.mark.parametrize(("pool", "operations"), rows.values(), ids=rows)


def _assert_exports(export, operations):
    """What the exporter returns, with these operations in it; or its error, if they are the words of one."""
    if isinstance(operations, set):
        exported, found = export()
        assert operations <= found
        return exported
    with pytest.raises(Exception, match=operations):
        export()
    return None


def _in_tensorflow(function):
    tensorflow = installed("tensorflow")
    from jax.experimental import jax2tf

    signature = [tensorflow.TensorSpec(INPUTS.shape, tensorflow.float32)]
    converted = jax2tf.convert(function, with_gradient=False)
    return tensorflow.function(converted, autograph=False, input_signature=signature)


@pytest.mark.parametrize("translate", [lambda f: f, jaxpool.as_lax], ids=["pools", "lax"])
@pytest.mark.parametrize("pool", [row[0] for row in POOLS.values()], ids=POOLS)
def test_tensorflow(pool, translate):
    got = _in_tensorflow(translate(pool))(INPUTS)
    np.testing.assert_allclose(got, pool(INPUTS), rtol=1e-5, atol=1e-5)


def test_gradients_in_tensorflow():
    tensorflow = installed("tensorflow")
    from jax.experimental import jax2tf

    def loss(x):
        return jnp.sum(jaxpool.max_pool(x, (3, 3), (2, 2)) ** 3)

    inputs = tensorflow.Variable(INPUTS)
    with tensorflow.GradientTape() as tape:
        result = jax2tf.convert(loss)(inputs)
    np.testing.assert_allclose(tape.gradient(result, inputs), jax.grad(loss)(INPUTS), rtol=1e-5, atol=1e-5)


@_parametrize(1)
def test_tensorflow_lite(pool, operations):
    interpreter = _assert_exports(lambda: _in_tensorflow_lite(jaxpool.as_lax(pool)), operations)
    if interpreter:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], INPUTS)
        interpreter.invoke()
        got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(got, pool(INPUTS), rtol=1e-5, atol=1e-5)


def test_tensorflow_lite_has_no_pools_without_as_lax():
    _, found = _in_tensorflow_lite(NETWORK)
    assert "CONV_2D" in found
    assert not {name for name in found if "POOL" in name}


def _in_tensorflow_lite(function):
    lite = installed("tensorflow").lite
    concrete = _in_tensorflow(function).get_concrete_function()
    model = lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    interpreter = lite.Interpreter(model_content=model)
    interpreter.allocate_tensors()
    return interpreter, {operation["op_name"] for operation in interpreter._get_ops_details()}


@_parametrize(2)
def test_core_ml(pool, operations):
    """What is converted: only Apple's systems can run it."""
    _assert_exports(lambda: _in_core_ml(pool), operations)


def test_core_ml_takes_no_pools_without_as_lax():
    with pytest.raises(ValueError, match=r"OptimizationBarrierOp.* has not been implemented"):
        _in_core_ml(NETWORK, translate=lambda function: function)


def _in_core_ml(function, translate=jaxpool.as_lax):
    """Converted by the code of the page."""
    installed("coremltools"), installed("stablehlo_coreml")
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names = {"model": function, "inputs": INPUTS, "translate": translate}
    exec(code.replace("jaxpool.as_lax", "translate"), names)
    (function,) = names["converted"].get_spec().mlProgram.functions.values()
    (block,) = function.block_specializations.values()
    return names["converted"], {operation.type for operation in block.operations}
