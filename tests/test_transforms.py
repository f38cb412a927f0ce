"""The pools under transformations that `test_grid.py` has not: of programs, of devices, and for export."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from tests.cases import CASES, SMALL_CASES, curved, distinct, random
from tests.functions import COMPOSED, KINDS, SIMPLE
from tests.groups import GROUPS
from tests.programs import interpret

PLATFORMS = ("cpu", "cuda", "tpu")
# One selection, one sum and one composition: minimum and maximum share their rules of transformation.
each_kind = pytest.mark.parametrize("function", KINDS, ids=str)


def _bind(function, case):
    return lambda inputs: function.apply(inputs, *case.arguments, **case.options)


def _gradient(pool):
    return jax.grad(lambda inputs: jnp.sum(curved(pool)(inputs)))


def _everything(pool):
    """Value, tangent and gradient."""
    return lambda inputs, tangent: (*jax.jvp(pool, (inputs,), (tangent,)), _gradient(pool)(inputs))


@pytest.mark.parametrize("case", SMALL_CASES, ids=str)
def test_jit_gives_what_eager_gives_bit_for_bit(case):
    """Each function in half of the geometries: what is eager compiles one by one."""
    inputs = random(case.shape)
    pools = [_bind(function, case) for function in SIMPLE[SMALL_CASES.index(case) % 2 :: 2]]
    chex.assert_trees_all_equal(
        jax.jit(lambda x: [pool(x) for pool in pools])(inputs), [pool(inputs) for pool in pools]
    )


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_disabled_jit_gives_the_same(name):
    inputs = distinct((1, 6, 1), np.float32)

    def value_and_gradient():
        pool = functools.partial(getattr(jaxpool, name), window_shape=(3,), strides=(2,), padding="SAME")
        return pool(inputs), jax.grad(lambda x: jnp.sum(pool(x) ** 2))(inputs)

    expected = jax.jit(value_and_gradient)()
    with jax.disable_jit():
        chex.assert_trees_all_close(value_and_gradient(), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["max_pool", "min_pool"])
def test_vmap_twice_with_indices(name):
    stack = random((2, 3, 5, 4, 2))
    pool = functools.partial(getattr(jaxpool, name), window_shape=(2, 2), padding="SAME", return_indices=True)
    chex.assert_trees_all_equal(jax.vmap(jax.vmap(pool))(stack), pool(stack))


def _mesh(axis_type, shape=(2, 4)):
    return jax.make_mesh(shape, ("data", "model"), axis_types=(axis_type,) * 2)


@pytest.mark.parametrize(
    ("function", "name"), [*zip(KINDS, ("channels first", "1d", "channels first"), strict=True)], ids=str
)
def test_inside_shard_map(function, name):
    """Batch over one mesh axis and channels over the other: every device pools its own."""
    case = next(case for case in CASES if case.name == name)
    shape = list(case.shape)
    channel_axis = case.options.get("channel_axis", -1) % len(shape)
    shape[0], shape[channel_axis] = 4, 8
    inputs, tangent, pool = (
        distinct(shape, np.float32),
        random(shape, np.float32, seed=1),
        _bind(function, case),
    )
    spec = P(*["data" if d == 0 else "model" if d == channel_axis else None for d in range(len(shape))])

    on_devices = functools.partial(jax.shard_map, mesh=_mesh(AxisType.Auto), in_specs=spec, out_specs=spec)

    def results(inputs, tangent):
        outside = _everything(jax.jit(on_devices(pool)))(inputs, tangent)
        return *outside, on_devices(_gradient(pool))(inputs)

    value, pushed, gradient = interpret(_everything(pool), inputs, tangent)
    expected = value, pushed, gradient, gradient
    chex.assert_trees_all_close(jax.jit(results)(inputs, tangent), expected, rtol=1e-5, atol=1e-6)


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
    [
        (name, axis_type, KINDS[(i + j + 1) % 3])
        for i, name in enumerate(["channels first", "dilation stride", "windows of padding"])
        for j, axis_type in enumerate([AxisType.Auto, AxisType.Explicit])
    ],
    ids=str,
)
def test_on_a_mesh(name, axis_type, function):
    case = next(case for case in CASES if case.name == name)
    shape = list(case.shape)
    channel_axis = case.options.get("channel_axis", -1) % len(shape)
    shape[0], shape[channel_axis] = 4, 8
    inputs, tangent, pool = (
        distinct(shape, np.float32),
        random(shape, np.float32, seed=1),
        _bind(function, case),
    )
    expected = interpret(_everything(pool), inputs, tangent)
    spec = P(*["data" if d == 0 else "model" if d == channel_axis else None for d in range(len(shape))])
    layout = NamedSharding(_mesh(axis_type), spec)
    with jax.set_mesh(layout.mesh):
        placed = jax.device_put((inputs, tangent), layout)
        compiled = jax.jit(_everything(pool)).lower(*placed).compile()
        results = compiled(*placed)
    chex.assert_trees_all_close(results, expected, rtol=1e-5, atol=1e-6)
    for result in results:
        assert result.sharding.is_equivalent_to(layout, result.ndim)
    for collective in ("all-gather", "all-reduce", "collective-permute", "all-to-all"):
        assert collective not in compiled.as_text()


@pytest.mark.parametrize("name", ["max_pool", "avg_pool"])
def test_automatic_mesh_splits_space(name):
    """With automatic sharding XLA moves what the windows need: slow perhaps, never wrong."""
    mesh = _mesh(AxisType.Auto)
    inputs = distinct((2, 16, 2), np.float32)

    def pool(inputs):
        return getattr(jaxpool, name)(inputs, (3,), (2,), "SAME")

    def both(inputs):
        return pool(inputs), _gradient(pool)(inputs)

    placed = jax.device_put(inputs, NamedSharding(mesh, P(None, "model")))
    chex.assert_trees_all_close(jax.jit(both)(placed), interpret(both, inputs), rtol=1e-5, atol=1e-6)


def _values(group):
    return lambda inputs: [function.apply(inputs) for function in group.functions]


def _spec(group):
    channel_axis = 1 if "channels first" in group.name else -1
    axes = [None] * len(group.shape)
    axes[0], axes[channel_axis] = "data", "model"
    return P(*axes)


SHARDED = [
    "adaptive 1d",
    "adaptive channels first",
    "fractional 1d",
    "global 2d",
    "avg_unpool 1d",
    "avg_unpool channels first",
    "blur 1d",
    "blur channels first",
]


@pytest.mark.parametrize("name", SHARDED)
def test_groups_inside_shard_map(name):
    """Batch over one mesh axis and channels over the other: every device pools its own."""
    group = next(group for group in GROUPS if group.name == name)
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

    def results(inputs):
        return pool(inputs), _gradient(pool)(inputs)

    expected = interpret(results, inputs)
    with jax.set_mesh(mesh):
        placed = jax.device_put(inputs, NamedSharding(mesh, spec))
        result = jax.jit(results)(placed)
        chex.assert_trees_all_close(result, expected, rtol=1e-5, atol=1e-6)
        assert result[0].sharding.is_equivalent_to(NamedSharding(mesh, spec), 4)


def _of_groups(names):
    """Functions of groups, and composed ones, each of inputs of one shape whose first axis is a batch.

    Of groups with more than two, which are alike, every second.
    """
    case = next(case for case in SMALL_CASES if case.name == "channels first 1d")
    composed = [
        functools.partial(f.apply, window_shape=(3,), strides=(2,), padding=1, channel_axis=1)
        for f in COMPOSED
        if f.name in ("soft_pool temperature=0.7", "median_pool")
    ]
    return [(case.shape, composed)] + [
        (group.shape, [f.apply for f in group.functions[:: 2 if len(group.functions) > 2 else 1]])
        for group in GROUPS
        if group.name in names
    ]


@pytest.mark.parametrize(
    ("shape", "pools"),
    [
        *_of_groups(["adaptive 1d", "global 2d", "avg_unpool 1d", "pyramid 1d"]),
        *(
            (case.shape, [_bind(function, case) for function in KINDS])
            for case in CASES
            if case.name in ("1d", "windows of padding", "dilation stride", "channels first")
        ),
    ],
    ids=lambda shape: str(shape) if isinstance(shape, tuple) else "",
)
def test_export_to_every_platform_with_symbolic_batch(shape, pools):
    (batch,) = jax.export.symbolic_shape("batch")
    inputs = distinct((3, *shape[1:]), np.float32)
    specs = [jax.ShapeDtypeStruct((batch, *shape[1:]), np.float32)] * 2

    def derivatives(inputs, tangent):
        return [_everything(pool)(inputs, tangent) for pool in pools]

    exported = jax.export.export(jax.jit(derivatives), platforms=PLATFORMS)(*specs)
    loaded = jax.export.deserialize(exported.serialize())
    assert loaded.platforms == PLATFORMS
    tangent = random(inputs.shape, np.float32, seed=1)
    expected = interpret(derivatives, inputs, tangent)
    chex.assert_trees_all_close(loaded.call(inputs, tangent), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_export_to_every_platform_with_symbolic_channels(dtype):
    """What an array with many channels would get is chosen, and it is right for any number."""
    batch, channels = jax.export.symbolic_shape("batch, channels")

    def derivatives(inputs):
        value, pullback = jax.vjp(lambda x: jaxpool.max_pool(x, (3, 3), (2, 2), "SAME"), inputs)
        return value, pullback(value), jaxpool.avg_pool(inputs, (3, 3)), jaxpool.global_sum_pool(inputs)

    spec = jax.ShapeDtypeStruct((batch, 8, 8, channels), dtype)
    exported = jax.export.export(jax.jit(derivatives), platforms=PLATFORMS)(spec)
    for inputs in (distinct((2, 8, 8, 1), dtype), distinct((1, 8, 8, 5), dtype)):
        chex.assert_trees_all_close(exported.call(inputs), interpret(derivatives, inputs), rtol=1e-2)


# ------------------------------------------------------- what all devices have, and what differs between them

_NUMBERS = np.random.RandomState(0)
_BOXES = np.sort(_NUMBERS.rand(8, 2, 2), 1).reshape(8, 4).astype(np.float32) * 5
_IMAGES = _NUMBERS.randn(2, 6, 6, 4).astype(np.float32)


def _region(name):
    def pool(inputs, boxes, indices):
        return getattr(jaxpool, name)(inputs, boxes, (2, 2), box_indices=indices)

    return pool, _IMAGES, (_BOXES, np.arange(8, dtype=np.int32) % 2)


def _segment(name):
    def pool(inputs, ids):
        return jax.vmap(lambda ids: getattr(jaxpool, name)(inputs, ids, 3))(ids)

    return pool, _IMAGES[0, 0], (_NUMBERS.randint(0, 3, (8, 6)).astype(np.int32),)


_REGIONS = ("roi_align", "ps_roi_align", "crop_and_resize", "roi_pool", "ps_roi_pool")
_SEGMENTS = ("segment_sum_pool", "segment_max_pool", "segment_softmax")
SPLIT = {  # a pool of an array that all devices have, and arrays of which each has a part
    **{name: _region(name) for name in _REGIONS},
    **{name: _segment(name) for name in _SEGMENTS},
    "max_unpool": (
        lambda x, index: jax.vmap(lambda index: jaxpool.max_unpool(x, index, (9, 9)))(index),
        _IMAGES[0],
        (_NUMBERS.randint(0, 81, (8, 6, 6, 4)).astype(np.int32),),
    ),
    "max_pool with a mask": (
        lambda x, mask: jax.vmap(lambda mask: jaxpool.max_pool(x, (2, 2), where=mask))(mask),
        _IMAGES[0],
        (_NUMBERS.rand(8, 6, 6, 1) < 0.8,),
    ),
}


@pytest.mark.parametrize(("pool", "shared", "split"), SPLIT.values(), ids=SPLIT)
def test_gradients_of_what_all_devices_have_are_added_up(pool, shared, split):
    mesh = jax.make_mesh((4,), ("x",), (AxisType.Auto,))
    mapped = jax.shard_map(pool, mesh=mesh, in_specs=(P(), *[P("x")] * len(split)), out_specs=P("x"))

    def derivatives(function):
        def loss(shared):
            return jnp.sum(jnp.sin(function(shared, *split)))

        return jax.jit(jax.value_and_grad(loss))(shared)

    for got, expected in zip(derivatives(mapped), derivatives(pool), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
