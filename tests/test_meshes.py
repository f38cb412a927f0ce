"""What pools of split arrays go with: explicit meshes, transformations, modules, export, several hosts."""

import functools
import itertools
import os
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
from benchmarks.traffic import traffic
from jaxpool.sharding import spatial
from tests import host
from tests.cases import distinct, random
from tests.programs import interpret
from tests.split import SHAPE, SPECS, collectives, curved, make_mesh, make_pool


@pytest.mark.parametrize(
    ("function", "layout"), [*zip(["max with indices", "avg", "soft"], SPECS, strict=True)]
)
def test_explicit_meshes_say_it_themselves(function, layout):
    mesh, spec, pool = make_mesh(AxisType.Explicit), SPECS[layout], make_pool(function, "dilated")
    inputs = distinct(SHAPE, np.float32)
    expected = interpret(jax.value_and_grad(curved(pool), has_aux=True), inputs)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, spec))
        compiled = jax.jit(jax.value_and_grad(curved(pool), has_aux=True)).lower(placed).compile()
        results = compiled(placed)
        chex.assert_trees_all_close(results, expected, rtol=2e-5, atol=2e-5)
        chex.assert_trees_all_close(
            jax.tree.leaves(pool(placed))[0], jax.tree.leaves(expected[0][1])[0], rtol=1e-5, atol=1e-6
        )
    counts = collectives(compiled.as_text())
    assert counts["collective-permute"] == 4 * sum(entry is not None for entry in spec[1:])
    assert counts["all-gather"] == counts["all-to-all"] == 0


def test_spatial_lays_out_what_an_explicit_mesh_was_not_told():
    inputs, pool = distinct((1, 16, 8, 2), np.float32), make_pool("max with indices", "3x2/1")
    split = spatial(pool, mesh=make_mesh(AxisType.Explicit), spec=P(None, "x"))
    where = random((16, 1, 1), np.bool_)
    all_of_them, some = interpret(lambda x: (pool(x), pool(x, where=where)), inputs)
    for way in (split, jax.jit(split)):
        chex.assert_trees_all_equal(way(inputs), all_of_them)
        chex.assert_trees_all_equal(way(inputs, where=where), some)


@pytest.mark.parametrize("spec", [P(None, "x"), P(None, None, "x"), P(None, "x", "y")], ids=str)
def test_windows_along_one_axis_after_the_other(spec):
    """A norm of 6x6 cells at stride 1 is one of rows and then of columns: each asks where its own axis is."""
    inputs = distinct((1, 16, 24, 1), np.float32)

    def pool(x):
        return jaxpool.lp_pool(x, (6, 6), padding="SAME", p=3)

    split = jax.jit(spatial(pool, mesh=make_mesh(), spec=spec))
    np.testing.assert_allclose(split(inputs), pool(inputs), rtol=1e-5)


def test_composes():
    """In vmap, scan and jit, under remat, inside a module, and for a function that was compiled before."""
    inputs, mesh = distinct((2, 16, 8, 2), np.float32), make_mesh()
    pool = make_pool("max", "3x3/2")
    expected = interpret(pool, inputs)
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
    mesh, shape = make_mesh(shape=(1, 8)), (2, 256, 128, 16)
    for function in ("max", "soft"):
        pool, spec = make_pool(function, "3x3/2"), P(None, "x")

        def temporaries(f, shape, sharding, function=function):
            array = jax.ShapeDtypeStruct(shape, np.float32, sharding=sharding)
            return (
                jax.jit(jax.grad(lambda x: curved(f)(x)[0]))
                .lower(array)
                .compile()
                .memory_analysis()
                .temp_size_in_bytes
            )

        split = temporaries(spatial(pool, mesh=mesh, spec=spec), shape, NamedSharding(mesh, spec))
        part = (2, 256 // 8 + 1, 128, 16)
        alone = temporaries(pool, part, NamedSharding(make_mesh(shape=(1, 1)), P()))
        assert split <= alone + 3 * np.prod(part) * 4, function


def test_export():
    mesh, spec = make_mesh(), P(None, "x")
    inputs, sharding = distinct((2, 16, 8, 2), np.float32), NamedSharding(make_mesh(), spec)
    split = spatial(make_pool("max with indices", "3x3/2"), mesh=mesh, spec=spec)
    exported = jax.export.export(jax.jit(split, in_shardings=sharding), platforms=("cpu", "cuda", "tpu"))(
        inputs
    )
    loaded = jax.export.deserialize(bytearray(exported.serialize()))
    assert loaded.nr_devices == 8
    result = jax.jit(loaded.call)(jax.device_put(inputs, sharding))
    chex.assert_trees_all_equal(result, interpret(make_pool("max with indices", "3x3/2"), inputs))


GLOBAL = {
    "avg": jaxpool.global_avg_pool,
    "max": jaxpool.global_max_pool,
    "min": jaxpool.global_min_pool,
    "sum": jaxpool.global_sum_pool,
    "lp": jaxpool.global_lp_pool,
    "logsumexp": functools.partial(jaxpool.global_logsumexp_pool, mean=True),
    "gem": functools.partial(jaxpool.global_gem_pool, p=2.5),
}


def _global_grid():
    """All combinations; those that a run of all tests leaves out are marked."""
    kinds = (AxisType.Auto, AxisType.Explicit)
    for function, kind, layout in itertools.product(GLOBAL, kinds, SPECS):
        always = (function, kind, layout) in (
            ("avg", AxisType.Auto, "rows and columns"),
            ("max", AxisType.Explicit, "images and columns"),
        )
        marks = [] if always else [pytest.mark.exhaustive]
        yield pytest.param(function, kind, layout, id=f"{function}-{kind.name}-{layout}", marks=marks)


@pytest.mark.parametrize(("function", "kind", "layout"), list(_global_grid()))
def test_global_pools_exchange_results_alone(function, kind, layout):
    """Behind a windowed pool that `spatial` splits or explicit types do, forward and backward."""
    mesh, spec = make_mesh(kind), SPECS[layout]
    inputs, where = distinct((2, 32, 64, 3), np.float32), random((16, 32, 1), np.bool_)

    def pool(inputs):
        return GLOBAL[function](jaxpool.max_pool(inputs, (2, 2), (2, 2)), where=where)

    def slope(pool):
        return jax.value_and_grad(lambda x: jnp.sum(jnp.sin(0.01 * pool(x))))

    def curvature(pool):
        return jax.jit(lambda x: jax.jvp(slope(pool), (x,), (x,))[1])

    expected, second = interpret(lambda x: (slope(pool)(x), curvature(pool)(x)), inputs)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, spec))
        split = spatial(pool, mesh=mesh, spec=spec)
        compiled = jax.jit(slope(split)).lower(placed).compile()
        chex.assert_trees_all_close(compiled(placed), expected, rtol=1e-4, atol=1e-6)
        chex.assert_trees_all_close(curvature(split)(placed), second, rtol=1e-4, atol=1e-6)
        kept = jax.jit(functools.partial(GLOBAL[function], keepdims=True))(placed)
    assert kept.sharding.is_equivalent_to(NamedSharding(mesh, P(spec[0])), 4)
    sent = traffic(compiled.as_text())
    assert not {"collective-permute", "all-to-all"} & set(sent.collectives)
    assert 0 < sent.received_bytes < 0.1 * inputs.nbytes / mesh.size


def test_explicit_mesh_refuses_what_is_not_windowed():
    with jax.set_mesh(mesh := make_mesh(AxisType.Explicit)):
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
    results = interpret(functools.partial(host.results, host.pool), inputs)
    expected = dict(zip(("values", "indices", "gradient"), results, strict=True))
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
