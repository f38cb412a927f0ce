"""What a type checker says of the modules: nothing of what is right, and an error in each line that is wrong.

Pyright reads this file, and nothing runs it. An error where none is expected fails, and so does a comment
that expects one where there is none. `test_stubs.py` writes as much for every module.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true, reportUnusedExpression=false
# pyright: reportUnknownMemberType=false, reportUnusedClass=false, reportUnnecessaryIsInstance=false

from typing import Any, assert_type

import equinox as eqx
import flax.linen as nn
import jax
from flax import nnx
from jax import Array

import jaxpool
import jaxpool.equinox as epool
import jaxpool.linen as lpool
import jaxpool.nnx as npool


class Network(nnx.Module):
    """Modules as attributes, annotated, in a dictionary and in a sequence."""

    pool: npool.MaxPool
    found: npool.MaxPool[tuple[Array, Array]]

    def __init__(self, rngs: nnx.Rngs):
        self.pool = npool.MaxPool((2, 2), strides=[2, 2], padding=[(0, 1), (1, 0)])
        self.found = npool.MaxPool((2, 2), return_indices=True)
        self.learned = npool.SubsamplePool(3, (2, 2))
        self.random = npool.StochasticPool((2, 2), rngs=rngs)
        self.head: npool.Pooling = {"max": npool.GlobalMaxPool, "avg": npool.GlobalAvgPool}["max"]()
        self.all = nnx.Sequential(npool.MixedPool((2, 2)), npool.GemPool((2, 2), (2, 2)), self.pool)

    def __call__(self, x: Array, train: bool) -> Array:
        assert_type(self.pool(x), Array)
        values, indices = self.found(x)
        assert_type(indices, Array)
        assert_type(self.learned.coefficient, nnx.Param[Array])
        self.head(x)
        return self.random(self.learned(values), deterministic=not train, rngs=nnx.Rngs(0))


class Wide(npool.MaxPool):
    def __init__(self, times: int):
        super().__init__((times, times), (2, 2))
        self.times = times


def nnx_modules(rngs: nnx.Rngs, key: Array, x: Array, flag: bool) -> None:
    attention = npool.AttentionPool(3, 1, num_queries=2, rngs=rngs)
    assert_type(attention.query, nnx.Param[Array] | None)
    assert_type(attention(x, where=x > 0), Array)
    fractional = npool.FractionalMaxPool((2, 2), (5, 5), rngs=rngs)
    assert_type(fractional(x, random_samples=x), Array)
    npool.StochasticPool((2, 2), rngs=rngs["pooling"])(x, rngs=key)
    assert_type(npool.MaxPool((2, 2), return_indices=flag)(x), Array | tuple[Array, Array])
    assert_type(npool.PyramidPool((1, 2), resize=False)(x), tuple[Array, ...])
    assert_type(nnx.view(fractional, deterministic=True), npool.FractionalMaxPool[Array])
    assert_type(Wide(3)(x), Array)
    assert_type(Wide(3).ceil_mode, bool)
    something: Any = fractional
    if isinstance(something, npool.AvgPool):
        assert_type(something.count_include_pad, bool)
    assert_type(npool.max_pool(x, (2, 2)), Array)
    assert_type(jaxpool.nnx.MinPool((2,))(x), Array)
    assert_type(jaxpool.__version__, str)

    npool.MaxPool(2)  # pyright: ignore
    npool.MaxPool()  # pyright: ignore
    npool.MaxPool((2, 2), stride=(2, 2))  # pyright: ignore
    npool.MaxPool((2, 2), rngs=rngs)  # pyright: ignore
    npool.AvgPool((2, 2), count_include_pad="no")  # pyright: ignore
    npool.AttentionPool(3, 1)  # pyright: ignore
    npool.SubsamplePool((2, 2))  # pyright: ignore
    npool.BlurPool(padding="SAME")  # pyright: ignore
    npool.AvgPool((2, 2))(x, deterministic=True)  # pyright: ignore
    print(npool.StochasticPool((2, 2)).window)  # pyright: ignore
    npool.StochasticPool((2, 2))()  # pyright: ignore
    npool.MaxPool[tuple[Array, Array]]((2, 2))  # pyright: ignore
    Wide((3, 3))  # pyright: ignore
    jaxpool.nnx.MxPool((2, 2))  # pyright: ignore
    jaxpool.maxpool(x, (2, 2))  # pyright: ignore
    fewer: npool.MaxPool = npool.MinPool((2, 2))  # pyright: ignore
    assert fewer


class LinenNetwork(nn.Module):
    train: bool

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = lpool.MixedPool((2, 2), name="mixed")(x)
        x = lpool.StochasticPool((2, 2))(x, deterministic=not self.train)
        return lpool.GlobalAvgPool()(x)


class Named(lpool.LpPool):
    label: str = "norm"


def linen_modules(x: Array) -> None:
    pool: lpool.MaxPool = lpool.MaxPool((2, 2), strides=[2, 2])
    assert_type(pool(x), Array)
    assert_type(lpool.MaxPool((2, 2), return_indices=True)(x), tuple[Array, Array])
    nn.Sequential([nn.Conv(3, (3, 3)), pool, lpool.Pool(0.0, jax.lax.add, (2, 2))])
    assert_type(lpool.Pool(0.0, jax.lax.add, (2, 2)).ceil_mode, bool)
    assert_type(Named((2, 2), p=3.0, label="cube").label, str)
    assert_type(Named((2, 2))(x), Array)
    pool.init(jax.random.key(0), x)
    assert_type(lpool.min_pool(x, (2, 2)), Array)

    lpool.MaxPool(kernel_size=2)  # pyright: ignore
    lpool.MaxPool(2)  # pyright: ignore
    lpool.MaxPool((2, 2), ceil_mode=1.5)  # pyright: ignore
    lpool.Pool(0.0, jax.lax.add)  # pyright: ignore
    lpool.Pool(init=0.0, reduce_fn=jax.lax.add, window_shape=(2, 2))  # pyright: ignore
    lpool.SubsamplePool(3, (2, 2))  # pyright: ignore
    Named((2, 2), label=3)  # pyright: ignore
    pool(x, deterministic=True)  # pyright: ignore


class EquinoxNetwork(eqx.Module):
    """Modules as fields, and in a sequence."""

    pool: epool.MaxPool
    found: epool.MaxPool[tuple[Array, Array]]
    all: eqx.nn.Sequential

    def __init__(self, key: Array):
        self.pool = epool.MaxPool((2, 2), (2, 2), channel_axis=0)
        self.found = epool.MaxPool((2, 2), return_indices=True, channel_axis=0)
        self.all = eqx.nn.Sequential([self.pool, epool.StochasticPool((2, 2), channel_axis=0)])

    def __call__(self, x: Array, key: Array) -> Array:
        values, indices = self.found(self.pool(x))
        assert_type(indices, Array)
        return self.all(values, key=key)


class Narrow(epool.MaxPool):
    def __init__(self, times: int):
        super().__init__((times,))


def equinox_modules(x: Array, key: Array) -> None:
    attention = epool.AttentionPool(3, 1, num_queries=2, key=key)
    assert_type(attention.query, Array | None)
    assert_type(attention(x, where=x > 0, key=None), Array)
    assert_type(epool.SubsamplePool(3, (2, 2)).coefficient, Array)
    random = epool.StochasticPool((2, 2), inference=True)
    assert_type(random(x, key=key, inference=False), Array)
    assert_type(random.inference, bool)
    assert_type(Narrow(3)(x), Array)
    assert_type(jax.vmap(epool.GlobalAvgPool())(x), Array)
    assert_type(jaxpool.equinox.MinPool((2,))(x), Array)

    epool.MaxPool(2)  # pyright: ignore
    epool.MaxPool((2, 2), stride=(2, 2))  # pyright: ignore
    epool.MaxPool((2, 2), key=key)  # pyright: ignore
    epool.StochasticPool((2, 2), deterministic=True)  # pyright: ignore
    epool.AttentionPool(3, 1)  # pyright: ignore
    epool.SubsamplePool((2, 2))  # pyright: ignore
    epool.AvgPool((2, 2))(x, inference=True)  # pyright: ignore
    print(random.window)  # pyright: ignore
    Narrow((3, 3))  # pyright: ignore
