"""What the project promises of an NVIDIA H200 and a TPU v5e, in programs compiled for them without either."""

import dataclasses
import functools
import json
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from benchmarks import compile_only, platforms
from benchmarks.cases import Case
from benchmarks.compile_only import H200, PLATFORMS, TPU
from benchmarks.compiled import (
    BACKWARD,
    BOTH,
    FORWARD,
    INDEX,
    broken_limits,
    compulsory_bytes,
    lax_pool,
    measure,
    program,
)
from benchmarks.contenders import jaxpool_pool, selects
from benchmarks.cost import Cost, cost
from benchmarks.traffic import traffic
from tests.functions import product
from tests.split import collectives

if missing := " ".join(filter(None, (platform.missing() for platform in PLATFORMS))):
    pytest.skip(missing, allow_module_level=True)

each_platform = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "bfloat16"])

_OTHERS = {
    "pool": product,
    "quantile_pool": functools.partial(jaxpool.quantile_pool, q=0.3),
    "stochastic_pool": functools.partial(jaxpool.stochastic_pool, np.zeros(2, np.uint32)),
    "subsample_pool": lambda x, *a, **k: jaxpool.subsample_pool(x, 0.3, 0.1, *a, **k, activation=True),
    "mixed_pool": lambda x, *a, **k: jaxpool.mixed_pool(x, 0.3, *a, **k),
    "gated_pool": lambda x, *a, **k: jaxpool.gated_pool(x, np.ones((3, 2), np.float32), *a, **k),
    "gem_pool": lambda x, *a, **k: jaxpool.gem_pool(x, 3.0, *a, **k),
    "detail_preserving_pool": lambda x, *a, **k: jaxpool.detail_preserving_pool(x, 1.0, 1.5, *a, **k),
    "lip_pool": lambda x, *a, **k: jaxpool.lip_pool(x, x[..., :1], *a, **k),
}
_OF_OTHER_ARGUMENTS = (
    "adaptive_",
    "fractional_",
    "global_",
    "blur_",
    "polyphase_",
    "attention_",
    "rotary_attention_",
    "spectral_",
    "wavelet_",
    "spatial_pyramid_",
    "pyramid_",
    "fast_pyramid_",
    "strip_",
    "statistics_",
    "attentive_statistics_",
    "soft_argmax_",
    "covariance_",
    "bilinear_",
    "compact_bilinear_",
    "netvlad_",
    "sim_",
    "roi_",
    "ps_roi_",
    "segment_",
    "quantized_",
)
FUNCTIONS = {
    name: _OTHERS.get(name, getattr(jaxpool, name))
    for name in dir(jaxpool)
    if name == "pool" or (name.endswith("_pool") and not name.startswith(_OF_OTHER_ARGUMENTS))
}
IRREGULAR = {
    name: functools.partial(getattr(jaxpool, name), output_shape=(7, 8))
    for name in ("adaptive_avg_pool", "adaptive_max_pool")
}
IRREGULAR |= {
    name: functools.partial(
        getattr(jaxpool, name),
        None,
        window_shape=(2, 2),
        output_shape=(20, 19),
        random_samples=np.full(2, 0.3, np.float32),
    )
    for name in ("fractional_avg_pool", "fractional_max_pool")
}
# These take what stands at some places, or sort; or are made of the same as others.
_OTHERWISE = ("first", "last", "topk", "median", "quantile", "soft", "std", "quantized")
IRREGULAR |= {
    name: getattr(jaxpool, name)
    for name in dir(jaxpool)
    if name.startswith("global_") and name.split("_")[1] not in _OTHERWISE
}
IRREGULAR |= {
    "global_gem_pool": lambda x: jaxpool.global_gem_pool(x, 3.0),
    "global_mixed_pool": lambda x: jaxpool.global_mixed_pool(x, 0.3),
    "global_lse_pool": lambda x: jaxpool.global_lse_pool(x, 2.0),
    "global_weighted_avg_pool": lambda x: jaxpool.global_weighted_avg_pool(x, np.ones((30, 1), np.float32)),
    "bilinear_pool": jaxpool.bilinear_pool,
    "blur_pool": jaxpool.blur_pool,
    "spectral_pool": lambda x: jaxpool.spectral_pool(x, (14, 15)),
    "wavelet_pool": jaxpool.wavelet_pool,
    "polyphase_pool": lambda x: jaxpool.polyphase_pool(x, (2, 2)),
    "attention_pool": lambda x: jaxpool.attention_pool(
        x, None, *np.ones((3, 64, 4, 16), np.float32), np.ones((4, 16, 8), np.float32)
    ),
}
# Of which some arrays are read in more passes than one.
_IN_PASSES = (
    "global_lp_pool",
    "global_logsumexp_pool",
    "global_gem_pool",
    "global_lse_pool",
    "global_var_pool",
    "polyphase_pool",
    "spectral_pool",
    "attention_pool",
    "bilinear_pool",
)


