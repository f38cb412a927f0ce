"""Pools of arrays that are split along space: the results of the whole array, for the exchange of a halo."""

import functools
import itertools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool.sharding import spatial
from tests.cases import distinct, random
from tests.split import FUNCTIONS, GEOMETRIES, SHAPE, SPECS, assert_same, collectives, make_mesh, make_pool

COMPOSED = ("lp", "logsumexp", "soft", "median", "quantile", "var", "std", "stochastic", "expectation")
# Sides of an axis that need a halo: both ends of a window reach over the next one, or one does.
SIDES = {"2x2/2": 0, "3x3/2": 1}
DTYPES = ("float32", "bfloat16", "float16")
TOLERANCES = {"float32": 2e-5, "bfloat16": 3e-2, "float16": 4e-3}


def _grid():
    """All combinations; those that a run of all tests leaves out are marked."""
    for number, (function, geometry, layout, dtype) in enumerate(
        itertools.product(FUNCTIONS, GEOMETRIES, SPECS, DTYPES)
    ):
        compiles_long = geometry == "7x7/1" and function in COMPOSED
        marks = [] if number % 37 == 0 and not compiles_long else [pytest.mark.exhaustive]
        yield pytest.param(function, geometry, layout, dtype, marks=marks)


@pytest.mark.parametrize(("function", "geometry", "layout", "dtype"), list(_grid()))
def test_results_and_collectives(function, geometry, layout, dtype):
    text = assert_same(
        make_pool(function, geometry), SPECS[layout], distinct(SHAPE, dtype), TOLERANCES[dtype]
    )
    counts = collectives(text)
    axes = sum(entry is not None for entry in SPECS[layout][1:])
    assert counts["collective-permute"] == 2 * axes * SIDES.get(geometry, 2)
    assert counts["all-gather"] == counts["all-to-all"] == counts["reduce-scatter"] == 0
    assert counts["all-reduce"] > 0  # the loss; so the text is read as it should be


