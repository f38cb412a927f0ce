"""Pools of segments: what the table of groups does not say of them."""

import inspect
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.interpreters import ad
from jax.sharding import NamedSharding, PartitionSpec

import jaxpool
from jaxpool._lowering import segments as lowering
from jaxpool._primitives import segments
from tests import reference
from tests.programs import interpret

IDS = np.int32([2, 0, -1, 2, 0, 4, 2, 7, 0])
X = np.random.RandomState(1).randn(9, 3).astype(np.float32)
NAMES = sorted(name for name in dir(jaxpool) if name.startswith("segment_"))


def _pool(name, x=X, ids=IDS, number=5, **options):
    arrays = (x, options.pop("logits", x)) if name == "segment_attention_pool" else (x,)
    if name == "segment_topk_pool":
        options = {"k": 2, **options}
    return getattr(jaxpool, name)(*arrays, ids, number, **options)


# ------------------------------------------------------------------------------- both ways to carry them out


@pytest.mark.parametrize(
    ("rows", "segments", "highest"),
    [(0, 3, 5), (1, 1, 1), (7, 3, 5), (8, 40, 40), (9, 5, 2), (64, 3, 5), (65, 40, 40), (600, 5, 2)],
)
def test_blocks_and_turns_agree(rows, segments, highest):
    """Around the sizes of blocks, with segments that are empty, long, short and of one row."""
    rng = np.random.RandomState(rows)
    values = rng.randint(-3, 4, (2, rows, 2)).astype(np.float32)
    values[rng.rand(*values.shape) < 0.02] = np.nan
    values[rng.rand(*values.shape) < 0.1] = -np.inf
    mask = rng.rand(2, rows, 2) < 0.8
    unordered = rng.randint(-1, highest + 1, (2, rows)).astype(np.int32)
    promises = [(False, "max", unordered)]
    if rows in (0, 9, 65, 600):  # that rows are in order, which is about where segments end
        promises.append((True, "min", np.sort(unordered)))
    for in_order, order, ids in promises:
        settings = {"segments": segments, "in_order": in_order}

        @jax.jit
        def program(values, mask, ids, order=order, settings=settings):
            numbers = jnp.nan_to_num(values, neginf=2)
            sums = [add(numbers, ids, **settings) for add in (lowering.add, lowering.add_in_turn)]
            settings |= {"order": order}
            alone = lowering.select_value_in_turn(values, mask, ids, **settings)
            ways = lowering.select, lowering.select_in_turn
            return sums, [select(values, mask, ids, **settings) for select in ways], alone

        sums, (blocks, turns), alone = program(values, mask, ids)
        tables = zip(values, ids, mask, strict=True)
        expected = [reference.segment_extreme(order, x, i, segments, where=valid) for x, i, valid in tables]
        for of_blocks, of_turns, found in zip(blocks, turns, zip(*expected, strict=True), strict=True):
            np.testing.assert_array_equal(of_blocks, np.stack(found))
            np.testing.assert_array_equal(of_turns, of_blocks)
        np.testing.assert_array_equal(alone, blocks[0])
        np.testing.assert_array_equal(*sums)  # of whole numbers, so that the order is all the same


@pytest.mark.parametrize("name", NAMES)
def test_a_promise_of_order_and_row_splits_change_nothing(name):
    splits, ids = np.int32([0, 2, 2, 7, 9]), np.int32([0, 0, 2, 2, 2, 2, 2, 3, 3])
    expected = interpret(lambda: _pool(name, ids=ids, number=4))
    for platform in ("cpu", "cuda"):
        ordered, by_splits = interpret(
            lambda: (
                _pool(name, ids=ids, number=4, indices_are_sorted=True),
                _pool(name, ids=None, number=None, row_splits=splits),
            ),
            platform=platform,
        )
        chex.assert_trees_all_close(ordered, expected, rtol=1e-6)
        chex.assert_trees_all_equal(by_splits, ordered)


