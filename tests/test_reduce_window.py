"""`reduce_window`: the results of `jax.lax.reduce_window`, with derivatives for any function and dilation."""

import inspect
import itertools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from tests import reference
from tests.cases import assert_close, distinct, numbers, random
from tests.covering import pairs
from tests.differences import assert_derivatives
from tests.programs import interpret

INF = np.inf
# A reduction, what it is of in NumPy, what it starts from, and whether that changes nothing.
REDUCTIONS = {
    "max": (lax.max, np.maximum, -INF),
    "jnp.maximum": (jnp.maximum, np.maximum, -INF),
    "max from 0.5": (lax.max, np.maximum, 0.5),
    "min": (lax.min, np.minimum, INF),
    "jnp.minimum from -0.5": (jnp.minimum, np.minimum, -0.5),
    "add": (lax.add, np.add, 0.0),
    "jnp.add": (jnp.add, np.add, 0.0),
    "add from 2": (lax.add, np.add, 2.0),
    "mul": (lax.mul, np.multiply, 1.0),
    "mul from 3": (jnp.multiply, np.multiply, 3.0),
    "hypot": (jnp.hypot, np.hypot, 0.0),
}
# window_dimensions, window_strides, padding, base_dilation, window_dilation of an array of two dimensions.
GEOMETRIES = {
    "one": ((1, 1), None, "VALID", None, None),
    "tiles": ((2, 3), (2, 3), "VALID", None, None),
    "overlapping": ((3, 2), (2, 1), [(1, 1), (0, 1)], None, None),
    "one dimension": ((1, 3), (1, 2), [(0, 0), (1, 1)], None, None),
    "same": ((3, 2), (2, 2), "SAME", None, None),
    "same lower": ((3, 4), (1, 2), "SAME_LOWER", None, (2, 1)),
    "dilated": ((2, 3), (1, 2), [(2, 0), (0, 2)], None, (2, 3)),
    "dilated base": ((2, 2), (1, 1), [(0, 1), (1, 1)], (2, 3), None),
    "dilated base, strides": ((3, 2), (3, 2), [(1, 0), (2, 1)], (2, 4), None),
    "both dilated": ((3, 2), (1, 3), [(1, 2), (0, 0)], (3, 2), (2, 4)),
    "same, dilated base": ((3, 2), (2, 1), "SAME", (2, 2), (1, 2)),
    "between elements": ((1, 1), (1, 2), [(1, 1), (0, 0)], (2, 3), None),
    "cut": ((2, 2), (1, 2), [(-1, 0), (1, -2)], None, None),
    "cut, dilated base": ((2, 3), (2, 1), [(-1, 1), (-3, -2)], (2, 2), (1, 2)),
    "cut to the padding": ((2, 1), (1, 1), [(9, -6), (0, 0)], None, None),
}
SHAPE = (5, 7)


def _pads(shape, sizes, strides, padding, dilation):
    """What names of padding mean to `lax`: without the cells between elements."""
    if not isinstance(padding, str):
        return padding
    dilated = [(k - 1) * d + 1 for k, d in zip(sizes, dilation, strict=True)]
    return lax.padtype_to_pads(shape, dilated, strides, padding)


def _oracle(operands, inits, function, sizes, strides, padding, base, dilation):
    ones = (1,) * len(sizes)
    strides, base, dilation = (value or ones for value in (strides, base, dilation))
    pads = _pads(operands[0].shape, sizes, strides, padding, dilation)
    return reference.reduce_window(operands, inits, function, sizes, strides, pads, base, dilation)


_ROWS = pairs(
    list(REDUCTIONS), list(GEOMETRIES), ["float32", "bfloat16", "int32", "int8"], ["ties", "distinct"]
)


@pytest.mark.parametrize(
    ("reduction", "geometry", "dtype", "kind"),
    [row for row in _ROWS if row[0] != "hypot" or "int" not in row[2]],  # which is of no integers
)
def test_matches_oracle(reduction, geometry, dtype, kind):
    computation, of_numpy, init = REDUCTIONS[reduction]
    arguments, inputs = GEOMETRIES[geometry], numbers(kind, SHAPE, dtype)
    if not jnp.issubdtype(dtype, jnp.inexact):
        limits = {-INF: jnp.iinfo(dtype).min, INF: jnp.iinfo(dtype).max}
        init = limits.get(init, int(init) if np.isfinite(init) else init)
    wide = np.float64 if jnp.issubdtype(dtype, jnp.inexact) else dtype
    with np.errstate(over="ignore"):
        (expected,) = _oracle(
            [inputs.astype(wide)], [np.asarray(init, wide)], lambda a, b: (of_numpy(a[0], b[0]),), *arguments
        )
    actual = interpret(lambda x: jaxpool.reduce_window(x, init, computation, *arguments), inputs)
    assert_close(actual, expected.astype(dtype))


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_same_as_lax(geometry):
    """From what changes nothing: how often `lax` starts from anything else, XLA leaves open."""
    arguments = list(GEOMETRIES[geometry])
    arguments[1] = arguments[1] or (1, 1)  # which `lax` needs beside a name of padding
    for reduction in ("max", "jnp.maximum", "min", "add", "mul", "hypot"):
        computation, _, init = REDUCTIONS[reduction]
        actual, expected = interpret(
            lambda x, c=computation, i=init: tuple(
                package.reduce_window(x, jnp.float32(i), c, *arguments) for package in (jaxpool, lax)
            ),
            distinct(SHAPE, np.float32),
        )
        assert_close(actual, expected)


