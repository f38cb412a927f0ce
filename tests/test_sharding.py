"""Pools of arrays that are split along space: the results of the whole array, for the exchange of a halo."""

import functools
import itertools
import os
import re
import socket
import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
import jaxpool.nnx
from jaxpool.sharding import spatial
from tests import host
from tests.cases import distinct, random

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
COMPOSED = ("lp", "logsumexp", "soft", "median", "quantile", "var", "std", "stochastic", "expectation")
GEOMETRIES = {
    "2x2/2": ((2, 2), (2, 2), "VALID"),
    "3x3/2": ((3, 3), (2, 2), "SAME"),
    "3x3/1": ((3, 3), (1, 1), "SAME"),
    "5x5/2": ((5, 5), (2, 2), "SAME"),
    "7x7/1": ((7, 7), (1, 1), "SAME"),
    "dilated": ((3, 3), (1, 1), "SAME", {"window_dilation": (2, 2)}),
}
# Sides of an axis that need a halo: both ends of a window reach over the next one, or one does.
SIDES = {"2x2/2": 0, "3x3/2": 1}
SPECS = {"rows": P(None, "x"), "rows and columns": P(None, "y", "x"), "images and columns": P("y", None, "x")}
DTYPES = ("float32", "bfloat16", "float16")
TOLERANCES = {"float32": 2e-5, "bfloat16": 3e-2, "float16": 4e-3}
SHAPE = (2, 16, 32, 3)


def _grid():
    """All combinations; those that a run of all tests leaves out are marked."""
    for number, (function, geometry, layout, dtype) in enumerate(
        itertools.product(FUNCTIONS, GEOMETRIES, SPECS, DTYPES)
    ):
        compiles_long = geometry == "7x7/1" and function in COMPOSED
        marks = [] if number % 37 == 0 and not compiles_long else [pytest.mark.exhaustive]
        yield pytest.param(function, geometry, layout, dtype, marks=marks)


def _mesh(kind=AxisType.Auto, shape=(2, 4)):
    return jax.make_mesh(shape, ("y", "x"), axis_types=(kind,) * 2)


def _pool(function, geometry):
    window, strides, padding, *options = GEOMETRIES[geometry]
    return functools.partial(
        FUNCTIONS[function],
        window_shape=window,
        strides=strides,
        padding=padding,
        **(options[0] if options else {}),
    )


def _curved(pool):
    """A scalar whose gradient depends on the results, and these."""

    def curved(inputs):
        results = pool(inputs)
        values = results[0] if isinstance(results, tuple) else results
        return jnp.sum(jnp.sin(values.astype(np.float32))), results

    return curved


def collectives(text):
    """How many of each there are in a compiled program."""
    kinds = ("collective-permute", "all-gather", "all-to-all", "all-reduce", "reduce-scatter")
    return {kind: len(re.findall(rf"= \S.* {kind}(?:-start)?\(", text)) for kind in kinds}


def assert_same(pool, spec, inputs, tolerance=2e-5, mesh=None):
    """The results and the gradient are those of the whole array; returns the compiled program."""
    mesh = _mesh() if mesh is None else mesh
    split = spatial(pool, mesh=mesh, spec=spec)
    placed = jax.device_put(inputs, NamedSharding(mesh, spec))
    compiled = jax.jit(jax.value_and_grad(_curved(split), has_aux=True)).lower(placed).compile()
    (_, results), gradient = compiled(placed)
    (_, expected), whole = jax.jit(jax.value_and_grad(_curved(pool), has_aux=True))(inputs)
    wide = functools.partial(jax.tree.map, lambda x: np.asarray(x, np.float64))
    chex.assert_trees_all_equal_shapes_and_dtypes((results, gradient), (expected, whole))
    chex.assert_trees_all_close(
        wide((results, gradient)), wide((expected, whole)), rtol=tolerance, atol=tolerance
    )
    for result in jax.tree.leaves(results):
        assert result.sharding.is_equivalent_to(NamedSharding(mesh, spec), result.ndim)
    return compiled.as_text()


@pytest.mark.parametrize(("function", "geometry", "layout", "dtype"), list(_grid()))
def test_results_and_collectives(function, geometry, layout, dtype):
    text = assert_same(_pool(function, geometry), SPECS[layout], distinct(SHAPE, dtype), TOLERANCES[dtype])
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
    pool = _pool(function, "3x3/1")
    split = spatial(pool, mesh=_mesh(), spec=P(None, "x"))
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
    split = spatial(_pool(function, "3x3/2"), mesh=_mesh(), spec=P(None, "x"))
    chex.assert_trees_all_equal(jax.jit(split)(inputs), _pool(function, "3x3/2")(inputs))