def _case(function, size, stride, shape, dtype, **layout):
    n, pads = len(shape) - 2, ((size - 1) // 2, (size - 1) // 2)
    return Case(f"{function}_pool", shape, (size,) * n, (stride,) * n, (pads,) * n, dtype, **layout)


@each_platform
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_pool_compiles_forward_and_backward(name, dilation, platform):
    def gradient(x):
        def pool(x):
            return FUNCTIONS[name](x, (3, 2), (2, 2), "SAME", window_dilation=(dilation, dilation))

        value, pullback = jax.vjp(pool, x)
        return value, pullback(value)

    platform.compile(gradient, jax.ShapeDtypeStruct((2, 9, 10, 4), jnp.float32))


@each_platform
@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_indices_compile_forward_and_backward(name, platform):
    def pool(x):
        return FUNCTIONS[name](x, (3, 2), (2, 2), "SAME", return_indices=True)

    def gradient(x):
        value, pullback = jax.vjp(lambda x: pool(x)[0], x)
        return pool(x), pullback(value)

    platform.compile(gradient, jax.ShapeDtypeStruct((2, 9, 10, 4), jnp.float32))


@each_platform
@pytest.mark.parametrize("name", IRREGULAR)
def test_irregular_pools_move_little_and_scatter_nothing(name, platform):
    """Forward and backward, within half more than each array once."""
    shape = (2, 28, 30, 64)
    case = Case("max_pool" if "max" in name else "avg_pool", shape, (2, 2), (2, 2), ((0, 0),) * 2, "float32")
    windows = jax.eval_shape(IRREGULAR[name], jax.ShapeDtypeStruct(shape, jnp.float32)).size
    arrays = 4 * (math.prod(shape) + windows)
    for step in (FORWARD, BACKWARD):
        found = cost(platform.compile(*program(IRREGULAR[name], case, step)))
        assert found.scatters_or_sorts() is False
        # Those with weights relative to the maximum read it in passes of their own.
        if platform is H200 and name not in _IN_PASSES:
            assert found.bytes <= 1.5 * (arrays + windows)


@each_platform
def test_pyramids_compile_forward_and_backward(platform):
    def pyramids(x):
        return [
            jaxpool.spatial_pyramid_pool(x, (1, 3)),
            jaxpool.pyramid_pool(x, (1, 3)),
            jaxpool.strip_pool(x),
            jaxpool.fast_pyramid_pool(x),
        ]

    def gradient(x):
        values, pullback = jax.vjp(pyramids, x)
        return values, pullback(values)

    program = platform.compile(gradient, jax.ShapeDtypeStruct((2, 12, 13, 8), jnp.float32))
    assert cost(program).scatters_or_sorts() is False


@each_platform
def test_unpools_compile_without_a_scatter_of_values(platform):
    indices = jax.ShapeDtypeStruct((2, 6, 5, 8), jnp.int32)
    values = jax.ShapeDtypeStruct(indices.shape, jnp.float32)
    result = jax.ShapeDtypeStruct((2, 12, 10, 8), jnp.float32)

    def backward(indices, cotangent, values):
        return jax.vjp(lambda v: jaxpool.max_unpool(v, indices, (12, 10)), values)[1](cotangent)

    text = platform.compile(backward, indices, result, values).as_text()
    assert not re.search(r"= f32\[[^ ]* scatter\(", text)
    spread = jax.vjp(lambda v: jaxpool.avg_unpool(v, (12, 10), (2, 2), (2, 2)), jnp.zeros(values.shape))[1]
    assert cost(platform.compile(spread, result)).scatters == 0


def _broken_on_h200(pool, case, *steps):
    costs = {step: cost(H200.compile(*program(pool, case, step))) for step in steps}
    return [
        (step, name, getattr(costs[step], name))
        for step in steps
        for name in broken_limits(costs[step], step, compulsory_bytes(case, step))
    ]


@each_dtype
@pytest.mark.parametrize("channel_axis", [-1, 1])
@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 2), (3, 1), (5, 2)])
@pytest.mark.parametrize("function", ["max", "avg"])
def test_h200_passes_are_one_kernel_of_compulsory_bytes(function, size, stride, channel_axis, dtype):
    case = _case(function, size, stride, (2, 28, 28, 32), dtype, channel_axis=channel_axis)
    steps = (FORWARD, INDEX, BACKWARD, BOTH) if selects(case) else (FORWARD, BACKWARD)
    assert _broken_on_h200(jaxpool_pool(case), case, *steps) == []