def test_row_splits_may_leave_out_both_ends():
    x = jnp.arange(1.0, 7.0)
    result = jaxpool.segment_sum_pool(x, row_splits=jnp.array([1, 3, 3, 5]))
    np.testing.assert_array_equal(result, [2 + 3, 0, 4 + 5])


# ------------------------------------------------------------------------------------------------- arguments

CHANGES = {
    "inputs": {"x": X + np.float32([[1], [2], [0]] * 3)},
    "segment_ids": {"ids": IDS[::-1].copy()},
    "num_segments": {"number": 4},
    "where": {"where": np.arange(9)[:, None] % 3 > 0},
    "axis": {"x": X[:, None].swapaxes(0, 1), "axis": 1},
    "p": {"p": 3.0},
    "temperature": {"temperature": 0.5},
    "mean": {"mean": True},
    "correction": {"correction": 1},
    "return_indices": {"return_indices": True},
    "logits": {"logits": 2 * X},
    "k": {"k": 3},
    "keys": {"keys": -X[:, -1]},
}
# To a caller they say the same in another way, and test_a_promise_of_order_and_row_splits_change_nothing.
_SAME = {"row_splits", "indices_are_sorted"}


@pytest.mark.parametrize("name", NAMES)
def test_every_argument_changes_the_result(name):
    arguments = sorted(set(inspect.signature(getattr(jaxpool, name)).parameters) - _SAME)
    changes = [{}] + [CHANGES[argument] for argument in arguments]
    before, *changed = map(jax.tree.leaves, interpret(lambda: [_pool(name, **change) for change in changes]))
    for argument, after in zip(arguments, changed, strict=True):
        same = [a.shape == b.shape and np.array_equal(a, b) for a, b in zip(before, after, strict=False)]
        assert len(after) != len(before) or not all(same), argument


@pytest.mark.parametrize(
    ("error", "message", "changes"),
    [
        (ValueError, r"segment_ids must have the shape \(9,\) .* got \(3,\)", {"ids": IDS[:3]}),
        (TypeError, "segment_ids must be an array of integers, got float32", {"ids": IDS.astype(np.float32)}),
        (TypeError, "segment_ids must be an array, got", {"ids": [0] * 9}),
        (ValueError, "num_segments must not be negative, got -1", {"number": -1}),
        (TypeError, "num_segments must be an int", {"number": 2.5}),
        (ValueError, "segment_ids and num_segments must be given", {"number": None}),
        (ValueError, "must be None where row_splits", {"row_splits": np.arange(3)}),
        (ValueError, "row_splits must have the shape", {"ids": None, "number": None, "row_splits": IDS[:0]}),
        (ValueError, "axis must be an axis of inputs", {"axis": 2}),
        (TypeError, "axis must be an int", {"axis": None}),
        (TypeError, "indices_are_sorted must be a bool", {"indices_are_sorted": 1}),
        (ValueError, "where must broadcast", {"where": np.ones(4, bool)}),
        (TypeError, "where must be an array of bools", {"where": np.ones(3)}),
    ],
)
def test_mistakes_are_named(error, message, changes):
    for name in ("segment_max_pool", "segment_softmax"):
        with pytest.raises(error, match=message):
            _pool(name, **changes)


@pytest.mark.parametrize(
    ("error", "message", "name", "options"),
    [
        (ValueError, "k must be at least 1, got 0", "segment_topk_pool", {"k": 0}),
        (TypeError, "k must be an int", "segment_topk_pool", {"k": 1.5}),
        (ValueError, r"keys must have the shape \(9,\)", "segment_topk_pool", {"keys": X}),
        (ValueError, "keys must be given", "segment_topk_pool", {"x": X[:, 0]}),
        (ValueError, "same for all channels", "segment_topk_pool", {"where": X > 0}),
        (ValueError, "logits must broadcast", "segment_attention_pool", {"logits": X[:, :2]}),
        (TypeError, "inputs must be real", "segment_lp_pool", {"x": X + 1j}),
        (TypeError, "real, integer or bool", "segment_max_pool", {"x": X + 1j}),
        (ValueError, "p must be above 0", "segment_lp_pool", {"p": 0}),
        (ValueError, "temperature must be above 0", "segment_softmax", {"temperature": 0}),
        (ValueError, "correction must be 0 or 1", "segment_std_pool", {"correction": 2}),
        (TypeError, "mean must be a bool", "segment_logsumexp_pool", {"mean": 1}),
        (TypeError, "return_indices must be a bool", "segment_min_pool", {"return_indices": 1}),
    ],
)
def test_mistakes_of_their_own_arguments_are_named(error, message, name, options):
    with pytest.raises(error, match=message):
        _pool(name, **options)