@pytest.mark.parametrize("shape", [(2, 16, 8, 3), (16, 8, 1), (16, 1, 1), (1, 8, 3)], ids=str)
@pytest.mark.parametrize("function", ["max with indices", "min", "avg", "avg of elements", "sum"])
def test_masks(function, shape):
    inputs = distinct((2, 16, 8, 3), np.float32)
    where = random(shape, np.bool_)
    pool = functools.partial(_pool(function, "3x3/2"), where=where)
    text = assert_same(pool, P(None, "x", "y"), inputs)
    assert collectives(text)["all-gather"] == 0


@pytest.mark.parametrize("function", ["max", "avg", pytest.param("logsumexp", marks=pytest.mark.exhaustive)])
def test_every_mode_and_order(function):
    pool = _pool(function, "3x3/2")
    split = spatial(pool, mesh=_mesh(), spec=P(None, "x"))
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


@pytest.mark.parametrize("layout", SPECS)
@pytest.mark.parametrize("function", ["max with indices", "avg", "soft"])
def test_explicit_meshes_say_it_themselves(function, layout):
    mesh, spec, pool = _mesh(AxisType.Explicit), SPECS[layout], _pool(function, "3x3/1")
    inputs = distinct(SHAPE, np.float32)
    expected = jax.jit(jax.value_and_grad(_curved(pool), has_aux=True))(inputs)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, spec))
        compiled = jax.jit(jax.value_and_grad(_curved(pool), has_aux=True)).lower(placed).compile()
        results = compiled(placed)
        chex.assert_trees_all_close(results, expected, rtol=2e-5, atol=2e-5)
        chex.assert_trees_all_close(
            jax.tree.leaves(pool(placed))[0], jax.tree.leaves(expected[0][1])[0], rtol=1e-5
        )
    counts = collectives(compiled.as_text())
    assert counts["collective-permute"] == 4 * sum(entry is not None for entry in spec[1:])
    assert counts["all-gather"] == counts["all-to-all"] == 0


def test_spatial_lays_out_what_an_explicit_mesh_was_not_told():
    inputs, pool = distinct((1, 16, 8, 2), np.float32), _pool("max with indices", "3x3/1")
    split = spatial(pool, mesh=_mesh(AxisType.Explicit), spec=P(None, "x"))
    where = random((16, 1, 1), np.bool_)
    for way in (split, jax.jit(split)):
        chex.assert_trees_all_equal(way(inputs), pool(inputs))
        chex.assert_trees_all_equal(way(inputs, where=where), pool(inputs, where=where))


def test_composes():
    """In vmap, scan and jit, under remat, inside a module, and for a function that was compiled before."""
    inputs, mesh = distinct((2, 16, 8, 2), np.float32), _mesh()
    pool = _pool("max", "3x3/2")
    expected = jax.jit(pool)(inputs)
    split = spatial(pool, mesh=mesh, spec=P(None, "x"))
    one = spatial(pool, mesh=mesh, spec=P("x"))
    module = jaxpool.nnx.MaxPool((3, 3), (2, 2), "SAME")
    compiled = jax.jit(pool)
    compiled(inputs)
    again = spatial(compiled, mesh=mesh, spec=P(None, "x"))
    ways = {
        "eager": split,
        "vmap": jax.jit(jax.vmap(one)),
        "scan": jax.jit(lambda x: jax.lax.scan(lambda carry, x: (carry, one(x)), 0, x)[1]),
        "remat": jax.jit(jax.checkpoint(split)),
        "module": jax.jit(spatial(module, mesh=mesh, spec=P(None, "x"))),
        "compiled": jax.jit(again),
    }
    for name, way in ways.items():
        np.testing.assert_array_equal(way(inputs), expected, name)
    assert collectives(jax.jit(again).lower(inputs).compile().as_text())["collective-permute"] == 1
    assert collectives(compiled.lower(inputs).compile().as_text())["collective-permute"] == 0