def test_arguments_have_the_names_and_the_order_of_lax():
    ours, theirs = (inspect.signature(package.reduce_window).parameters for package in (jaxpool, lax))
    assert [(n, p.default) for n, p in ours.items()] == [(n, p.default) for n, p in theirs.items()]


# -------------------------------------------------------------------------------------------- as pools do it


@pytest.mark.parametrize(
    ("pool", "computation", "init"),
    [
        (jaxpool.max_pool, lax.max, -INF),
        (jaxpool.max_pool, jnp.maximum, np.float32(-INF)),
        (jaxpool.min_pool, lax.min, INF),
        (jaxpool.sum_pool, lax.add, 0),
        (jaxpool.sum_pool, jnp.add, jnp.float32(0)),
    ],
)
@pytest.mark.parametrize(
    ("strides", "padding"), [((2, 2), "VALID"), ((1, 2), "SAME"), ((2, 1), [(1, 1), (0, 2)])]
)
def test_the_program_is_that_of_a_pool(pool, computation, init, strides, padding):
    x = np.zeros((2, 9, 8, 3), np.float32)
    pads = padding if isinstance(padding, str) else [(0, 0), *padding, (0, 0)]

    def window(x):
        return jaxpool.reduce_window(x, init, computation, (1, 2, 2, 1), (1, *strides, 1), pads)

    programs = [str(jax.make_jaxpr(f)(x)) for f in (window, lambda x: pool(x, (2, 2), strides, padding))]
    ours, pools = (re.findall(r"window_\w+\[.*?\]", program, re.DOTALL) for program in programs)
    assert len(ours) == 1
    assert ours == pools


@pytest.mark.parametrize("computation", [lax.max, lax.min, lax.add])
@pytest.mark.parametrize("init", ["known", "traced"])
def test_special_numbers_and_gradients_are_those_of_pools(computation, init):
    pool, known = {
        lax.max: (jaxpool.max_pool, np.float32(-INF)),
        lax.min: (jaxpool.min_pool, np.float32(INF)),
        lax.add: (jaxpool.sum_pool, np.float32(0)),
    }[computation]
    inputs = numbers("special", (40, 1), "float32")

    def derivatives(function, x):
        value, pullback = jax.vjp(function, x)
        return value, pullback(jnp.ones_like(value))[0], jax.jvp(function, (x,), (x * 0 + 1,))[1]

    def both(x, start):
        start = start if init == "traced" else known
        return tuple(
            derivatives(function, x)
            for function in (
                lambda x: jaxpool.reduce_window(x, start, computation, (3, 1), (2, 1), [(1, 1), (0, 0)]),
                lambda x: pool(x, (3,), (2,), 1),
            )
        )

    (value, gradient, tangent), expected = interpret(both, inputs, known)
    chex.assert_trees_all_equal(value, expected[0])
    kept = np.isfinite(value[:, 0]) if init == "traced" else np.full(len(value), True)  # else it ties
    chex.assert_trees_all_equal(tangent[kept], expected[2][kept])
    if init == "known":
        chex.assert_trees_all_equal(gradient, expected[1])


def test_integers_start_from_infinity_as_in_lax():
    x = random((6,), np.int32)
    for computation, init in ((lax.max, -INF), (lax.min, INF)):
        actual, expected = interpret(
            lambda x, c=computation, i=init: tuple(
                package.reduce_window(x, i, c, (2,), (2,), [(2, 2)]) for package in (jaxpool, lax)
            ),
            x,
        )
        assert_close(actual, expected)


def test_low_precision_is_reduced_in_float32():
    x = np.full(4096, 1 + 2**-7, jnp.bfloat16)
    for init in (0, 1):  # one more is less than what bfloat16 tells apart here
        (total,) = interpret(lambda x, i=init: jaxpool.reduce_window(x, i, lax.add, (4096,)), x)
        assert total == np.float32(4096 * (1 + 2**-7) + init).astype(jnp.bfloat16)
    (product,) = interpret(lambda x: jaxpool.reduce_window(x, 1.0, lax.mul, (64,)), x[:64])
    assert product == np.float32((1 + 2**-7) ** 64).astype(jnp.bfloat16)