def test_h200_sums_of_windows_that_overlap_much_are_one_kernel_for_each_axis():
    case = _case("avg", 5, 1, (2, 28, 28, 32), "float32")
    costs = [cost(H200.compile(*program(jaxpool_pool(case), case, step))) for step in (FORWARD, BACKWARD)]
    assert [found.kernels for found in costs] == [2, 2]


@pytest.mark.parametrize("size", [2, 3])
def test_h200_constants_are_no_images(size):
    """Those that say where elements are, and which there are, have one axis each."""
    case = _case("max", size, 2, (1, 200, 200, 4), "float32")
    for step in (INDEX, BACKWARD):
        text = H200.compile(*program(jaxpool_pool(case), case, step)).as_text()
        sizes = [
            math.prod(map(int, shape.split(","))) for shape in re.findall(r"\[([\d,]+)\]\S* constant", text)
        ]
        assert max(sizes, default=0) <= 200


def test_xla_itself_breaks_the_limits_on_h200():
    case = _case("max", 3, 2, (2, 28, 28, 32), "float32")
    broken = _broken_on_h200(lax_pool(case), case, BACKWARD)
    assert {name for _, name, _ in broken} == {"kernels", "bytes", "scatters"}


# Whether XLA fuses, lays out anew and keeps on the chip depends on the size; large windows compile for long.
@each_dtype
@pytest.mark.parametrize(
    ("size", "stride", "shape"),
    [(2, 2, (2, 16, 16, 128)), (3, 1, (2, 16, 16, 128)), (3, 2, (2, 16, 16, 128)), (3, 2, (64, 12, 12, 128))],
)
@pytest.mark.parametrize("function", ["max", "avg"])
def test_tpu_passes_cost_no_more_than_xla_itself(function, size, stride, shape, dtype):
    case = _case(function, size, stride, shape, dtype)
    rows = [measure(case, TPU, step) for step in (FORWARD, BACKWARD, BOTH)]
    if dtype == "bfloat16":  # XLA adds it up in bfloat16, jaxpool in float32, which is moved on the chip
        rows = [_with_bytes_of_float32_sums(row) for row in rows]
    worse = [f"{row.step}: {row.costs}" for row in rows if row.is_worse()]
    assert not worse, "\n".join(worse)


def _with_bytes_of_float32_sums(row):
    theirs = row.costs["lax"]
    allowed = dataclasses.replace(theirs, bytes=int(1.7 * theirs.bytes))
    return dataclasses.replace(row, costs={**row.costs, "lax": allowed})


def test_more_of_anything_is_worse():
    little = Cost(kernels=1, bytes=8, temporary_bytes=0, scatters=0, sorts=0)
    assert not little.exceeds(little)
    for name in ("kernels", "bytes", "temporary_bytes"):
        much = dataclasses.replace(little, **{name: getattr(little, name) + 1})
        assert much.exceeds(little)
        assert not little.exceeds(much)


_SQUARE = jax.ShapeDtypeStruct((256, 256), jnp.float32)


@each_platform
def test_the_cost_of_known_programs(platform):
    def count(function):
        return cost(platform.compile(function, _SQUARE))

    def two_kernels(x):
        return lax.optimization_barrier(x + 1) * 2

    once = count(lambda x: x + 1)
    assert (once.kernels, once.bytes) == (1, 2 * 4 * 256**2)
    assert count(two_kernels).kernels == 2
    assert count(lambda x: x.at[x[0].astype(int)].add(1.0)).scatters == 1
    assert count(lambda x: jnp.sort(x)).sorts == 1
    with pytest.raises(ValueError, match="any number of times"):
        count(lambda x: lax.while_loop(lambda x: x[0, 0] < 1, jnp.sin, x))


