"""Arrays that are split over devices, and what pools of them are compared with."""

import collections
import functools
from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from benchmarks.traffic import traffic
from jaxpool.sharding import spatial
from tests.programs import interpret

FUNCTIONS = {
    "max": jaxpool.max_pool,
    "max with indices": functools.partial(jaxpool.max_pool, return_indices=True),
    "min": jaxpool.min_pool,
    "avg": jaxpool.avg_pool,
    "avg of elements": functools.partial(jaxpool.avg_pool, count_include_pad=False),
    "sum": jaxpool.sum_pool,
    "lp": jaxpool.lp_pool,
    "logsumexp": functools.partial(jaxpool.logsumexp_pool, mean=True),
    "soft": jaxpool.soft_pool,
    "median": jaxpool.median_pool,
    "quantile": functools.partial(jaxpool.quantile_pool, q=0.3),
    "var": jaxpool.var_pool,
    "std": jaxpool.std_pool,
    "stochastic": functools.partial(jaxpool.stochastic_pool, np.zeros(2, np.uint32)),
    "expectation": functools.partial(jaxpool.stochastic_pool, None, deterministic=True),
}
GEOMETRIES = {
    "2x2/2": ((2, 2), (2, 2), "VALID"),
    "3x3/2": ((3, 3), (2, 2), "SAME"),
    "2x2/1": ((2, 2), (1, 1), "SAME"),
    "3x2/1": ((3, 2), (1, 1), "SAME"),
    "3x3/1": ((3, 3), (1, 1), "SAME"),
    "5x5/2": ((5, 5), (2, 2), "SAME"),
    "7x7/1": ((7, 7), (1, 1), "SAME"),
    "dilated": ((2, 2), (1, 1), "SAME", {"window_dilation": (4, 4)}),
}
SPECS = {"rows": P(None, "x"), "rows and columns": P(None, "y", "x"), "images and columns": P("y", None, "x")}
SHAPE = (2, 16, 16, 2)


def make_mesh(kind=AxisType.Auto, shape=(2, 4)):
    return jax.make_mesh(shape, ("y", "x"), axis_types=(kind,) * 2)


def make_pool(function, geometry):
    window, strides, padding, *options = GEOMETRIES[geometry]
    return functools.partial(
        FUNCTIONS[function],
        window_shape=window,
        strides=strides,
        padding=padding,
        **(options[0] if options else {}),
    )


def curved(pool):
    """A scalar whose gradient depends on the results, and these."""

    def scalar(inputs):
        results = pool(inputs)
        values = results[0] if isinstance(results, tuple) else results
        return jnp.sum(jnp.sin(values.astype(np.float32))), results

    return scalar


def collectives(text):
    """How many of each kind there are in a compiled program."""
    return collections.Counter(traffic(text).collectives)


class Split(NamedTuple):
    """A pool of an array, and how that lies on devices."""

    pool: Callable
    spec: P
    inputs: np.ndarray


def assert_same(pools: dict[str, Split], tolerance=2e-5):
    """Results and gradients are those of whole arrays; returns the collectives of the compiled program.

    It is one program for all. They share no inputs, so XLA has them share nothing.
    """
    mesh = make_mesh()
    inputs = {name: one.inputs for name, one in pools.items()}
    placed = {name: jax.device_put(x, NamedSharding(mesh, pools[name].spec)) for name, x in inputs.items()}
    split = {name: spatial(one.pool, mesh=mesh, spec=one.spec) for name, one in pools.items()}
    compiled = jax.jit(_together(split)).lower(placed).compile()
    (_, results), gradients = compiled(placed)
    (_, expected), whole = interpret(_together({name: one.pool for name, one in pools.items()}), inputs)
    wide = functools.partial(jax.tree.map, lambda x: np.asarray(x, np.float64))
    actual, expected = (results, gradients), (expected, whole)
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    chex.assert_trees_all_close(wide(actual), wide(expected), rtol=tolerance, atol=tolerance)
    for name, of_pool in results.items():
        layout = NamedSharding(mesh, pools[name].spec)
        for result in jax.tree.leaves(of_pool):
            assert result.sharding.is_equivalent_to(layout, result.ndim), name
    return collectives(compiled.as_text())


def _together(pools):
    """Of inputs by the names of pools: the sum of their scalars, all results, and the gradients."""

    def scalar(inputs):
        found = {name: curved(pool)(inputs[name]) for name, pool in pools.items()}
        return sum(value for value, _ in found.values()), {
            name: results for name, (_, results) in found.items()
        }

    return jax.value_and_grad(scalar, has_aux=True)
