"""The pools under every transformation of JAX: what they give must not depend on how they are called."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from tests.cases import CASES, KINDS, ODD_CASES, SIMPLE, by_turns, curved, distinct, random
from tests.irregular import GROUPS

PLATFORMS = ("cpu", "cuda", "tpu")
# One selection, one sum and one composition: minimum and maximum share their rules of transformation.
each_kind = pytest.mark.parametrize("function", KINDS, ids=str)
in_each_case = pytest.mark.parametrize(("case", "function"), by_turns(ODD_CASES, KINDS, one_in=2), ids=str)


def _bind(function, case):
    return lambda inputs: function.apply(inputs, *case.arguments, **case.options)


def _gradient(pool):
    return jax.grad(lambda inputs: jnp.sum(curved(pool)(inputs)))


def _pushforward(pool):
    return lambda inputs, tangent: jax.jvp(pool, (inputs,), (tangent,))[1]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_jit_gives_what_eager_gives_bit_for_bit(case):
    inputs = random(case.shape)
    pools = [_bind(function, case) for function in SIMPLE]
    chex.assert_trees_all_equal(
        jax.jit(lambda x: [pool(x) for pool in pools])(inputs), [pool(inputs) for pool in pools]
    )


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_disabled_jit_gives_the_same(name):
    inputs = distinct((2, 6, 5, 2), np.float32)

    def value_and_gradient():
        pool = functools.partial(getattr(jaxpool, name), window_shape=(3, 2), strides=(2, 1), padding="SAME")
        return pool(inputs), jax.grad(lambda x: jnp.sum(pool(x) ** 2))(inputs)

    expected = value_and_gradient()
    with jax.disable_jit():
        chex.assert_trees_all_close(value_and_gradient(), expected, rtol=1e-5)


@in_each_case
def test_vmap(case, function):
    pool = _bind(function, case)
    stack = np.stack([distinct(case.shape, np.float32, seed) for seed in range(3)])
    expected = np.stack([pool(inputs) for inputs in stack])
    chex.assert_trees_all_close(jax.vmap(pool)(stack), expected, rtol=1e-5)
    last = np.moveaxis(stack, 0, -1)
    chex.assert_trees_all_close(
        jax.vmap(pool, in_axes=-1, out_axes=1)(last), np.moveaxis(expected, 0, 1), rtol=1e-5
    )
    gradients = np.stack([_gradient(pool)(inputs) for inputs in stack])
    chex.assert_trees_all_close(jax.vmap(_gradient(pool))(stack), gradients, rtol=1e-5, atol=1e-6)


@in_each_case
def test_vmap_over_the_tangent_only(case, function):
    pool, inputs = _bind(function, case), distinct(case.shape, np.float32)
    tangents = np.stack([random(case.shape, np.float32, seed) for seed in range(3)])
    expected = np.stack([_pushforward(pool)(inputs, tangent) for tangent in tangents])
    mapped = jax.vmap(_pushforward(pool), in_axes=(None, 0))(inputs, tangents)
    chex.assert_trees_all_close(mapped, expected, rtol=1e-5, atol=1e-6)
    value, pullback = jax.vjp(pool, inputs)
    cotangents = np.stack([random(value.shape, np.float32, seed) for seed in range(3)])
    expected = np.stack([pullback(cotangent)[0] for cotangent in cotangents])
    chex.assert_trees_all_close(jax.vmap(pullback)(cotangents)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_vmap_twice_with_indices(name):
    stack = random((2, 3, 5, 4, 2))
    pool = functools.partial(getattr(jaxpool, name), window_shape=(2, 2), padding="SAME", return_indices=True)
    chex.assert_trees_all_equal(jax.vmap(jax.vmap(pool))(stack), pool(stack))


@in_each_case
def test_remat_and_scan(case, function):
    pool, inputs = _bind(function, case), distinct(case.shape, np.float32)
    expected = _gradient(pool)(inputs)
    chex.assert_trees_all_close(_gradient(jax.checkpoint(pool))(inputs), expected, rtol=1e-5)
    stack = np.stack([inputs, inputs[::-1]])
    _, gradients = jax.lax.scan(lambda carry, x: (carry, _gradient(pool)(x)), 0, stack)
    chex.assert_trees_all_close(gradients[0], expected, rtol=1e-5, atol=1e-6)
    scanned = jax.grad(lambda x: jnp.sum(jax.lax.scan(lambda c, x: (c, curved(pool)(x)), 0, x)[1]))(stack)
    chex.assert_trees_all_close(scanned[0], expected, rtol=1e-5, atol=1e-6)


def _mesh(axis_type, shape=(2, 4)):
    return jax.make_mesh(shape, ("data", "model"), axis_types=(axis_type,) * 2)


@each_kind
@pytest.mark.parametrize("name", ["overlap stride", "channels first", "dilation stride", "3d overlap"])
def test_inside_shard_map(name, function):
    """Batch over one mesh axis and channels over the other: every device pools its own."""
    case = next(case for case in CASES if case.name == name)
    shape = list(case.shape)
    channel_axis = case.options.get("channel_axis", -1) % len(shape)
    shape[0], shape[channel_axis] = 4, 8
    inputs, pool = distinct(shape, np.float32), _bind(function, case)
    spec = P(*["data" if d == 0 else "model" if d == channel_axis else None for d in range(len(shape))])
    local = jax.jit(jax.shard_map(pool, mesh=_mesh(AxisType.Auto), in_specs=spec, out_specs=spec))
    chex.assert_trees_all_close(local(inputs), pool(inputs), rtol=1e-5)
    chex.assert_trees_all_close(_gradient(local)(inputs), _gradient(pool)(inputs), rtol=1e-5, atol=1e-6)
    tangent = random(shape, np.float32, seed=1)
    pushed = jax.jit(_pushforward(local))(inputs, tangent)
    chex.assert_trees_all_close(pushed, _pushforward(pool)(inputs, tangent), rtol=1e-5, atol=1e-6)
    inner = jax.shard_map(_gradient(pool), mesh=_mesh(AxisType.Auto), in_specs=spec, out_specs=spec)
    chex.assert_trees_all_close(jax.jit(inner)(inputs), _gradient(pool)(inputs), rtol=1e-5, atol=1e-6)


@each_kind
def test_replicated_inputs_in_shard_map(function):
    """The pool of a replicated array times a sharded one: the gradient is summed over devices once."""
    mesh = _mesh(AxisType.Auto)
    inputs, weights = distinct((6, 2), np.float32), random((8, 5, 2), np.float32)

    def loss(inputs, weights):
        return jax.lax.psum(jnp.sum(function.apply(inputs, (2,))[None] * weights), ("data", "model"))

    sharded = jax.shard_map(loss, mesh=mesh, in_specs=(P(), P(("data", "model"))), out_specs=P())
    expected = jax.grad(lambda x: jnp.sum(function.apply(x, (2,)) * np.sum(weights, 0)))(inputs)
    chex.assert_trees_all_close(jax.jit(jax.grad(sharded))(inputs, weights), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "axis_type", "function"),
    by_turns(
        ["overlap stride", "channels first", "dilation stride", "windows of padding"],
        [AxisType.Auto, AxisType.Explicit],
        KINDS,
        one_in=2,
    ),
    ids=str,
)
def test_on_a_mesh(name, axis_type, function):
    case = next(case for case in CASES if case.name == name)
    shape = list(case.shape)
    channel_axis = case.options.get("channel_axis", -1) % len(shape)
    shape[0], shape[channel_axis] = 4, 8
    inputs, pool = distinct(shape, np.float32), _bind(function, case)
    expected, gradient = pool(inputs), _gradient(pool)(inputs)
    tangent = random(shape, np.float32, seed=1)
    pushed = _pushforward(pool)(inputs, tangent)
    mesh = _mesh(axis_type)
    spec = P(*["data" if d == 0 else "model" if d == channel_axis else None for d in range(len(shape))])
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, spec))
        result = jax.jit(pool)(placed)
        chex.assert_trees_all_close(result, expected, rtol=1e-5)
        assert result.sharding.is_equivalent_to(NamedSharding(mesh, spec), result.ndim)
        chex.assert_trees_all_close(jax.jit(_gradient(pool))(placed), gradient, rtol=1e-5, atol=1e-6)
        tangent = jax.device_put(tangent, NamedSharding(mesh, spec))
        chex.assert_trees_all_close(
            jax.jit(_pushforward(pool))(placed, tangent), pushed, rtol=1e-5, atol=1e-6
        )
        compiled = jax.jit(_gradient(pool)).lower(placed).compile().as_text()
    for collective in ("all-gather", "all-reduce", "collective-permute", "all-to-all"):
        assert collective not in compiled


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_automatic_mesh_splits_space(name):
    """With automatic sharding XLA moves what the windows need: slow perhaps, never wrong."""
    mesh = _mesh(AxisType.Auto)
    inputs = distinct((2, 16, 8, 2), np.float32)

    def pool(inputs):
        return getattr(jaxpool, name)(inputs, (3, 3), (2, 2), "SAME")

    placed = jax.device_put(inputs, NamedSharding(mesh, P(None, "model")))
    chex.assert_trees_all_close(jax.jit(pool)(placed), pool(inputs), rtol=1e-5)
    chex.assert_trees_all_close(
        jax.jit(_gradient(pool))(placed), _gradient(pool)(inputs), rtol=1e-5, atol=1e-6
    )


each_group = pytest.mark.parametrize("group", [group for group in GROUPS if group.transforms], ids=str)


def _values(group):
    return lambda inputs: [function.apply(inputs) for function in group.functions]


def _gradients(group):
    """The gradients of all functions of a group, of which none may hide another's."""

    def total(pool, inputs):
        return jnp.sum(curved(pool)(inputs))

    return lambda x: [jax.grad(functools.partial(total, f.apply))(x) for f in group.functions]


