"""Arrays that are split over devices, and what pools of them are compared with."""

import collections
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from benchmarks.traffic import traffic
from jaxpool.sharding import spatial

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
    "3x3/1": ((3, 3), (1, 1), "SAME"),
    "5x5/2": ((5, 5), (2, 2), "SAME"),
    "7x7/1": ((7, 7), (1, 1), "SAME"),
    "dilated": ((3, 3), (1, 1), "SAME", {"window_dilation": (2, 2)}),
}
SPECS = {"rows": P(None, "x"), "rows and columns": P(None, "y", "x"), "images and columns": P("y", None, "x")}
SHAPE = (2, 16, 32, 3)


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


def assert_same(pool, spec, inputs, tolerance=2e-5, mesh=None):
    """The results and the gradient are those of the whole array; returns the compiled program."""
    mesh = make_mesh() if mesh is None else mesh
    split = spatial(pool, mesh=mesh, spec=spec)
    placed = jax.device_put(inputs, NamedSharding(mesh, spec))
    compiled = jax.jit(jax.value_and_grad(curved(split), has_aux=True)).lower(placed).compile()
    (_, results), gradient = compiled(placed)
    (_, expected), whole = jax.jit(jax.value_and_grad(curved(pool), has_aux=True))(inputs)
    wide = functools.partial(jax.tree.map, lambda x: np.asarray(x, np.float64))
    chex.assert_trees_all_equal_shapes_and_dtypes((results, gradient), (expected, whole))
    chex.assert_trees_all_close(
        wide((results, gradient)), wide((expected, whole)), rtol=tolerance, atol=tolerance
    )
    for result in jax.tree.leaves(results):
        assert result.sharding.is_equivalent_to(NamedSharding(mesh, spec), result.ndim)
    return compiled.as_text()