def test_what_lax_orders_or_adds_by_itself():
    """Complex numbers have an order in `lax`, and bools have sums in NumPy."""
    x = random((2, 9), np.complex64)
    actual, expected = interpret(
        lambda x: tuple(package.reduce_window(x, -INF + 0j, lax.max, (1, 3)) for package in (jaxpool, lax)), x
    )
    assert_close(actual, expected)
    bools = random((9,), np.bool_)
    (actual,) = interpret(lambda x: (jaxpool.reduce_window(x, False, jnp.add, (2,)),), bools)
    assert_close(actual, bools[1:] | bools[:-1])


# ------------------------------------------------------------------------------------ several, any function


def _first_of_largest(a, b):
    better = b["value"] > a["value"]
    return jax.tree.map(lambda x, y: jnp.where(better, y, x), a, b)


@pytest.mark.parametrize("geometry", ["overlapping", "dilated", "both dilated", "cut, dilated base"])
def test_trees_are_reduced_together(geometry):
    x = distinct(SHAPE, np.float32)
    operand = {"value": x, "place": np.arange(x.size, dtype=np.int32).reshape(SHAPE)}
    init = {"value": np.float32(-INF), "place": np.int32(-1)}
    actual = interpret(
        lambda operand: jaxpool.reduce_window(operand, init, _first_of_largest, *GEOMETRIES[geometry]),
        operand,
    )
    leaves, tree = jax.tree.flatten(operand)
    expected = _oracle(
        leaves, jax.tree.leaves(init), lambda a, b: b if b[1] > a[1] else a, *GEOMETRIES[geometry]
    )
    chex.assert_trees_all_equal(actual, tree.unflatten(expected))


def _affine(a, b):
    """Of two functions x -> p x + q, the one after the other: associative, and the order matters."""
    return a[0] * b[0], b[0] * a[1] + b[1]


@pytest.mark.parametrize("geometry", ["overlapping", "both dilated"])
def test_the_order_is_row_major_along_one_dimension(geometry):
    sizes, *others = (None if value is None else value[1:] for value in GEOMETRIES[geometry])
    p, q = distinct(SHAPE[1:], np.float64), distinct(SHAPE[1:], np.float64, seed=1)
    with jax.enable_x64(True):
        actual = interpret(
            lambda p, q: jaxpool.reduce_window((p, q), (1.0, 0.0), _affine, sizes, *others), p, q
        )
    chex.assert_trees_all_close(
        actual, tuple(_oracle([p, q], (1.0, 0.0), _affine, sizes, *others)), rtol=1e-12
    )


def test_computations_are_of_scalars():
    """As in `lax`, which traces them so: a product of vectors would be another thing."""

    def largest(a, b):
        assert a.shape == b.shape == ()
        return lax.cond(a > b, lambda: a, lambda: b)

    x = distinct((4, 5), np.float32)
    pooled = interpret(lambda x: (jaxpool.reduce_window(x, -INF, largest, (2, 2)),), x)
    assert_close(*pooled, reference.max_pool(x[..., None], (2, 2))[0][..., 0])


# ------------------------------------------------------------------------------------------------ derivatives


@pytest.mark.parametrize(
    ("reduction", "geometry"),
    pairs(
        ["max from 0.5", "add from 2", "mul from 3", "hypot", "logaddexp"],
        ["overlapping", "dilated", "dilated base", "both dilated", "cut, dilated base"],
    ),
)
@pytest.mark.usefixtures("x64")
def test_derivatives_in_both_modes_to_second_order(reduction, geometry):
    computation, _, init = REDUCTIONS.get(reduction, (jnp.logaddexp, np.logaddexp, -1.0))
    assert_derivatives(
        lambda x, init: jaxpool.reduce_window(x, init, computation, *GEOMETRIES[geometry]),
        distinct(SHAPE) + 0.01,
        np.float64(init or 0.3),  # at 0 hypot has no derivative
    )


@pytest.mark.usefixtures("x64")
def test_derivatives_of_trees():
    def pool(p, q):
        return jnp.stack(jaxpool.reduce_window((p, q), (1.0, 0.0), _affine, (3,), (1,), [(1, 1)], (2,)))

    assert_derivatives(pool, distinct((6,)), distinct((6,), seed=1))


def test_third_order_and_transformations():
    x = distinct((2, 6), np.float32)

    def cubed(x):
        return jaxpool.reduce_window(x, 1.0, lax.mul, (3,), (1,), "VALID", (1,), (2,)).sum()

    def third(x):
        return jax.jacfwd(jax.jacrev(jax.grad(cubed)))(x)

    (expected,) = interpret(lambda x: (jnp.stack([third(row) for row in x]),), x)
    (actual,) = interpret(lambda x: (jax.vmap(third)(x),), x)
    assert_close(actual, expected)
    assert set(np.unique(actual)) == {0, 1}  # of a product of three different elements