@each_group
def test_transformations_of_groups(group):
    """jit, vmap of the pools and of their gradients, remat and scan."""
    stack = np.stack([distinct(group.shape, np.float32, seed) for seed in range(2)])
    values, gradients = _values(group), _gradients(group)
    # Each function and entry by itself, in a program of its own.
    expected = jax.tree.map(lambda *leaves: np.stack(leaves), *[values(inputs) for inputs in stack])

    @jax.jit
    def transformed(stack):
        mapped = jax.vmap(values)(stack), jax.vmap(gradients)(stack)
        scanned = jax.lax.scan(lambda c, x: (c, (values(x), gradients(x))), 0, stack)[1]
        remat = jax.grad(
            lambda x: sum(jnp.sum(curved(lambda _, v=v: v)(x)) for v in jax.checkpoint(values)(x))
        )
        return mapped, scanned, remat(stack[0])

    mapped, scanned, remat = transformed(stack)
    chex.assert_trees_all_close(mapped[0], expected, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(scanned, mapped, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(remat, sum(g[0] for g in mapped[1]), rtol=1e-4, atol=1e-5)


def _spec(group):
    channel_axis = 1 if "channels first" in group.name else -1
    axes = [None] * len(group.shape)
    axes[0], axes[channel_axis] = "data", "model"
    return P(*axes)


# Whose results depend on all of the array: masks, positions, parameters worked out from it, norms of images.
_OF_THE_WHOLE = ("global m", "max_unpool", "trainable", "gem", "polyphase")


@pytest.mark.parametrize(
    "group",
    [g for g in GROUPS if g.transforms and g.shape[0] == 2 and not g.name.startswith(_OF_THE_WHOLE)],
    ids=str,
)
def test_groups_inside_shard_map(group):
    """Batch over one mesh axis and channels over the other: every device pools its own."""
    if "own samples" in group.name or group.name == "fractional channels first":
        pytest.skip("its samples belong to the whole array")
    spec = _spec(group)
    shape = [2 * n if axis == "model" else n for n, axis in zip(group.shape, spec, strict=True)]
    inputs, values = distinct(shape, np.float32), _values(group)
    out_specs = [spec if "global" not in group.name else P("data", "model")] * len(group.functions)
    mesh = _mesh(AxisType.Auto, (2, 2))
    local = jax.jit(jax.shard_map(values, mesh=mesh, in_specs=spec, out_specs=out_specs))
    chex.assert_trees_all_close(local(inputs), values(inputs), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: jaxpool.lp_pool(x, (3, 2), (2, 1), "SAME"),
        lambda x: jaxpool.adaptive_max_pool(x, (3, 4)),
        lambda x: jaxpool.global_avg_pool(x, keepdims=True),
    ],
    ids=["lp_pool", "adaptive_max_pool", "global_avg_pool"],
)
def test_new_pools_on_an_explicit_mesh(pool):
    inputs, mesh, spec = (
        distinct((4, 7, 6, 8), np.float32),
        _mesh(AxisType.Explicit),
        P("data", None, None, "model"),
    )
    expected = pool(inputs), _gradient(pool)(inputs)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, spec))
        result = jax.jit(lambda x: (pool(x), _gradient(pool)(x)))(placed)
        chex.assert_trees_all_close(result, expected, rtol=1e-5, atol=1e-6)
        assert result[0].sharding.is_equivalent_to(NamedSharding(mesh, spec), 4)


