"""Pools of arrays that are split along space: the results of the whole array, for the exchange of a halo."""

import functools
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool._lowering import PLATFORMS, cpu, tpu
from jaxpool.sharding import spatial
from tests.cases import distinct, random
from tests.covering import pairs_beside
from tests.programs import interpret
from tests.split import (
    FUNCTIONS,
    GEOMETRIES,
    SHAPE,
    SPECS,
    Split,
    assert_same,
    collectives,
    make_mesh,
    make_pool,
)

SIMPLE = ("max", "max with indices", "min", "avg", "avg of elements", "sum")
COMPOSED = ("lp", "logsumexp", "soft", "median", "quantile", "var", "std", "stochastic", "expectation")
# Sides of rows and columns that need a halo: both ends of a window reach over the next one, or one does.
SIDES = {"2x2/2": (0, 0), "3x3/2": (1, 1), "2x2/1": (1, 1), "3x2/1": (2, 1)}
DTYPES = ("float32", "bfloat16", "float16")
TOLERANCES = {"float32": 2e-5, "bfloat16": 3e-2, "float16": 4e-3}


def _covering():
    """Every selection and sum with a halo at one side and at both, in every layout and dtype.

    What a device fetches depends on the geometry and the layout: each side that needs a halo, or none, meets
    each layout, in one of the geometries. What it fills in depends on the function and on whether it fetched.
    What is composed of them compiles longer, and is split by them: each in a window with a halo at one side
    or at both, in every layout and dtype between them.
    """
    sides = {"none": ["2x2/2"], "one": ["3x3/2", "2x2/1"], "both": ["3x2/1", "5x5/2", "7x7/1", "dilated"]}
    turns = {side: itertools.cycle(geometries) for side, geometries in sides.items()}
    given = [(function, side) for function in SIMPLE for side in sides if side != "none"]
    given += [(function, "none") for function in ("max with indices", "avg of elements", "sum")]
    for function, side, *others in pairs_beside(given, [*SPECS], DTYPES):
        yield (function,), next(turns[side]), *others
    windows = itertools.cycle(["2x2/1", "dilated"])
    for function, geometry, others in zip(COMPOSED, windows, itertools.product(SPECS, DTYPES), strict=False):
        yield (function,), geometry, *others


def test_functions_and_geometries_are_in_the_grid():
    rows = list(_covering())
    assert {name for functions, *_ in rows for name in functions} == {*FUNCTIONS}
    assert {*GEOMETRIES} - {geometry for _, geometry, *_ in rows} == {"3x3/1"}  # which is further below


def _assert_results_and_collectives(functions, geometry, layout, dtype):
    spec = SPECS[layout]
    pools = {
        function: Split(make_pool(function, geometry), spec, distinct(SHAPE, dtype)) for function in functions
    }
    counts = assert_same(pools, TOLERANCES[dtype])
    sides = SIDES.get(geometry, (2, 2))
    halos = sum(n for n, entry in zip(sides, spec[1:], strict=False) if entry is not None)
    assert counts["collective-permute"] == 2 * halos * len(functions)  # there, and back for the gradient
    assert counts["all-gather"] == counts["all-to-all"] == counts["reduce-scatter"] == 0
    assert counts["all-reduce"] > 0  # the loss; so the text is read as it should be


@pytest.mark.parametrize(("functions", "geometry", "layout", "dtype"), list(_covering()), ids=str)
def test_results_and_collectives(functions, geometry, layout, dtype):
    _assert_results_and_collectives(functions, geometry, layout, dtype)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", SPECS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_results_and_collectives_of_each(function, geometry, layout, dtype):
    _assert_results_and_collectives([function], geometry, layout, dtype)


def _product(inputs, *window):
    return jaxpool.pool(inputs, 1.0, jnp.multiply, *window)


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
        ((3, 2),),
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
    "integers": (_product, (1, 16, 4, 2), ((2, 2), (2, 2)), {}, ROWS),
}


@pytest.mark.parametrize("number", range(4))
def test_other_geometries(number):
    pools = {}
    for name in [*OTHERS][number::4]:
        function, shape, window, options, spec = OTHERS[name]
        pool = functools.partial(function, **options)
        pools[name] = Split(
            lambda x, pool=pool, window=window: pool(x, *window), spec, distinct(shape, np.float32)
        )
    counts = assert_same(pools)
    assert counts["all-gather"] == counts["all-to-all"] == 0


@pytest.mark.parametrize("channels", [5, 8])  # of so few a device by itself widens all numbers in one loop
@pytest.mark.parametrize("name", ["avg_pool", "soft_pool", "lp_pool", "global_avg_pool", "max_pool"])
def test_split_images_stay_where_they_are(name, channels):
    mesh = make_mesh(shape=(2, 2))
    spec = P("y", None, None, "x" if channels % 2 == 0 else None)
    inputs = jax.device_put(distinct((2, 8, 8, channels), "float16"), NamedSharding(mesh, spec))
    options = {"axis": (1, 2)} if name.startswith("global") else {"window_shape": (3, 3)}

    def gradient(inputs):
        value, pull = jax.vjp(lambda x: getattr(jaxpool, name)(x, **options), inputs)
        return value, *pull(value)

    assert not collectives(jax.jit(gradient).lower(inputs).compile().as_text())