ROWS = P(None, "x")
OTHERS = {
    "a halo wider than a shard": (jaxpool.max_pool, (1, 8, 3, 2), ((7, 1),), {"padding": "SAME"}, ROWS),
    "a halo wider than two": (jaxpool.avg_pool, (1, 8, 3, 2), ((11, 1), (2, 1)), {"padding": "SAME"}, ROWS),
    "windows that drift": (jaxpool.max_pool, (1, 36, 3, 2), ((5, 2), (5, 2)), {"padding": "SAME"}, ROWS),
    "windows that drift far": (jaxpool.lp_pool, (1, 8, 4, 2), ((5, 1),), {}, ROWS),
    "no padding": (jaxpool.avg_pool, (1, 12, 4, 2), ((5, 2),), {}, ROWS),
    "causal": (jaxpool.var_pool, (1, 16, 4, 2), ((4, 1),), {"padding": "CAUSAL"}, ROWS),
    "ceil mode": (
        functools.partial(jaxpool.avg_pool, ceil_mode=True),
        (1, 32, 9, 2),
        ((3, 3), (2, 2)),
        {},
        ROWS,
    ),
    "gaps": (jaxpool.sum_pool, (1, 16, 8, 2), ((1, 2), (4, 3)), {}, ROWS),
    "windows of padding": (
        functools.partial(jaxpool.max_pool, return_indices=True),
        (1, 16, 8, 2),
        ((2, 2), (2, 2)),
        {"padding": ((6, 10), (0, 0))},
        ROWS,
    ),
    "averages of padding": (
        functools.partial(jaxpool.avg_pool, count_include_pad=False),
        (1, 16, 8, 2),
        ((2, 2), (2, 2)),
        {"padding": ((6, 10), (0, 0))},
        ROWS,
    ),
    "norms of padding": (
        jaxpool.lp_pool,
        (1, 16, 8, 2),
        ((2, 2), (2, 2)),
        {"padding": ((6, 10), (0, 0))},
        ROWS,
    ),
    "medians of padding": (
        jaxpool.median_pool,
        (1, 16, 8, 2),
        ((3, 2), (2, 2)),
        {"padding": ((7, 10), (0, 0))},
        ROWS,
    ),
    "a column of windows": (
        functools.partial(jaxpool.max_pool, return_indices=True),
        (1, 16, 8, 2),
        ((1, 3),),
        {"padding": "SAME"},
        P(None, "x", "y"),
    ),
    "one axis over two": (
        jaxpool.max_pool,
        (1, 32, 5, 2),
        ((3, 3),),
        {"padding": "SAME"},
        P(None, ("x", "y")),
    ),
    "channels first": (
        functools.partial(jaxpool.soft_pool, channel_axis=1),
        (2, 3, 16, 8),
        ((3, 3),),
        {"padding": "SAME"},
        P(None, None, "x", "y"),
    ),
    "no batch, volume": (
        jaxpool.max_pool,
        (8, 4, 8, 2),
        ((3, 3, 3),),
        {"padding": "SAME"},
        P("x", None, "y"),
    ),
    "two axes of batches": (
        jaxpool.avg_pool,
        (2, 3, 8, 4, 2),
        ((3, 3),),
        {"padding": "SAME"},
        P("y", None, "x"),
    ),
    "channels too": (jaxpool.max_pool, (2, 8, 4, 2), ((3, 3),), {"padding": "SAME"}, P(None, "x", None, "y")),
    "integers": (jaxpool.pool, (1, 16, 4, 2), ((2, 2), (2, 2)), {}, ROWS),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_geometries(name):
    function, shape, window, options, spec = OTHERS[name]
    if function is jaxpool.pool:
        function = _product
    text = assert_same(lambda x: function(x, *window, **options), spec, distinct(shape, np.float32))
    assert collectives(text)["all-gather"] == collectives(text)["all-to-all"] == 0


def _product(inputs, *window):
    return jaxpool.pool(inputs, 1.0, jnp.multiply, *window)


@pytest.mark.parametrize("function", ["max with indices", "min", "avg", "median", "soft", "logsumexp", "var"])
def test_special_values_at_the_edges(function):
    """Infinities, NaN and ties in windows with padding, and where two devices meet."""
    inputs = np.zeros((1, 16, 8, 2), np.float32)
    inputs[0, :3, :3] = -np.inf
    inputs[0, -2:, -2:] = np.inf
    inputs[0, 3:5, 4] = np.nan
    inputs[0, 6, 0, 0] = np.nan
    pool = make_pool(function, "3x3/1")
    split = spatial(pool, mesh=make_mesh(), spec=P(None, "x"))
    whole, apart = (
        jax.jit(
            lambda x, f=f: (f(x), jax.vjp(lambda x: jax.tree.leaves(f(x))[0], x)[1](jnp.ones((1, 16, 8, 2))))
        )
        for f in (pool, split)
    )
    chex.assert_trees_all_close(apart(inputs), whole(inputs), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.bool_], ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("function", ["max with indices", "min", "sum", "avg"])
def test_other_dtypes(function, dtype):
    inputs = random((1, 16, 8, 2), dtype)
    split = spatial(make_pool(function, "3x3/2"), mesh=make_mesh(), spec=P(None, "x"))
    chex.assert_trees_all_equal(jax.jit(split)(inputs), make_pool(function, "3x3/2")(inputs))


@pytest.mark.parametrize("shape", [(2, 16, 8, 3), (16, 8, 1), (16, 1, 1), (1, 8, 3)], ids=str)
@pytest.mark.parametrize("function", ["max with indices", "min", "avg", "avg of elements", "sum"])
def test_masks(function, shape):
    inputs = distinct((2, 16, 8, 3), np.float32)
    where = random(shape, np.bool_)
    pool = functools.partial(make_pool(function, "3x3/2"), where=where)
    text = assert_same(pool, P(None, "x", "y"), inputs)
    assert collectives(text)["all-gather"] == 0


@pytest.mark.parametrize("function", ["max", "avg", pytest.param("logsumexp", marks=pytest.mark.exhaustive)])
def test_every_mode_and_order(function):
    pool = make_pool(function, "3x3/2")
    split = spatial(pool, mesh=make_mesh(), spec=P(None, "x"))
    inputs, tangent = distinct((1, 8, 4, 2), np.float32), random((1, 8, 4, 2), np.float32, seed=1)

    def derivatives(f):
        def loss(x):
            return jnp.sum(jnp.sin(f(x)))

        def forward(x):
            return jax.jvp(f, (x,), (tangent,))[1]

        return jax.jit(
            lambda x: (
                forward(x),
                jax.jvp(jax.grad(loss), (x,), (tangent,))[1],
                jax.grad(lambda x: jnp.sum(jnp.cos(jax.grad(loss)(x))))(x),
                jax.jvp(forward, (x,), (tangent,))[1],
            )
        )

    chex.assert_trees_all_close(derivatives(split)(inputs), derivatives(pool)(inputs), rtol=1e-4, atol=1e-4)


def _call(
    shape=(2, 16, 8, 2),
    spec=ROWS,
    function=jaxpool.max_pool,
    window=((3, 3), (1, 1), "SAME"),
    **options,
):
    return spatial(function, mesh=make_mesh(), spec=spec)(np.zeros(shape, np.float32), *window, **options)


ERRORS = {
    "mesh": (
        lambda: spatial(jaxpool.max_pool, mesh="x", spec=P()),
        TypeError,
        "mesh must be a jax.sharding.Mesh",
    ),
    "spec": (lambda: spatial(jaxpool.max_pool, mesh=make_mesh(), spec=("x",)), TypeError, "spec must be a"),
    "axis": (
        lambda: spatial(jaxpool.max_pool, mesh=make_mesh(), spec=P("z")),
        ValueError,
        r"spec must name axes of the mesh, which are \('y', 'x'\), got 'z'",
    ),
    "rank": (
        lambda: _call(spec=P(None, None, None, None, "x")),
        ValueError,
        "spec must have at most one entry",
    ),
    "length": (
        lambda: _call(shape=(2, 18, 8, 2)),
        ValueError,
        "axis 1 that 4 devices divide.* 16 or 20 would do",
    ),
    "windows": (
        lambda: _call(shape=(2, 12, 8, 2), window=((3, 3), (2, 2), "SAME")),
        ValueError,
        "got length 12 with 6 windows; 8 or 16 would do",
    ),
    "batch": (
        lambda: _call(shape=(1, 16, 8, 2), spec=P("y", "x")),
        ValueError,
        "axis 0 that 2 devices divide",
    ),
    "pool": (
        lambda: _call(function=_product),
        ValueError,
        "padding must be 0 along axes",
    ),
    "adaptive": (
        lambda: _call(function=jaxpool.adaptive_max_pool, window=((3, 3),)),
        ValueError,
        "function must be a windowed or global pool",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", ["SAME", "VALID", "CAUSAL", ((2, 2),)], ids=str)
def test_lengths_in_messages_would_do(padding, stride):
    """The message of an uneven split names lengths that then work."""
    split = spatial(jaxpool.max_pool, mesh=make_mesh(), spec=P("x"))

    def windows(length, padding=padding):
        array = jax.ShapeDtypeStruct((length, 1), np.float32)
        return jax.eval_shape(lambda x: split(x, (4,), (stride,), padding), array).shape[0]

    messages = 0
    for length in range(5, 40):
        try:
            assert windows(length) % 4 == 0
        except ValueError as error:
            messages += 1
            proposed = re.search(r"; (with 'SAME' padding )?(\d+)(?: or (\d+))? would do", str(error))
            for other in filter(None, proposed.groups()[1:]):
                assert windows(int(other), "SAME" if proposed[1] else padding) % 4 == 0
    assert messages > 20