@pytest.mark.parametrize("name", ["1d", "channels first 1d", "adaptive 1d", "global 2d", "avg_unpool 1d"])
def test_export_of_groups_with_symbolic_batch(name):
    group = next(group for group in GROUPS if group.name == name)
    batch = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((*batch, *group.shape[1:]), np.float32)
    inputs = distinct((3, *group.shape[1:]), np.float32)

    def both(inputs):
        return _values(group)(inputs), _gradients(group)(inputs)

    exported = jax.export.export(jax.jit(both), platforms=PLATFORMS)(spec)
    loaded = jax.export.deserialize(exported.serialize())
    chex.assert_trees_all_close(loaded.call(inputs), jax.jit(both)(inputs), rtol=1e-5, atol=1e-6)


@in_each_case
def test_export_to_every_platform_with_symbolic_batch(case, function):
    channels = 0 if case.options.get("channel_axis", -1) is None else 1
    if len(case.shape) == len(case.window_shape) + channels:
        pytest.skip("the case has no batch axis to leave open")
    pool = _bind(function, case)
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, *case.shape[1:]), np.float32)
    inputs = distinct((5, *case.shape[1:]), np.float32)
    tangent = random(inputs.shape, np.float32, seed=1)
    for f, arguments in (
        (pool, (inputs,)),
        (_gradient(pool), (inputs,)),
        (_pushforward(pool), (inputs, tangent)),
    ):
        exported = jax.export.export(jax.jit(f), platforms=PLATFORMS)(*[spec] * len(arguments))
        loaded = jax.export.deserialize(exported.serialize())
        assert loaded.platforms == PLATFORMS
        chex.assert_trees_all_close(loaded.call(*arguments), f(*arguments), rtol=1e-5, atol=1e-6)
