"""What is said of arrays that cannot be split along space so, and of pools that cannot be."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool.sharding import spatial
from tests.split import make_mesh

ROWS = P(None, "x")


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
        lambda: _call(function=lambda x, *window: jaxpool.pool(x, 1.0, jnp.multiply, *window)),
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
    messages = 0
    for length in range(5, 25):  # what divides by the largest stride and the devices comes again
        try:
            assert _windows(length, stride, padding) % 4 == 0
        except ValueError as error:
            messages += 1
            proposed = re.search(r"; (with 'SAME' padding )?(\d+)(?: or (\d+))? would do", str(error))
            for other in filter(None, proposed.groups()[1:]):
                assert _windows(int(other), stride, "SAME" if proposed[1] else padding) % 4 == 0
    assert messages > 10


@functools.cache
def _windows(length, stride, padding):
    split = spatial(jaxpool.max_pool, mesh=make_mesh(), spec=P("x"))
    array = jax.ShapeDtypeStruct((length, 1), np.float32)
    return jax.eval_shape(lambda x: split(x, (4,), (stride,), padding), array).shape[0]