@pytest.mark.parametrize(
    ("function", "choices"),
    [
        *((name, cpu) for name in ("max with indices", "min", "avg", "median", "soft", "var")),
        *((name, tpu) for name in ("max", "min")),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_special_values_at_the_edges(function, choices, monkeypatch):
    """Infinities, NaN and ties in windows with padding, and where devices meet; by a TPU's choices too.

    These in windows with as much padding on either side: XLA's CPU backend gives the gradient of some ties in
    others to another element than its own definition of select-and-scatter says.
    """
    inputs = np.random.RandomState(0).randint(0, 3, (1, 16, 8, 2)).astype(np.float32)
    inputs[0, :3, :3] = -np.inf
    inputs[0, -2:, -2:] = np.inf
    inputs[0, 3:5, 4] = np.nan
    inputs[0, 6, 0, 0] = np.nan
    pool = make_pool(function, "3x3/1" if choices is tpu else "3x2/1")
    split = spatial(pool, mesh=make_mesh(), spec=P(None, "x"))

    def results_and_gradient(pool):
        def values(x):
            results = jax.tree.leaves(pool(x))
            return results[0], results

        def both(x):
            value, pullback, results = jax.vjp(values, x, has_aux=True)
            return results, pullback(jnp.ones_like(value))

        return both

    expected = interpret(results_and_gradient(pool), inputs)
    monkeypatch.setitem(PLATFORMS, None, choices)
    actual = jax.jit(results_and_gradient(split))(inputs)
    rounded = 1e-6 if function in ("soft", "var") else 0  # what cancels in their gradients
    chex.assert_trees_all_close(actual, expected, rtol=1e-6, atol=rounded)


def test_only_what_has_to_move_does():
    """Windows that do not drift are cut at fixed places, and a device without neighbours pads nothing."""
    pool = make_pool("max", "3x3/2")

    def text(shape):
        split = spatial(pool, mesh=make_mesh(shape=shape), spec=ROWS)
        return jax.jit(split).lower(np.zeros((2, 32, 16, 16), np.float32)).as_text()

    moved, alone = text((2, 4)), text((8, 1))
    assert "collective_permute" in moved
    assert "dynamic_slice" not in moved
    assert "collective_permute" not in alone
    assert "stablehlo.pad" not in alone


def test_tangents_of_windows_of_padding():
    """They are zero, whatever a neighbour has."""
    inputs, tangent = (random((1, 16, 8, 2), seed=seed) for seed in (0, 1))
    pool = functools.partial(jaxpool.max_pool, window_shape=(2, 2), strides=(2, 2), padding=((6, 10), (0, 0)))

    def pushed(pool):
        return lambda inputs, tangent: jax.jvp(pool, (inputs,), (tangent,))

    actual = jax.jit(pushed(spatial(pool, mesh=make_mesh(), spec=ROWS)))(inputs, tangent)
    chex.assert_trees_all_close(actual, interpret(pushed(pool), inputs, tangent))
    assert not np.any(actual[1][:, :3])


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.bool_], ids=lambda dtype: dtype.__name__)
def test_other_dtypes(dtype):
    inputs, names = random((1, 16, 8, 2), dtype), ("max with indices", "min", "sum", "avg")
    pools = {name: make_pool(name, "3x3/2") for name in names}
    split = {name: spatial(pool, mesh=make_mesh(), spec=P(None, "x")) for name, pool in pools.items()}
    actual, expected = (
        jax.jit(lambda x, of=of: {name: pool(x) for name, pool in of.items()})(inputs)
        for of in (split, pools)
    )
    chex.assert_trees_all_equal(actual, expected)


@pytest.mark.parametrize(
    ("shape", "functions"),
    [
        ((2, 16, 8, 3), ("max with indices", "avg of elements")),
        ((16, 8, 1), ("min",)),
        ((16, 1, 1), ("sum",)),
        ((1, 8, 3), ("avg",)),
    ],
    ids=str,
)
def test_masks(shape, functions):
    where = random(shape, np.bool_)
    pools = {
        function: Split(
            functools.partial(make_pool(function, "3x3/2"), where=where),
            P(None, "x", "y"),
            distinct((2, 16, 8, 3), np.float32),
        )
        for function in functions
    }
    assert assert_same(pools)["all-gather"] == 0


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

        return lambda x: (
            forward(x),
            jax.jvp(jax.grad(loss), (x,), (tangent,))[1],
            jax.grad(lambda x: jnp.sum(jnp.cos(jax.grad(loss)(x))))(x),
            jax.jvp(forward, (x,), (tangent,))[1],
        )

    actual, expected = jax.jit(derivatives(split))(inputs), interpret(derivatives(pool), inputs)
    chex.assert_trees_all_close(actual, expected, rtol=1e-4, atol=1e-4)