# ------------------------------------------------------------------------------------- meaning and structure


@pytest.mark.parametrize("name", NAMES)
def test_what_takes_no_part_does_no_harm(name):
    """A NaN, or infinity, that is masked or of no segment: neither in values nor in gradients."""
    where = np.arange(9)[:, None] != 4
    harmless = X.copy()
    harmless[2], harmless[4], harmless[7] = np.inf, np.nan, -np.inf

    def with_gradient(x):
        value, pullback = jax.vjp(lambda x: _pool(name, x, where=where), x)
        return value, pullback(jnp.where(jnp.isfinite(value), 1, 0).astype(value.dtype))[0]

    (value, gradient), (expected, expected_gradient) = interpret(
        lambda x, y: (with_gradient(x), with_gradient(y)), harmless, X
    )
    np.testing.assert_array_equal(value, expected)
    taking_part = np.isin(np.arange(9), [2, 4, 7], invert=True)
    np.testing.assert_array_equal(gradient[taking_part], expected_gradient[taking_part])
    np.testing.assert_array_equal(gradient[~taking_part], 0)


def test_infinite_norms_and_smooth_maxima():
    x = np.float32([np.inf, 1, -np.inf, -np.inf, 0, 0, 3, -4])
    ids = np.int32([0, 0, 1, 1, 2, 2, 3, 3])
    np.testing.assert_array_equal(jaxpool.segment_lp_pool(x, ids, 4), [np.inf, np.inf, 0, 5])
    np.testing.assert_array_equal(jaxpool.segment_lp_pool(x, ids, 5, p=np.inf), [np.inf, np.inf, 0, 4, 0])
    smooth = jaxpool.segment_logsumexp_pool(x, ids, 5)
    np.testing.assert_array_equal(smooth[np.array([0, 1, 4])], [np.inf, -np.inf, -np.inf])
    gradient = jax.grad(lambda x: jaxpool.segment_lp_pool(x, ids, 4)[2:].sum())(x)
    np.testing.assert_allclose(gradient[4:], [0, 0, 0.6, -0.8], rtol=1e-6)


def test_low_precision_is_rounded_once():
    ones = np.ones(3000, jnp.bfloat16)
    assert jaxpool.segment_sum_pool(ones, np.zeros(3000, np.int32), 1)[0] == 3008  # of 3000, the nearest
    assert jaxpool.segment_avg_pool(ones, np.zeros(3000, np.int32), 1)[0] == 1


def test_maps_over_inputs_ids_and_both():
    ids = np.stack([IDS, IDS[::-1]])
    both = jax.vmap(lambda x, ids: jaxpool.segment_max_pool(x, ids, 5))(np.stack([X, -X]), ids)
    of_ids = jax.vmap(lambda ids: jaxpool.segment_sum_pool(X, ids, 5))(ids)
    along = jax.vmap(lambda x: jaxpool.segment_max_pool(x, IDS, 5), 1, 1)(X)
    for i in range(2):
        chex.assert_trees_all_equal(both[i], jaxpool.segment_max_pool([X, -X][i], ids[i], 5))
        chex.assert_trees_all_close(of_ids[i], jaxpool.segment_sum_pool(X, ids[i], 5))
    chex.assert_trees_all_equal(along, jaxpool.segment_max_pool(X, IDS, 5))


