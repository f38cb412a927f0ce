"""What each platform chooses, by the size of window and array: how many operations of a kind there are."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool._lowering import forced
from tests.choices import CHOICES, gradient_of, index


def _operations(platform, function, inputs, names):
    text = jax.jit(function).trace(inputs).lower(lowering_platforms=(platform,)).as_text()
    return {name: len(re.findall(rf"(?<!#)stablehlo\.{name}(?!\w)", text)) for name in names}


@pytest.mark.parametrize(
    ("platform", "function", "channels", "window", "counts"),
    CHOICES,
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_choices_by_size(platform, function, channels, window, counts):
    inputs = np.zeros((1, 40, 40, channels), np.float32)
    assert _operations(platform, lambda x: function(x, *window), inputs, counts) == counts


@pytest.mark.parametrize(
    ("platform", "function", "counts"),
    [
        ("cpu", jaxpool.max_pool, {"maximum": 8, "bitcast_convert": 2}),
        ("cpu", index, {"maximum": 8, "bitcast_convert": 3}),
        ("cuda", index, {"maximum": 8, "bitcast_convert": 0, "compare": 24}),
    ],
)
@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16])
def test_choices_in_16_bits(platform, function, counts, dtype):
    """On CPU they are compared as integers; on GPU as what they are."""
    inputs = np.zeros((1, 40, 40, 16), dtype)
    assert _operations(platform, lambda x: function(x, (3, 3)), inputs, counts) == counts


def test_16_bits_are_passes_on_gpu_where_windows_overlap_little():
    inputs = np.zeros((1, 40, 40, 16), jnp.bfloat16)
    found = _operations("cuda", lambda x: jaxpool.max_pool(x, (3, 3), (2, 2)), inputs, ["reduce_window"])
    assert found == {"reduce_window": 0}


@pytest.mark.parametrize(
    ("shape", "adds"),
    [((8, 8, 32), 63), ((8, 8, 34), 1), ((8, 9, 32), 1), ((8, 8, 28), 1), ((7, 8, 16), 1)],
)
def test_few_elements_of_many_channels_are_one_loop_on_gpu(shape, adds):
    inputs = np.zeros((2, *shape), np.float32)
    assert _operations("cuda", jaxpool.global_sum_pool, inputs, ["add"]) == {"add": adds}


@pytest.mark.parametrize(("shape", "gathers"), [((10, 15), 2 * 32), ((7, 21), 14)])
def test_large_bins_are_stages_on_gpu(shape, gathers):
    """Bins of 4 x 8 elements are one pass, of 3 x 11 two."""
    inputs = np.zeros((1, *shape, 16), np.float32)
    found = _operations("cuda", lambda x: jaxpool.adaptive_avg_pool(x, (3, 2)), inputs, ["gather"])
    assert found == {"gather": gathers}


def test_outer_axes_are_gathered_as_one_on_gpu():
    inputs = np.zeros((1, 6, 6, 6, 16), np.float32)
    found = _operations("cuda", lambda x: jaxpool.max_pool(x, (2, 2, 2)), inputs, ["gather"])
    assert found == {"gather": 2 * 8}


@pytest.mark.parametrize("function", [jaxpool.segment_sum_pool, jaxpool.segment_max_pool])
@pytest.mark.parametrize(("rows", "reductions"), [(7, 1), (8, 3), (343, 5), (511, 5), (512, 7)])
def test_segments_are_joined_in_blocks_of_8_on_gpu(function, rows, reductions):
    """A reduction for what ends in a block, one to make blocks; and one scatter, of where segments end."""
    ids = np.zeros(rows, np.int32)

    def pool(x):
        return function(x, ids, 3, indices_are_sorted=True)

    found = _operations("cuda", pool, np.zeros((rows, 2), np.float32), ["reduce", "scatter", "sort"])
    assert found == {"reduce": reductions, "scatter": 1, "sort": 0}


def test_numbers_of_segments_are_joined_as_values_are_on_gpu():
    ids = np.zeros(8, np.int32)

    def pool(x):
        return jaxpool.segment_max_pool(x, ids, 3, indices_are_sorted=True, return_indices=True)

    found = _operations("cuda", pool, np.zeros((8, 2), np.float32), ["reduce", "scatter"])
    assert found == {"reduce": 2 * 3, "scatter": 2}


@pytest.mark.parametrize(("channels", "sorts", "scatters"), [(63, 0, 16), (64, 1, 1)])
@pytest.mark.parametrize("regions", [1, 3])
def test_taps_of_many_channels_are_sorted_on_gpu(channels, sorts, scatters, regions):
    boxes = np.float32([[[0, 0, 5, 5]] * regions])
    gradient = jax.grad(lambda x: jnp.sum(jaxpool.roi_align(x, boxes, (2, 2))))
    inputs = np.zeros((1, 8, 8, channels), np.float32)
    found = _operations("cuda", gradient, inputs, ["sort", "scatter"])
    assert found == {"sort": sorts, "scatter": scatters}


@pytest.mark.parametrize(("ratio", "gathers"), [(1, 4), (2, 16), (3, 12), (5, 10)])
def test_taps_are_read_in_groups(ratio, gathers):
    """As many at once as divide them, up to 16: of 36 taps 12, and of 100 taps 10."""
    boxes, inputs = np.float32([[[0, 0, 5, 5]]]), np.zeros((1, 8, 8, 4), np.float32)
    found = _operations(
        "cuda", lambda x: jaxpool.roi_align(x, boxes, (2, 2), sampling_ratio=ratio), inputs, ["gather"]
    )
    assert found == {"gather": gathers}


@pytest.mark.parametrize("style", ["runs", "padded"])
@pytest.mark.parametrize(
    ("name", "window", "operation", "in_stages"),
    [("sum_pool", (3, 3), "add", 4), ("max_pool", (3, 3), "maximum", 4), ("max_pool", (9, 1), "maximum", 4)],
)
def test_stages_take_fewer_operations(name, window, operation, in_stages, style):
    """In one pass 9 cells take 8 operations; in stages, windows of 2 or 3 of these are shared."""
    inputs, counts = np.zeros((20, 20, 1), np.float32), []
    for technique in (style, f"{style} in stages"):
        with forced(technique):
            found = _operations("cpu", lambda x: getattr(jaxpool, name)(x, window), inputs, [operation])
        counts.append(found[operation])
    assert counts == [8, in_stages]


@pytest.mark.parametrize(
    ("shape", "gathers"), [((1, 4096, 1), 1), ((1, 4098, 1), 0), ((64, 4098, 1), 1), ((1, 4098, 63), 0)]
)
def test_no_table_is_as_large_as_the_array(shape, gathers):
    inputs = np.zeros(shape, np.float32)
    function = gradient_of(lambda x: jaxpool.sum_pool(x, (3,), (2,)))
    assert _operations("cuda", function, inputs, ["gather"]) == {"gather": 2 * gathers}


@pytest.mark.parametrize("windows", [8, 9])
@pytest.mark.parametrize("name", ["max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool"])
def test_programs_do_not_grow_with_large_windows(name, windows):
    """Of more than 64 cells that few windows share, which are laid out along an axis of their own."""

    def lines(length):
        size = length // windows
        arguments = ((windows,),) if name.startswith("adaptive") else ((size + 3,), (size,))
        results = jax.jit(
            lambda x: jax.value_and_grad(lambda x: getattr(jaxpool, name)(x, *arguments).sum())(x)
        )
        return len(results.lower(np.zeros((length, 1), np.float32)).as_text().splitlines())

    assert lines(80_000) < 1.3 * lines(8_000)


def test_a_stage_ends_before_the_next_one_begins():
    """Else XLA would compute the first one anew for each tap of the second."""
    inputs = np.zeros((1, 40, 40, 16), np.float32)
    lowered = jax.jit(lambda x: jaxpool.sum_pool(x, (9, 2))).trace(inputs).lower(lowering_platforms=("cpu",))
    names = re.findall(r"stablehlo\.(add|optimization_barrier)(?!\w)", lowered.as_text())
    assert names == ["add", "optimization_barrier", *2 * ["add", "add", "optimization_barrier"]]


def test_taps_are_slices_where_xla_splits_arrays():
    """Its partitioner would gather all of what is gathered from; inside `shard_map` it splits nothing."""
    mesh = jax.make_mesh((2, 2), ("a", "b"), axis_types=(AxisType.Auto, AxisType.Auto))
    rows = NamedSharding(mesh, P("a"))
    inputs = jax.ShapeDtypeStruct((4, 8, 8, 16), np.float32, sharding=rows)

    def pool(x):
        return jaxpool.max_pool(x, (3, 3))

    inside = jax.shard_map(pool, mesh=mesh, in_specs=P("a"), out_specs=P("a"), check_vma=False)
    counts = {}
    for name, function in {"all": inside, "none": pool}.items():
        text = jax.jit(function).trace(inputs).lower(lowering_platforms=("cuda",)).as_text()
        counts[name] = text.count('"stablehlo.gather"')
    assert counts == {"all": 18, "none": 0}


def test_large_windows_are_stages_where_xla_splits_arrays():
    mesh = jax.make_mesh((2,), ("a",), axis_types=(AxisType.Auto,))
    inputs = jax.ShapeDtypeStruct((4, 40, 40, 16), np.float32, sharding=NamedSharding(mesh, P("a")))
    counts = {(4, 8): 70, (3, 11): 24, (8, 5): 30, (9, 4): 22}
    for window, count in counts.items():
        found = _operations("cuda", lambda x, window=window: index(x, window), inputs, ["compare"])
        assert found == {"compare": count}
