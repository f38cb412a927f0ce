"""Receptive fields against gradients, and costs against counts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxpool
from jaxpool import analysis
from jaxpool.analysis import Layer

# -------------------------------------------------------------------------------------- receptive fields

STACKS = [
    ((23,), [Layer((3,))]),
    ((40,), [Layer((3,), (2,), 1), Layer((2,), (2,)), Layer((3,), None, "SAME")]),
    (
        (61,),
        [Layer((4,), (3,), [(2, 1)]), Layer((3,), (2,), "SAME", (2,)), Layer((2,), None, "CAUSAL", (3,))],
    ),
    ((64,), [Layer((3,), None, 0, (4,)), Layer((5,), (4,), "SAME_LOWER"), Layer((2,), (2,))]),
    ((39,), [Layer((1,), (3,)), Layer((2,)), Layer((1,), None, 1)]),
    ((25, 31), [Layer((3, 2), (2, 1), [(1, 1), (0, 1)]), Layer((1, 3), (1, 2), "SAME", (1, 2))]),
    ((33, 26), [Layer((5, 3), (2, 2), "SAME"), Layer((3, 3), (2, 2), "SAME"), Layer((2, 2))]),
    ((9, 8, 10), [Layer((2, 3, 1), (1, 1, 2), [0, 1, 0]), Layer((2, 2, 2), (2, 1, 1))]),
]


def _as_pool(x, layer):
    return jaxpool.sum_pool(x, *layer[:3], window_dilation=layer.window_dilation)


def _as_convolution(x, layer):
    rank = len(layer.window_shape)
    pads = layer.padding
    if isinstance(pads, int):
        pads = [(pads, pads)] * rank
    elif not isinstance(pads, str):
        pads = [(p, p) if isinstance(p, int) else p for p in pads]
    axes = ("N" + "XYZ"[:rank] + "C", "XYZ"[:rank] + "IO", "N" + "XYZ"[:rank] + "C")
    return lax.conv_general_dilated(
        x,
        np.ones((*layer.window_shape, 1, 1), np.float32),
        layer.strides or (1,) * rank,
        pads,
        rhs_dilation=layer.window_dilation,
        dimension_numbers=axes,
    )


@pytest.mark.parametrize(("lengths", "layers"), STACKS, ids=range(len(STACKS)))
def test_receptive_fields_are_where_gradients_are(lengths, layers):
    fields = analysis.receptive_field(layers, spatial_shape=lengths)
    assert len(fields) == len(layers)
    for depth, field in enumerate(fields, 1):

        def stack(x, depth=depth):
            for number, layer in enumerate(layers[:depth]):
                pads = isinstance(layer.padding, str) and layer.padding not in ("SAME", "SAME_LOWER")
                x = (_as_pool if pads or number % 2 else _as_convolution)(x, layer)
            return x

        jacobian = jax.jit(jax.jacrev(stack))(np.ones((1, *lengths, 1), np.float32))
        rank = len(lengths)
        dependence = np.asarray(jacobian).reshape(*jacobian.shape[1 : rank + 1], *lengths) != 0
        interior = 0
        for unit in np.ndindex(dependence.shape[:rank]):
            cells = np.argwhere(dependence[unit])
            first = np.array(unit) * field.stride - field.padding
            last = first + field.size - 1
            assert (cells >= first).all()
            assert (cells <= last).all()
            if (first >= 0).all() and (last < lengths).all():
                interior += 1
                assert cells.min(axis=0).tolist() == first.tolist()
                assert cells.max(axis=0).tolist() == last.tolist()
        assert interior


def test_receptive_field_of_a_known_network():
    """AlexNet up to its fifth convolution, which sees 163 cells with a stride of 16."""
    convolution, pool = Layer((3, 3), None, 1), Layer((3, 3), (2, 2))
    layers = [Layer((11, 11), (4, 4), 2), pool, Layer((5, 5), None, 2), pool, *[convolution] * 3]
    fields = analysis.receptive_field(layers)
    assert [field.size[0] for field in fields] == [11, 19, 51, 67, 99, 131, 163]
    assert fields[-1] == ((163, 163), (16, 16), (66, 66))


def test_lengths_matter_for_same_padding_with_strides():
    layers = [Layer((3,), (2,), "SAME")]
    assert [analysis.receptive_field(layers, spatial_shape=(n,))[0].padding for n in (8, 9)] == [(0,), (1,)]
    ones = [Layer((3,), None, "SAME"), Layer((4,), (1,), "same_lower"), Layer((1,), (2,))]
    assert analysis.receptive_field(ones) == analysis.receptive_field(ones, spatial_shape=(9,))


@pytest.mark.parametrize(
    ("layers", "options", "error", "message"),
    [
        ([], {}, ValueError, "layers must have at least one entry"),
        (3, {}, TypeError, "layers must be a sequence"),
        ([((3,), (2,))], {}, TypeError, r"every entry of layers must be a Layer, got \(\(3,\), \(2,\)\)"),
        ([Layer((3,)), Layer((3, 3))], {}, ValueError, r"window_shape must have 1 entries, got \(3, 3\)"),
        ([Layer(3)], {}, TypeError, "window_shape must be a sequence"),
        ([Layer((0,))], {}, ValueError, "window_shape must hold ints of at least 1"),
        ([Layer((3,), (0,))], {}, ValueError, "strides must hold ints of at least 1"),
        ([Layer((3,), None, "FULL")], {}, ValueError, "padding must be 'VALID'"),
        ([Layer((3,), None, 0, (0,))], {}, ValueError, "window_dilation must hold ints of at least 1"),
        ([Layer((3,), (2,), "SAME")], {}, ValueError, "spatial_shape must be given where padding is 'SAME'"),
        ([Layer((3,))], {"spatial_shape": (2,)}, ValueError, "window_shape must fit the padded inputs"),
        ([Layer((3,))], {"spatial_shape": (2, 2)}, ValueError, "spatial_shape must have 1 entries"),
        ([Layer((2,))] * 3, {"spatial_shape": (3,)}, ValueError, "window_shape must fit the padded inputs"),
    ],
)
def test_wrong_layers(layers, options, error, message):
    with pytest.raises(error, match=message):
        analysis.receptive_field(layers, **options)


# -------------------------------------------------------------------------------------------------- cost


def _shape(*shape, dtype=np.float32):
    return jax.ShapeDtypeStruct(shape, dtype)


def _network(parameters, x):
    x = lax.conv_general_dilated(
        x, parameters["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return jaxpool.max_pool(jax.nn.relu(x + parameters["bias"][None, None, None]), (2, 2), (2, 2))


NETWORK = ({"kernel": _shape(3, 3, 3, 8), "bias": _shape(8)}, _shape(4, 10, 10, 3))


def test_cost_of_a_matrix_product():
    counted = analysis.cost(jnp.matmul, _shape(64, 32), _shape(32, 16))
    arguments, results = 4 * (64 * 32 + 32 * 16), 4 * 64 * 16
    assert counted == analysis.Cost(2 * 64 * 32 * 16, arguments + results, 0, 0, 64 * 32)


def test_cost_of_a_convolution():
    def convolve(kernel, x):
        return lax.conv_general_dilated(
            x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    counted = analysis.cost(convolve, _shape(3, 3, 4, 5), _shape(2, 8, 8, 4))
    assert counted.flops == 2 * (2 * 6 * 6 * 5) * (3 * 3 * 4)
    assert counted.parameters == 3 * 3 * 4 * 5
    assert counted.activation_bytes == 0


def test_cost_counts_what_lies_between():
    counted = analysis.cost(lambda x, y, z: x @ y @ z, *[_shape(32, 32)] * 3)
    assert counted.temporary_bytes >= 4 * 32 * 32
    # Both products read two arrays and write one.
    assert counted.bytes_moved == 6 * 4 * 32 * 32


@pytest.mark.parametrize("transform", [lambda f: f, jax.jit], ids=["plain", "jitted"])
def test_a_network_keeps_its_activations(transform):
    counted = analysis.cost(transform(_network), *NETWORK)
    cells = 4 * 8 * 8 * 8
    # What the pool selected from, the signs for the activation, and an index of a byte for each window.
    assert counted.activation_bytes == 4 * cells + cells + cells // 4
    assert counted.parameters == 3 * 3 * 3 * 8 + 8
    assert counted.flops > 2 * cells * 27


def test_arrays_and_their_shapes_cost_the_same():
    arrays = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, leaf.dtype), NETWORK)
    assert analysis.cost(_network, *arrays) == analysis.cost(_network, *NETWORK)


@pytest.mark.parametrize(
    ("function", "example", "expected"),
    [
        (lambda x: jaxpool.max_pool(x, (2, 2), (2, 2)), [_shape(4, 8, 8, 3)], 4 * 4 * 4 * 3),
        (lambda x: jaxpool.max_pool(x, (17, 17)), [_shape(2, 20, 20, 3)], 2 * (2 * 4 * 4 * 3)),
        (lambda x: jaxpool.sum_pool(x, (2, 2)), [_shape(4, 8, 8, 3)], 0),
        (jnp.sin, [_shape(5, 3)], 4 * 15),
        (jnp.sin, [_shape(5, 3, dtype=jnp.bfloat16)], 2 * 15),
        (lambda x: x * x, [_shape(5, 3)], 0),
        (jax.jit(lambda x: x * x), [_shape(5, 3)], 0),
        (jax.nn.relu, [_shape(5, 3)], 15),
        (jax.jit(jax.nn.relu), [_shape(5, 3)], 15),
        (lambda x: jnp.sin(jnp.sin(x)), [_shape(5, 3)], 2 * 4 * 15),
        (jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), [_shape(5, 3)], 0),
        (lambda x: x * np.ones((6, 1), np.float32), [_shape(6, 1)], 0),
        (lambda x: x * jnp.sin(x), [_shape(5, 3)], 2 * 4 * 15),
        (lambda i, x: x[i] ** 2, [_shape(2, dtype=np.int32), _shape(5, 3)], 4 * 2 * 3 + 4 * 2),
        (lambda key, x: x * jax.random.normal(key, x.shape), [jax.random.key(0), _shape(5, 3)], 4 * 15),
        (lambda x: jnp.argmax(x), [_shape(5)], 0),
    ],
)
def test_activations_that_are_kept(function, example, expected):
    assert analysis.cost(function, *example).activation_bytes == expected


def test_a_function_of_one_argument_has_no_parameters():
    assert analysis.cost(jnp.sin, _shape(5, 3)).parameters == 0
    assert analysis.cost(lambda p, x: x * p[0] + p[1][None], (1.0, _shape(3)), _shape(5, 3)).parameters == 4


def test_cost_needs_an_argument():
    with pytest.raises(ValueError, match="example must hold at least one argument"):
        analysis.cost(lambda: 1)


@pytest.mark.parametrize("silent", ["cost_analysis", "memory_analysis"])
def test_a_compiler_that_tells_nothing(monkeypatch, silent):
    monkeypatch.setattr(jax.stages.Compiled, silent, lambda compiled: None)
    with pytest.raises(NotImplementedError, match="does not tell what a program costs"):
        analysis.cost(jnp.sin, _shape(3))