@pytest.mark.parametrize(("name", "collectives"), [("segment_sum_pool", 1), ("segment_max_pool", 1)])
def test_rows_that_are_split_over_devices_cost_one_collective(name, collectives):
    mesh = jax.make_mesh((8,), ("rows",), axis_types=(jax.sharding.AxisType.Auto,))
    x = np.random.RandomState(0).randn(64, 2).astype(np.float32)
    ids = np.random.RandomState(1).randint(-1, 6, 64).astype(np.int32)
    split = [
        jax.device_put(array, NamedSharding(mesh, PartitionSpec("rows", *[None] * (array.ndim - 1))))
        for array in (x, ids)
    ]
    program = jax.jit(lambda x, ids: _pool(name, x, ids)).lower(*split).compile()
    text = program.as_text()
    assert len(re.findall(r" all-reduce\(", text)) == collectives
    assert not re.search(r" (all-gather|all-to-all|collective-permute)\(", text)
    chex.assert_trees_all_close(program(*split), _pool(name, x, ids), rtol=1e-5)

    def gradient(x, ids):
        value, pullback = jax.vjp(lambda x: _pool(name, x, ids), x)
        return pullback(value)[0]

    chex.assert_trees_all_close(jax.jit(gradient)(*split), gradient(x, ids), rtol=1e-5)


def test_rows_of_an_explicit_mesh_lie_where_their_ids_do():
    mesh = jax.make_mesh((2,), ("rows",), axis_types=(jax.sharding.AxisType.Explicit,))
    rows, channels = PartitionSpec("rows", None), PartitionSpec(None, "rows")
    x, ids = X[:8, :2], IDS[:8]
    with jax.set_mesh(mesh):
        of_rows, of_channels = (jax.device_put(x, NamedSharding(mesh, spec)) for spec in (rows, channels))
        split = jax.device_put(ids, NamedSharding(mesh, PartitionSpec("rows")))
        found = [
            jax.jit(jax.grad(lambda x, ids: jaxpool.segment_std_pool(x, ids, 5).sum()))(*arrays)
            for arrays in ((of_rows, split), (of_channels, ids))
        ]
        with pytest.raises(ValueError, match="segment_ids must be sharded over an explicit mesh as"):
            jaxpool.segment_sum_pool(of_rows, ids, 5)
    expected = jax.grad(lambda x: jaxpool.segment_std_pool(x, ids, 5).sum())(x)
    for gradient in found:
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


def test_number_of_rows_may_be_symbolic_on_a_cpu():
    (rows,) = export.symbolic_shape("rows")
    shapes = jax.ShapeDtypeStruct((rows, 3), np.float32), jax.ShapeDtypeStruct((rows,), np.int32)
    for name in ("segment_sum_pool", "segment_max_pool"):
        exported = export.export(jax.jit(lambda x, ids, name=name: _pool(name, x, ids)), platforms=["cpu"])(
            *shapes
        )
        chex.assert_trees_all_equal(exported.call(X, IDS), _pool(name))


def test_memory_on_a_cpu_is_that_of_the_result():
    shapes = jax.ShapeDtypeStruct((50_000, 32), np.float32), jax.ShapeDtypeStruct((50_000,), np.int32)
    for name in ("segment_sum_pool", "segment_max_pool"):
        program = jax.jit(lambda x, ids, name=name: _pool(name, x, ids, 500)).lower(*shapes).compile()
        assert program.memory_analysis().temp_size_in_bytes < 4 * (500 * 32 + 3 * 50_000)


def test_nothing_comes_back_for_nothing():
    """JAX may ask for the transpose of a cotangent that is known to be 0."""
    rows = jax.core.ShapedArray((1, 4, 2), np.float32)
    ids, result = jnp.zeros((1, 4), np.int32), jax.core.ShapedArray((1, 3, 2), np.float32)
    found = ad.primitive_transposes[segments.sum_p](
        ad.Zero(result), ad.UndefinedPrimal(rows), ids, segments=3, in_order=True
    )
    assert type(found[0]) is ad.Zero
    assert found[1:] == [None]