def test_what_is_missing_is_said(monkeypatch):
    assert not TPU.missing()
    monkeypatch.setitem(compile_only._HAS, "libtpu", lambda: False)
    assert TPU.missing().startswith("TPU v5e: libtpu missing.")
    assert compile_only.INSTALL in TPU.missing()


def test_the_command_prints_and_writes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(platforms, "CASES", (_case("max", 2, 2, (2, 8, 8, 4), "float32", quick=True),))
    platforms.main(["--quick", "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "platforms-quick.json").read_text())["rows"]
    assert [row["platform"] for row in rows] == ["H200"] * 4 + ["TPU v5e"] * 4
    assert "H200, with a scatter or a sort: 0 of 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "size", "stride", "sides"),
    [("max_pool", 2, 2, 0), ("max_pool", 3, 2, 1), ("avg_pool", 3, 1, 2), ("soft_pool", 3, 2, 1)],
)
def test_four_tpus_exchange_halos_and_nothing_else(name, size, stride, sides):
    """One permutation for each side that needs a halo, forward and backward; no temporaries but halos."""
    mesh, spec = TPU.mesh((2, 2), ("rows", "columns")), P(None, "rows", "columns")
    pool = functools.partial(
        getattr(jaxpool, name), window_shape=(size, size), strides=(stride, stride), padding="SAME"
    )
    shape, sharding = (2, 64, 64, 128), NamedSharding(mesh, spec)
    array = jax.ShapeDtypeStruct(shape, np.float32, sharding=sharding)

    def both(split, x):
        values, pull_back = jax.vjp(split, x)
        return values, pull_back(jnp.ones_like(values))

    split = jaxpool.sharding.spatial(pool, mesh=mesh, spec=spec)
    program = jax.jit(functools.partial(both, split)).lower(array).compile()
    found = collectives(program.as_text())
    assert found.pop("collective-permute", 0) == 2 * 2 * sides
    assert not any(found.values())
    part = (2, 32 + size - stride, 32 + size - stride, 128)
    alone = TPU.compile(functools.partial(both, pool), jax.ShapeDtypeStruct(part, np.float32))
    temporaries = [p.memory_analysis().temp_size_in_bytes for p in (program, alone)]
    assert temporaries[0] <= temporaries[1] + 2 * math.prod(part) * 4


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
@pytest.mark.parametrize("spec", [P("x"), P(None, None, None, "x")], ids=str)
@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_batches_and_channels_of_four_tpus_cost_no_collective(name, spec, kind):
    """By XLA's own partitioner, which knows few functions that select."""
    mesh = jax.make_mesh((4,), ("x",), axis_types=(kind,), devices=TPU.devices)
    sharding = NamedSharding(mesh, spec)

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(getattr(jaxpool, name)(x, (3, 3), (2, 2), "SAME"))))(x)

    inputs = jax.ShapeDtypeStruct((8, 12, 12, 8), jnp.float32, sharding=sharding)
    text = jax.jit(gradient, out_shardings=sharding).lower(inputs).compile().as_text()
    assert "select-and-scatter" in text
    assert not any(collectives(text).values())


@pytest.mark.parametrize("name", ["avg", "max"])
def test_four_tpus_exchange_results_of_global_pools(name):
    """A value, and an index of maxima, from each device; of the gradient nothing."""
    mesh = TPU.mesh((2, 2), ("rows", "columns"))
    sharding = NamedSharding(mesh, P(None, "rows", "columns"))

    def gradient(x):
        return jax.grad(lambda x: jnp.sum(jnp.sin(getattr(jaxpool, f"global_{name}_pool")(x))))(x)

    inputs = jax.ShapeDtypeStruct((16, 64, 64, 128), np.float32, sharding=sharding)
    sent = traffic(jax.jit(gradient, out_shardings=sharding).lower(inputs).compile().as_text())
    assert 16 * 128 * 4 <= sent.received_bytes <= 16 * 128 * 4 * 3 * 2
