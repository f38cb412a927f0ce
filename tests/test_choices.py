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


def _index(inputs, *window):
    return jaxpool.max_pool(inputs, *window, return_indices=True)[1]


def _without_channels(inputs, *window):
    return jaxpool.max_pool(inputs[..., 0], *window, channel_axis=None)


def _adaptive_index(inputs, bins):
    return jaxpool.adaptive_max_pool(inputs, bins, return_indices=True)[1]


def _of_bfloat16(inputs, *window):
    return jaxpool.max_pool(inputs.astype(jnp.bfloat16), *window)


def _dilated(inputs, *window):
    return jaxpool.max_pool(inputs, *window, window_dilation=(2, 2))


def _in_line(pool):
    return lambda inputs, *window: pool(inputs.reshape(1, -1, inputs.shape[-1]), *window)


def _expectation(inputs, *window):
    return jaxpool.stochastic_pool(None, inputs, *window, deterministic=True)


def _tangent_of(pool):
    return lambda inputs, *window: jax.jvp(lambda x: pool(x, *window), (inputs,), (inputs,))[1]


def _gradient_of(pool):
    return lambda inputs, *window: jax.grad(lambda x: jnp.sum(pool(x, *window)))(inputs)


# On both sides of each threshold: how many operations of a kind an image of so many channels takes. In one
# pass a maximum or sum takes one less than the window has cells; in stages, as much for each axis, or less.
CHOICES = [
    ("cpu", jaxpool.max_pool, 16, ((3, 3),), {"maximum": 8, "reduce_window": 0}),
    ("cpu", jaxpool.max_pool, 16, ((2, 5),), {"maximum": 1 + 4}),
    ("cpu", jaxpool.max_pool, 16, ((8, 2),), {"maximum": 7 + 1}),
    ("cpu", jaxpool.max_pool, 16, ((9, 2),), {"maximum": 2 + 2 + 1}),
    ("cpu", jaxpool.max_pool, 15, ((3, 3),), {"maximum": 2 + 2}),
    ("cpu", jaxpool.max_pool, 15, ((2, 2),), {"maximum": 3}),
    ("cpu", jaxpool.max_pool, 1, ((3, 3),), {"maximum": 2 + 2, "maximum .*<1x38x40x1xf32>": 2}),
    ("cpu", jaxpool.max_pool, 2, ((3, 3),), {"maximum": 2 + 2, "maximum .*<1x38x40x2xf32>": 0}),
    ("cpu", jaxpool.max_pool, 1, ((2, 2),), {"maximum": 3}),
    ("cpu", jaxpool.sum_pool, 16, ((3, 3),), {"add": 8}),
    ("cpu", jaxpool.sum_pool, 16, ((2, 5),), {"add": 1 + 4}),
    ("cpu", jaxpool.sum_pool, 16, ((8, 2),), {"add": 7 + 1}),
    ("cpu", jaxpool.sum_pool, 16, ((9, 2),), {"add": 2 + 2 + 1}),
    ("cpu", jaxpool.sum_pool, 16, ((11, 2),), {"add": 10 + 1}),  # which no windows of one size divide
    # Small windows start where large ones do: 12 cells with stride 3 are four windows of three.
    ("cpu", jaxpool.max_pool, 1, ((12,), (3,)), {"maximum": 2 + 3}),
    ("cpu", jaxpool.max_pool, 16, ((3, 3), (2, 2), "SAME"), {"maximum": 21, "pad": 0, "concatenate": 3}),
    ("cpu", jaxpool.max_pool, 1, ((3, 3), (2, 2), "SAME"), {"maximum": 5, "pad": 1, "concatenate": 1}),
    ("cpu", jaxpool.max_pool, 1, ((9, 4), (1, 1), "SAME"), {"maximum": 9, "optimization_barrier": 3}),
    ("cpu", _index, 1, ((3, 3),), {"compare": 24, "maximum": 2 + 2}),
    ("cpu", _index, 2, ((3, 3),), {"compare": 16}),
    ("cpu", _index, 8, ((3, 3),), {"compare": 16}),
    ("cpu", _index, 9, ((3, 3),), {"compare": 24}),
    ("cpu", _index, 15, ((3, 3),), {"compare": 24}),
    ("cpu", _index, 16, ((3, 3),), {"compare": 24, "maximum": 8, "optimization_barrier": 2}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 16, ((3, 3),), {"add": 56, "concatenate": 6, "pad": 0}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 16, ((2, 2), (2, 2)), {"add": 0, "concatenate": 0}),
    ("cpu", _gradient_of(jaxpool.max_pool), 16, ((9, 4), (1, 1), "SAME"), {"add": 29, "concatenate": 7}),
    ("cpu", jaxpool.global_max_pool, 16, (), {"maximum": 22}),
    ("cpu", jaxpool.max_pool, 16, ((40, 40),), {"maximum": 22}),
    # Windows or cells that differ at the ends are up to 8 runs, side by side; with more, padding makes one of
    # them. As it does where they would be the innermost loops. And irregular ones are cut in two.
    ("cpu", jaxpool.max_pool, 16, ((8, 1), (1, 1), "SAME"), {"concatenate": 1, "pad": 0}),
    ("cpu", jaxpool.max_pool, 16, ((9, 1), (1, 1), "SAME"), {"concatenate": 0, "pad": 1}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 16, ((4, 1),), {"concatenate": 1, "pad": 0}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 16, ((5, 1),), {"concatenate": 0, "pad": 1}),
    ("cpu", _without_channels, 1, ((1, 3), (1, 1), "SAME"), {"concatenate": 0, "pad": 1}),
    ("cpu", _without_channels, 1, ((1, 3), (1, 2), "SAME"), {"concatenate": 1, "pad": 0}),
    ("cpu", _gradient_of(jaxpool.adaptive_avg_pool), 2, ((30, 37),), {"concatenate": 2, "slice .*x0x.*": 0}),
    # The last cells, which do not fill a stride, are loops of their own beside ones that read many taps.
    ("cpu", _gradient_of(jaxpool.sum_pool), 64, ((1, 9), (1, 3)), {"optimization_barrier": 3}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 64, ((1, 8), (1, 2)), {"optimization_barrier": 1}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 64, ((1, 4), (1, 3)), {"optimization_barrier": 1}),
    ("cpu", _gradient_of(jaxpool.sum_pool), 8, ((1, 4), (1, 3)), {"optimization_barrier": 3}),
    # Two of the barriers keep the bins that end before a cell from being counted for each cell of the image.
    (
        "cuda",
        _gradient_of(jaxpool.adaptive_avg_pool),
        2,
        ((30, 37),),
        {"concatenate": 0, "optimization_barrier": 3},
    ),
    # Each element is weighed once, where one maximum serves all windows, or in each of its windows: with more
    # than 9 taps in its rows, and these in theirs. Sums that are weighed alike are one in a derivative.
    ("cpu", jaxpool.soft_pool, 2, ((3, 3),), {"exponential": 2 * (9 + 2), "case": 2}),
    ("cpu", jaxpool.soft_pool, 2, ((5, 7),), {"exponential": 2 * (5 + 7 + 2), "case": 2}),
    ("cpu", _gradient_of(jaxpool.soft_pool), 2, ((3, 3),), {"case": 2 + 2}),
    ("cuda", jaxpool.soft_pool, 2, ((5, 7),), {"exponential": 2 * 35}),
    ("cuda", jaxpool.soft_pool, 2, ((6, 6),), {"exponential": 2 * (6 + 6)}),
    ("cuda", jaxpool.soft_pool, 2, ((8, 8), (8, 8)), {"exponential": 2 * 64}),
    ("cuda", jaxpool.soft_pool, 2, ((8, 9), (8, 9)), {"exponential": 2 * (8 + 9)}),
    ("tpu", jaxpool.soft_pool, 2, ((3, 3),), {"exponential": 2 * 9}),
    ("tpu", jaxpool.soft_pool, 2, ((2, 5),), {"exponential": 2 * (2 + 5)}),
    ("cpu", jaxpool.logsumexp_pool, 2, ((6, 6),), {"exponential": 6 + 6 + 2, "log": 1}),
    ("cpu", jaxpool.lp_pool, 2, ((6, 6),), {"sqrt": 1}),
    ("cpu", jaxpool.var_pool, 2, ((5, 7),), {"subtract": 35 + 1}),
    ("cpu", jaxpool.var_pool, 2, ((6, 6),), {"subtract": 6 + 6 + 1}),
    # With up to 15 channels, what reads windows along two axes is one line of the last axis and channels, in
    # which windows are dilated by as much as there are channels; other passes are with 9 and more.
    *(
        ("cpu", function, channels, window, {"reshape": count})
        for function, channels, window, count in (
            (_gradient_of(jaxpool.sum_pool), 2, ((3, 3),), 2),
            (_gradient_of(jaxpool.sum_pool), 15, ((3, 3),), 2),
            (_gradient_of(jaxpool.sum_pool), 16, ((3, 3),), 0),
            (_gradient_of(jaxpool.sum_pool), 8, ((1, 3),), 0),
            (_gradient_of(jaxpool.sum_pool), 9, ((1, 3),), 2),
            (_gradient_of(jaxpool.sum_pool), 8, ((3, 4),), 0),
            (_gradient_of(jaxpool.sum_pool), 9, ((3, 4),), 2),
            (_gradient_of(jaxpool.sum_pool), 2, ((3, 3), (1, 2)), 1),
            (jaxpool.sum_pool, 8, ((3, 3),), 0),
            (jaxpool.sum_pool, 9, ((3, 3),), 2),
            (jaxpool.max_pool, 8, ((3, 3),), 0),
            (jaxpool.max_pool, 9, ((3, 3),), 2),
            (jaxpool.max_pool, 15, ((3, 3),), 2),
            (jaxpool.max_pool, 16, ((3, 3),), 0),
            (_index, 8, ((3, 3),), 0),
            (_index, 9, ((3, 3),), 3),
        )
    ),
    # Beyond 64 taps what cannot be done in stages gathers its windows, and reduces them.
    ("cpu", _expectation, 2, ((5, 13),), {"divide": 2 * (5 + 13 + 2) + 1, "reduce": 4}),
    ("cpu", _in_line(jaxpool.soft_pool), 2, ((64,),), {"exponential": 2 * (64 + 2), "reduce": 4}),
    ("cpu", _in_line(jaxpool.soft_pool), 2, ((65,),), {"exponential": 2 * (1 + 2), "reduce": 2 + 4}),
    ("cpu", _gradient_of(_in_line(jaxpool.soft_pool)), 2, ((65,),), {"reduce": 4 + 8}),
    ("cpu", _gradient_of(jaxpool.median_pool), 2, ((3, 3),), {"gather": 0}),
    ("cpu", _gradient_of(jaxpool.median_pool), 2, ((9, 9),), {"scatter": 1, "gather": 0, "reduce": 0}),
    # Maxima that are further apart are laid out on a TPU, whose own operation would not fit its fast memory.
    ("tpu", _gradient_of(_in_line(jaxpool.max_pool)), 2, ((128,), (64,)), {"select_and_scatter": 1}),
    ("tpu", _gradient_of(_in_line(jaxpool.max_pool)), 2, ((130,), (65,)), {"select_and_scatter": 0}),
    # Of an odd number of elements the median is one of them.
    ("cuda", _gradient_of(jaxpool.median_pool), 2, ((9, 9),), {"gather": 4, "reduce": 1}),
    ("cuda", _gradient_of(jaxpool.median_pool), 2, ((8, 9),), {"gather": 4, "reduce": 2}),
    *(
        ("cpu", _gradient_of(jaxpool.max_pool), channels, window, {"scatter": count})
        for channels, window, count in (
            (16, ((10, 10),), 1),
            (16, ((9, 11),), 0),
            (47, ((4, 4), (3, 3)), 1),
            (48, ((4, 4), (3, 3)), 0),
            (48, ((6, 6), (5, 5)), 1),
            (16, ((3, 4), (3, 3)), 1),
            (64, ((3, 4), (3, 3)), 0),
            (16, ((7, 7), (2, 2)), 1),
            (29, ((7, 7), (2, 2)), 0),
            (28, ((4, 4), (2, 2)), 1),
            (29, ((4, 4), (2, 2)), 0),
            (16, ((3, 3), (2, 2)), 0),
            (64, ((9, 9), (2, 2)), 1),
            (64, ((8, 9), (2, 2)), 0),
            (15, ((3, 3), (2, 2)), 1),
            (15, ((2, 2), (2, 2)), 0),
            (15, ((2, 2), (2, 4)), 1),
            (15, ((2, 2), (2, 3)), 0),
            (15, ((3, 3), (2, 1)), 0),
            (5, ((3, 3), (2, 2)), 0),
            (6, ((3, 3), (2, 2)), 1),
            (2, ((4, 3), (2, 2)), 1),
            (15, ((1, 3), (1, 2)), 0),
            (15, ((1, 4), (1, 2)), 1),
            (2, ((10, 10),), 1),
            (2, ((9, 11),), 0),
            (2, ((1, 25),), 1),
            (2, ((1, 24),), 0),
            (1, ((5, 5),), 0),
        )
    ),
    ("cpu", _gradient_of(_of_bfloat16), 1, ((3, 3), (2, 2)), {"scatter": 1}),
    ("cpu", _gradient_of(_of_bfloat16), 25, ((4, 4), (2, 2)), {"scatter": 0}),
    ("cpu", _gradient_of(_dilated), 64, ((3, 3), (2, 2)), {"scatter": 1}),
    ("cpu", _gradient_of(_dilated), 64, ((3, 3), (3, 3)), {"scatter": 0}),
    ("cpu", _gradient_of(jaxpool.adaptive_max_pool), 16, ((11, 9),), {"scatter": 1}),
    ("cpu", _gradient_of(jaxpool.adaptive_max_pool), 16, ((4, 25),), {"scatter": 1}),
    ("cpu", _gradient_of(jaxpool.adaptive_max_pool), 16, ((11, 11),), {"scatter": 0}),
    # An element by its number is read from where it is, on a CPU from fewer taps on, fewest of few channels.
    ("cpu", _tangent_of(jaxpool.median_pool), 2, ((1, 7),), {"gather": 0, "reduce": 0}),
    ("cpu", _tangent_of(jaxpool.median_pool), 2, ((3, 3),), {"gather": 1, "reduce": 0}),
    ("cpu", _tangent_of(jaxpool.median_pool), 16, ((1, 31),), {"gather": 0, "reduce": 0}),
    ("cpu", _tangent_of(jaxpool.median_pool), 16, ((3, 11),), {"gather": 1, "reduce": 0}),
    ("cuda", _tangent_of(jaxpool.median_pool), 16, ((7, 9),), {"gather": 0, "reduce": 0}),
    ("cuda", _tangent_of(jaxpool.median_pool), 16, ((5, 13),), {"gather": 1, "reduce": 0}),
    ("cuda", _adaptive_index, 2, ((6, 6),), {"reduce": 0}),  # bins of up to 8 x 8
    ("cuda", _adaptive_index, 2, ((3, 7),), {"reduce": 1}),
    # XLA's own reduction; a pass that gathers; and, where windows overlap much, one for each axis.
    ("cuda", jaxpool.max_pool, 16, ((3, 1),), {"reduce_window": 1}),
    ("cuda", jaxpool.max_pool, 16, ((2, 2),), {"reduce_window": 0, "gather": 2 * 4}),
    ("cuda", jaxpool.max_pool, 16, ((3, 3), (2, 2)), {"reduce_window": 1}),
    ("cuda", jaxpool.max_pool, 16, ((3, 3),), {"gather": 2 * 9, "maximum": 8}),
    ("cuda", jaxpool.max_pool, 16, ((2, 5),), {"gather": 0, "maximum": 1 + 4, "reduce_window": 0}),
    ("cuda", jaxpool.max_pool, 15, ((3, 3),), {"reduce_window": 1}),
    ("cuda", jaxpool.max_pool, 1, ((3, 3),), {"gather": 9, "maximum": 8}),  # along rows, and slices of them
    ("cuda", jaxpool.max_pool, 1, ((5, 5), (1, 2)), {"reduce_window": 1}),
    ("cuda", jaxpool.sum_pool, 16, ((3, 1),), {"reduce_window": 1}),
    ("cuda", jaxpool.sum_pool, 16, ((3, 3),), {"gather": 2 * 9, "add": 8}),
    ("cuda", jaxpool.sum_pool, 16, ((2, 5),), {"gather": 0, "add": 1 + 4, "reduce_window": 0}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 16, ((3, 3),), {"add": 8, "gather": 2 * 9}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 15, ((3, 3),), {"add": 8, "gather": 2 * 9}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 16, ((2, 5),), {"add": 1 + 4, "gather": 0}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 16, ((2, 2), (2, 2)), {"gather": 0, "concatenate": 0}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 16, ((6, 6), (2, 2)), {"gather": 3 + 3, "concatenate": 0}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 16, ((6, 6), (1, 2)), {"gather": 6 + 3, "concatenate": 0}),
    ("cuda", _gradient_of(jaxpool.sum_pool), 15, ((6, 6), (2, 2)), {"gather": 0, "concatenate": 2}),
    (
        "cuda",
        _gradient_of(jaxpool.max_pool),
        16,
        ((2, 2), (2, 2)),
        {"gather": 2 * (4 + 3 + 2), "concatenate": 0},
    ),
    ("cuda", _index, 16, ((3, 3), (2, 2), "SAME"), {"pad": 0, "gather": 2 * (9 + 8), "concatenate": 0}),
    ("cuda", _index, 16, ((8, 5),), {"compare": 30}),
    ("cuda", _index, 16, ((9, 4),), {"compare": 22}),
    ("cuda", _index, 15, ((3, 3), (2, 2), "SAME"), {"pad": 9, "gather": 0, "optimization_barrier": 1}),
    ("cuda", jaxpool.global_max_pool, 16, (), {"maximum": 1, "reduce": 1}),
    ("cuda", jaxpool.max_pool, 32, ((40, 40),), {"reduce": 1}),
    ("tpu", jaxpool.max_pool, 16, ((3, 3),), {"reduce_window": 1}),
    ("tpu", _gradient_of(jaxpool.sum_pool), 16, ((3, 3),), {"reduce_window": 1}),
    ("tpu", _gradient_of(jaxpool.max_pool), 16, ((2, 2), (2, 2)), {"select_and_scatter": 1}),
    *(
        (platform, _index, 16, (window,), {"compare": count})
        for platform in ("tpu",)
        for window, count in {(4, 8): 70, (5, 7): 28, (8, 5): 30, (9, 4): 22}.items()
    ),
    *(
        ("cuda", _index, 16, (window, (2, 2)), {"compare": count})
        for window, count in {(4, 8): 70, (5, 7): 28, (8, 5): 30, (18, 2): 24}.items()
    ),
]


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
        ("cpu", _index, {"maximum": 8, "bitcast_convert": 3}),
        ("cuda", _index, {"maximum": 8, "bitcast_convert": 0, "compare": 24}),
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
    function = _gradient_of(lambda x: jaxpool.sum_pool(x, (3,), (2,)))
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
        found = _operations("cuda", lambda x, window=window: _index(x, window), inputs, ["compare"])
        assert found == {"compare": count}