def test_temporaries_are_a_shard_and_its_halo():
    """As much as the pool of such a shard takes anyway, and what it fetched."""
    mesh, shape = _mesh(shape=(1, 8)), (2, 256, 128, 16)
    for function in ("max", "avg", "soft"):
        pool, spec = _pool(function, "3x3/2"), P(None, "x")

        def temporaries(f, shape, sharding, function=function):
            array = jax.ShapeDtypeStruct(shape, np.float32, sharding=sharding)
            return (
                jax.jit(jax.grad(lambda x: _curved(f)(x)[0]))
                .lower(array)
                .compile()
                .memory_analysis()
                .temp_size_in_bytes
            )

        split = temporaries(spatial(pool, mesh=mesh, spec=spec), shape, NamedSharding(mesh, spec))
        part = (2, 256 // 8 + 1, 128, 16)
        alone = temporaries(pool, part, NamedSharding(_mesh(shape=(1, 1)), P()))
        assert split < alone + 2.5 * np.prod(part) * 4, function


def test_export():
    mesh, spec = _mesh(), P(None, "x")
    inputs, sharding = distinct((2, 16, 8, 2), np.float32), NamedSharding(_mesh(), spec)
    split = spatial(_pool("max with indices", "3x3/2"), mesh=mesh, spec=spec)
    exported = jax.export.export(jax.jit(split, in_shardings=sharding), platforms=("cpu", "cuda", "tpu"))(
        inputs
    )
    loaded = jax.export.deserialize(bytearray(exported.serialize()))
    assert loaded.nr_devices == 8
    result = jax.jit(loaded.call)(jax.device_put(inputs, sharding))
    chex.assert_trees_all_equal(result, _pool("max with indices", "3x3/2")(inputs))


def _call(
    shape=(2, 16, 8, 2),
    spec=ROWS,
    function=jaxpool.max_pool,
    window=((3, 3), (1, 1), "SAME"),
    **options,
):
    return spatial(function, mesh=_mesh(), spec=spec)(np.zeros(shape, np.float32), *window, **options)


ERRORS = {
    "mesh": (
        lambda: spatial(jaxpool.max_pool, mesh="x", spec=P()),
        TypeError,
        "mesh must be a jax.sharding.Mesh",
    ),
    "spec": (lambda: spatial(jaxpool.max_pool, mesh=_mesh(), spec=("x",)), TypeError, "spec must be a"),
    "axis": (
        lambda: spatial(jaxpool.max_pool, mesh=_mesh(), spec=P("z")),
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
    "not windowed": (
        lambda: spatial(jaxpool.global_max_pool, mesh=_mesh(), spec=P(None, "x"))(np.zeros((2, 16, 8, 2))),
        ValueError,
        "function must be a windowed pool",
    ),
    "adaptive": (
        lambda: spatial(jaxpool.adaptive_max_pool, mesh=_mesh(), spec=P())(np.zeros((2, 16, 8, 2)), (3, 3)),
        ValueError,
        "function must be a windowed pool",
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
    split = spatial(jaxpool.max_pool, mesh=_mesh(), spec=P("x"))

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


def test_explicit_mesh_refuses_what_is_not_windowed():
    with jax.set_mesh(mesh := _mesh(AxisType.Explicit)):
        inputs = jax.device_put(np.zeros((8, 8, 2), np.float32), NamedSharding(mesh, P("x")))
        with pytest.raises(ValueError, match=r"must not be sharded along a pooled axis.*axis 0"):
            jaxpool.adaptive_max_pool(inputs, (3, 8))


def test_two_hosts(tmp_path):
    """Two processes with four devices each compute what one process does."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    files = [tmp_path / "0.npz", tmp_path / "1.npz"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    hosts = [
        subprocess.Popen(
            [sys.executable, host.__file__, address, "2", str(number), str(path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number, path in enumerate(files)
    ]
    for process in hosts:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output
    inputs = np.random.RandomState(0).permutation(np.prod(host.SHAPE)).reshape(host.SHAPE).astype(np.float32)
    expected = dict(zip(("values", "indices", "gradient"), host.results(host.pool, inputs), strict=True))
    seen = {name: np.zeros(host.SHAPE, int) for name in expected}
    for path in files:
        pieces = np.load(path)
        assert pieces
        for key, piece in pieces.items():
            name, *starts = key.split("-")
            place = tuple(slice(int(a), int(a) + n) for a, n in zip(starts, piece.shape, strict=True))
            np.testing.assert_array_equal(piece, np.asarray(expected[name])[place])
            seen[name][place] += 1
    for name, count in seen.items():
        assert (count == 1).all(), name