@pytest.mark.parametrize("computation", [lax.max, lax.mul])
def test_batches_may_be_symbolic_or_split(computation):
    x = random((8, 6, 3), np.float32)

    def pool(x):
        return jaxpool.reduce_window(x, 1.0, computation, (1, 2, 1), (1, 2, 1), "VALID", (1, 2, 1))

    (expected,) = interpret(lambda x: (pool(x),), x)
    (batch,) = jax.export.symbolic_shape("batch")
    exported = jax.export.export(jax.jit(pool))(jax.ShapeDtypeStruct((batch, 6, 3), np.float32))
    assert_close(exported.call(x), expected)
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        split = jax.jit(pool)(jax.device_put(x, NamedSharding(mesh, P("batch"))))
        with pytest.raises(ValueError, match="operand must not be split among devices along axis 1"):
            jax.jit(pool)(jax.device_put(np.zeros((1, 8, 3)), NamedSharding(mesh, P(None, "batch"))))
    assert_close(split, expected)
    assert jax.typeof(split).sharding.spec[0] == "batch"


def test_nothing_is_pooled_too():
    for shape, computation in itertools.product([(0, 4), (3, 0)], [lax.max, lax.mul]):
        (actual,) = interpret(
            lambda x, c=computation: (jaxpool.reduce_window(x, 1.5, c, (1, 2), (1, 1), [(0, 0), (2, 2)]),),
            np.zeros(shape, np.float32),
        )
        assert actual.shape == (shape[0], shape[1] + 3)
        assert (actual[:, [0, -1]] == 1.5).all()


# --------------------------------------------------------------------------------------------------- mistakes

_X = np.zeros((4, 5), np.float32)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "operand must be an array, got 1.0", {"operand": [1.0, 2.0], "init_value": [0.0, 0.0]}),
        (ValueError, "operand must hold at least one array, got ()", {"operand": (), "init_value": ()}),
        (
            ValueError,
            "operand must hold arrays of one shape, got [(4, 5), (4,)]",
            {"operand": (_X, _X[:, 0]), "init_value": (0.0, 0.0)},
        ),
        (ValueError, "init_value must be a tree like that of operand", {"init_value": (0.0, 0.0)}),
        (ValueError, "init_value must be a scalar, got an array of shape (2,)", {"init_value": _X[0, :2]}),
        (
            TypeError,
            "init_value must be a scalar that fits an operand of int32, got 0.5",
            {"operand": _X.astype(np.int32), "init_value": 0.5},
        ),
        (TypeError, "computation must be a function of two scalars, got 3", {"computation": 3}),
        (TypeError, "computation must return ShapeDtypeStruct", {"computation": jnp.equal}),
        (TypeError, "computation must return ShapeDtypeStruct", {"computation": lambda a, b: (a, b)}),
        (TypeError, "window_dimensions must be a sequence of ints", {"window_dimensions": 2}),
        (ValueError, "window_dimensions must have 2 entries, got (2,)", {"window_dimensions": (2,)}),
        (ValueError, "window_dimensions must hold ints of at least 1", {"window_dimensions": (2, 0)}),
        (ValueError, "window_strides must have 2 entries", {"window_strides": (1,)}),
        (ValueError, "base_dilation must hold ints of at least 1", {"base_dilation": (1, 0)}),
        (TypeError, "every entry of window_dilation must be an int", {"window_dilation": (1, 1.5)}),
        (ValueError, "padding must be 'VALID'", {"padding": "FULL"}),
        (ValueError, "padding must have 2 entries", {"padding": [(1, 1)]}),
        (
            ValueError,
            "window_dimensions must fit the padded operand: a window of 2 with dilation 9 spans 10 cells, "
            "but the dimension has 9 and padding (0, 0)",
            {"base_dilation": (1, 2), "window_dilation": (1, 9)},
        ),
    ],
)
def test_mistakes_are_named(error, message, arguments):
    defaults = {"operand": _X, "init_value": 0.0, "computation": lax.mul, "window_dimensions": (2, 2)}
    with pytest.raises(error) as raised:
        jaxpool.reduce_window(**defaults | arguments)
    assert message in str(raised.value)
    assert "got" in str(raised.value) or "but" in str(raised.value)


def test_one_program_outside_of_jit():
    """The same function compiles once, though each call makes another one of arrays of it."""
    traced, counts = [], []

    def noted(a, b):
        traced.append(a)
        return a * b

    for _ in range(2):
        jaxpool.reduce_window(jnp.zeros((3, 4)), 1.0, noted, (2, 2))
        counts.append(len(traced))
    assert counts[0] == counts[1] > 0
