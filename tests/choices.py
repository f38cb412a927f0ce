"""On both sides of each threshold of a platform: a pool, an image, and how many operations it takes."""

import jax
import jax.numpy as jnp

import jaxpool


def index(inputs, *window):
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


def gradient_of(pool):
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
    ("cpu", index, 1, ((3, 3),), {"compare": 24, "maximum": 2 + 2}),
    ("cpu", index, 2, ((3, 3),), {"compare": 16}),
    ("cpu", index, 8, ((3, 3),), {"compare": 16}),
    ("cpu", index, 9, ((3, 3),), {"compare": 24}),
    ("cpu", index, 15, ((3, 3),), {"compare": 24}),
    ("cpu", index, 16, ((3, 3),), {"compare": 24, "maximum": 8, "optimization_barrier": 2}),
    ("cpu", gradient_of(jaxpool.sum_pool), 16, ((3, 3),), {"add": 56, "concatenate": 6, "pad": 0}),
    ("cpu", gradient_of(jaxpool.sum_pool), 16, ((2, 2), (2, 2)), {"add": 0, "concatenate": 0}),
    ("cpu", gradient_of(jaxpool.max_pool), 16, ((9, 4), (1, 1), "SAME"), {"add": 29, "concatenate": 7}),
    ("cpu", jaxpool.global_max_pool, 16, (), {"maximum": 22}),
    ("cpu", jaxpool.max_pool, 16, ((40, 40),), {"maximum": 22}),
    # Windows or cells that differ at the ends are up to 8 runs, side by side; with more, padding makes one of
    # them. As it does where they would be the innermost loops. And irregular ones are cut in two.
    ("cpu", jaxpool.max_pool, 16, ((8, 1), (1, 1), "SAME"), {"concatenate": 1, "pad": 0}),
    ("cpu", jaxpool.max_pool, 16, ((9, 1), (1, 1), "SAME"), {"concatenate": 0, "pad": 1}),
    ("cpu", gradient_of(jaxpool.sum_pool), 16, ((4, 1),), {"concatenate": 1, "pad": 0}),
    ("cpu", gradient_of(jaxpool.sum_pool), 16, ((5, 1),), {"concatenate": 0, "pad": 1}),
    ("cpu", _without_channels, 1, ((1, 3), (1, 1), "SAME"), {"concatenate": 0, "pad": 1}),
    ("cpu", _without_channels, 1, ((1, 3), (1, 2), "SAME"), {"concatenate": 1, "pad": 0}),
    ("cpu", gradient_of(jaxpool.adaptive_avg_pool), 2, ((30, 37),), {"concatenate": 2, "slice .*x0x.*": 0}),
    # The last cells, which do not fill a stride, are loops of their own beside ones that read many taps.
    ("cpu", gradient_of(jaxpool.sum_pool), 64, ((1, 9), (1, 3)), {"optimization_barrier": 3}),
    ("cpu", gradient_of(jaxpool.sum_pool), 64, ((1, 8), (1, 2)), {"optimization_barrier": 1}),
    ("cpu", gradient_of(jaxpool.sum_pool), 64, ((1, 4), (1, 3)), {"optimization_barrier": 1}),
    ("cpu", gradient_of(jaxpool.sum_pool), 8, ((1, 4), (1, 3)), {"optimization_barrier": 3}),
    # Two of the barriers keep the bins that end before a cell from being counted for each cell of the image.
    (
        "cuda",
        gradient_of(jaxpool.adaptive_avg_pool),
        2,
        ((30, 37),),
        {"concatenate": 0, "optimization_barrier": 3},
    ),
    # Each element is weighed once, where one maximum serves all windows, or in each of its windows: with more
    # than 9 taps in its rows, and these in theirs. Sums that are weighed alike are one in a derivative.
    ("cpu", jaxpool.soft_pool, 2, ((3, 3),), {"exponential": 2 * (9 + 2), "case": 2}),
    ("cpu", jaxpool.soft_pool, 2, ((5, 7),), {"exponential": 2 * (5 + 7 + 2), "case": 2}),
    ("cpu", gradient_of(jaxpool.soft_pool), 2, ((3, 3),), {"case": 2 + 2}),
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
            (gradient_of(jaxpool.sum_pool), 2, ((3, 3),), 2),
            (gradient_of(jaxpool.sum_pool), 15, ((3, 3),), 2),
            (gradient_of(jaxpool.sum_pool), 16, ((3, 3),), 0),
            (gradient_of(jaxpool.sum_pool), 8, ((1, 3),), 0),
            (gradient_of(jaxpool.sum_pool), 9, ((1, 3),), 2),
            (gradient_of(jaxpool.sum_pool), 8, ((3, 4),), 0),
            (gradient_of(jaxpool.sum_pool), 9, ((3, 4),), 2),
            (gradient_of(jaxpool.sum_pool), 2, ((3, 3), (1, 2)), 1),
            (jaxpool.sum_pool, 8, ((3, 3),), 0),
            (jaxpool.sum_pool, 9, ((3, 3),), 2),
            (jaxpool.max_pool, 8, ((3, 3),), 0),
            (jaxpool.max_pool, 9, ((3, 3),), 2),
            (jaxpool.max_pool, 15, ((3, 3),), 2),
            (jaxpool.max_pool, 16, ((3, 3),), 0),
            (index, 8, ((3, 3),), 0),
            (index, 9, ((3, 3),), 3),
        )
    ),
    # Beyond 64 taps what cannot be done in stages gathers its windows, and reduces them.
    ("cpu", _expectation, 2, ((5, 13),), {"divide": 2 * (5 + 13 + 2) + 1, "reduce": 4}),
    ("cpu", _in_line(jaxpool.soft_pool), 2, ((64,),), {"exponential": 2 * (64 + 2), "reduce": 4}),
    ("cpu", _in_line(jaxpool.soft_pool), 2, ((65,),), {"exponential": 2 * (1 + 2), "reduce": 2 + 4}),
    ("cpu", gradient_of(_in_line(jaxpool.soft_pool)), 2, ((65,),), {"reduce": 4 + 8}),
    ("cpu", gradient_of(jaxpool.median_pool), 2, ((3, 3),), {"gather": 0}),
    ("cpu", gradient_of(jaxpool.median_pool), 2, ((9, 9),), {"scatter": 1, "gather": 0, "reduce": 0}),
    # Maxima that are further apart are laid out on a TPU, whose own operation would not fit its fast memory.
    ("tpu", gradient_of(_in_line(jaxpool.max_pool)), 2, ((128,), (64,)), {"select_and_scatter": 1}),
    ("tpu", gradient_of(_in_line(jaxpool.max_pool)), 2, ((130,), (65,)), {"select_and_scatter": 0}),
    # Of an odd number of elements the median is one of them.
    ("cuda", gradient_of(jaxpool.median_pool), 2, ((9, 9),), {"gather": 4, "reduce": 1}),
    ("cuda", gradient_of(jaxpool.median_pool), 2, ((8, 9),), {"gather": 4, "reduce": 2}),
    *(
        ("cpu", gradient_of(jaxpool.max_pool), channels, window, {"scatter": count})
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
    ("cpu", gradient_of(_of_bfloat16), 1, ((3, 3), (2, 2)), {"scatter": 1}),
    ("cpu", gradient_of(_of_bfloat16), 25, ((4, 4), (2, 2)), {"scatter": 0}),
    ("cpu", gradient_of(_dilated), 64, ((3, 3), (2, 2)), {"scatter": 1}),
    ("cpu", gradient_of(_dilated), 64, ((3, 3), (3, 3)), {"scatter": 0}),
    ("cpu", gradient_of(jaxpool.adaptive_max_pool), 16, ((11, 9),), {"scatter": 1}),
    ("cpu", gradient_of(jaxpool.adaptive_max_pool), 16, ((4, 25),), {"scatter": 1}),
    ("cpu", gradient_of(jaxpool.adaptive_max_pool), 16, ((11, 11),), {"scatter": 0}),
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
    ("cuda", gradient_of(jaxpool.sum_pool), 16, ((3, 3),), {"add": 8, "gather": 2 * 9}),
    ("cuda", gradient_of(jaxpool.sum_pool), 15, ((3, 3),), {"add": 8, "gather": 2 * 9}),
    ("cuda", gradient_of(jaxpool.sum_pool), 16, ((2, 5),), {"add": 1 + 4, "gather": 0}),
    ("cuda", gradient_of(jaxpool.sum_pool), 16, ((2, 2), (2, 2)), {"gather": 0, "concatenate": 0}),
    ("cuda", gradient_of(jaxpool.sum_pool), 16, ((6, 6), (2, 2)), {"gather": 3 + 3, "concatenate": 0}),
    ("cuda", gradient_of(jaxpool.sum_pool), 16, ((6, 6), (1, 2)), {"gather": 6 + 3, "concatenate": 0}),
    ("cuda", gradient_of(jaxpool.sum_pool), 15, ((6, 6), (2, 2)), {"gather": 0, "concatenate": 2}),
    (
        "cuda",
        gradient_of(jaxpool.max_pool),
        16,
        ((2, 2), (2, 2)),
        {"gather": 2 * (4 + 3 + 2), "concatenate": 0},
    ),
    ("cuda", index, 16, ((3, 3), (2, 2), "SAME"), {"pad": 0, "gather": 2 * (9 + 8), "concatenate": 0}),
    ("cuda", index, 16, ((8, 5),), {"compare": 30}),
    ("cuda", index, 16, ((9, 4),), {"compare": 22}),
    ("cuda", index, 15, ((3, 3), (2, 2), "SAME"), {"pad": 9, "gather": 0, "optimization_barrier": 1}),
    ("cuda", jaxpool.global_max_pool, 16, (), {"maximum": 1, "reduce": 1}),
    ("cuda", jaxpool.max_pool, 32, ((40, 40),), {"reduce": 1}),
    ("tpu", jaxpool.max_pool, 16, ((3, 3),), {"reduce_window": 1}),
    ("tpu", gradient_of(jaxpool.sum_pool), 16, ((3, 3),), {"reduce_window": 1}),
    ("tpu", gradient_of(jaxpool.max_pool), 16, ((2, 2), (2, 2)), {"select_and_scatter": 1}),
    *(
        (platform, index, 16, (window,), {"compare": count})
        for platform in ("tpu",)
        for window, count in {(4, 8): 70, (5, 7): 28, (8, 5): 30, (9, 4): 22}.items()
    ),
    *(
        ("cuda", index, 16, (window, (2, 2)), {"compare": count})
        for window, count in {(4, 8): 70, (5, 7): 28, (8, 5): 30, (18, 2): 24}.items()
    ),
]
