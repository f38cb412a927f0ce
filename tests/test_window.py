"""The geometry: what each argument means, and what each mistake is answered with."""

import functools
import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxpool
from jaxpool._bins import fractional_window
from jaxpool._window import Axis, Window, make_window
from tests import reference
from tests.cases import CASES
from tests.programs import interpret

INPUTS = np.zeros((2, 6, 5, 3), np.float32)


@pytest.mark.parametrize(
    ("error", "name", "received", "arguments"),
    [
        (TypeError, "window_shape must be a sequence of ints, such as (2, 2)", "2", {"window_shape": 2}),
        (TypeError, "window_shape must be a sequence of ints", "'22'", {"window_shape": "22"}),
        (TypeError, "window_shape must be a sequence of ints", "iterator", {"window_shape": iter((2, 2))}),
        (TypeError, "every entry of window_shape must be an int", "2.0", {"window_shape": (2.0, 2)}),
        (TypeError, "every entry of window_shape must be an int", "True", {"window_shape": (True, 2)}),
        (ValueError, "window_shape must hold ints of at least 1", "(2, 0)", {"window_shape": (2, 0)}),
        (ValueError, "window_shape must have at least one entry", "empty", {"window_shape": ()}),
        (ValueError, "window_shape must fit", "7", {"window_shape": (7, 2)}),
        (
            ValueError,
            "window_shape must fit",
            "dilation 3",
            {"window_dilation": (3, 3), "window_shape": (3, 2)},
        ),
        (TypeError, "strides must be a sequence of ints, such as (2, 2)", "2", {"strides": 2}),
        (ValueError, "strides must hold ints of at least 1", "(0, 1)", {"strides": (0, 1)}),
        (ValueError, "strides must have 2 entries", "1", {"strides": (2,)}),
        (TypeError, "window_dilation must be a sequence of ints", "3", {"window_dilation": 3}),
        (ValueError, "window_dilation must hold ints of at least 1", "-1", {"window_dilation": (-1, 1)}),
        (ValueError, "window_dilation must have 2 entries", "3", {"window_dilation": (1, 1, 1)}),
        (ValueError, "padding must be 'VALID', 'SAME'", "'FULL'", {"padding": "FULL"}),
        (TypeError, "padding must be a sequence of ints", "None", {"padding": None}),
        (ValueError, "padding must have 2 entries", "1", {"padding": [(1, 1)]}),
        (ValueError, "each entry of padding must have 2 entries", "3", {"padding": [(1, 1, 1), (0, 0)]}),
        (
            ValueError,
            "each entry of padding must hold ints of at least 0",
            "-1",
            {"padding": [(0, -1), (0, 0)]},
        ),
        (ValueError, "each entry of padding must hold ints of at least 0", "-2", {"padding": -2}),
        (
            TypeError,
            "every entry of each entry of padding must be an int",
            "0.5",
            {"padding": [(0.5, 1), (1, 1)]},
        ),
        (TypeError, "ceil_mode must be a bool", "'yes'", {"ceil_mode": "yes"}),
        (ValueError, "channel_axis must be None or an int from -4 to 3", "4", {"channel_axis": 4}),
        (TypeError, "channel_axis must be an int", "1.5", {"channel_axis": 1.5}),
        (ValueError, "inputs must have at least 5 dimensions", "4", {"window_shape": (2, 2, 2, 2)}),
    ],
)
@pytest.mark.parametrize(
    "name_of_pool", ["max_pool", "min_pool", "avg_pool", "sum_pool", "pool", "output_shape"]
)
def test_mistakes_are_named(name_of_pool, error, name, received, arguments):
    function = getattr(jaxpool, name_of_pool)
    first = {"input_shape": INPUTS.shape} if name_of_pool == "output_shape" else {"inputs": INPUTS}
    if name_of_pool == "pool":
        first |= {"init": 0.0, "reduce_fn": jnp.add}
    with pytest.raises(error) as raised:
        function(**first, **({"window_shape": (2, 2)} | arguments))
    assert name in str(raised.value)
    assert received in str(raised.value)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (TypeError, "inputs must be an array, got [[1.0]]", lambda: jaxpool.max_pool([[1.0]], (1,))),
        (TypeError, "inputs must be an array, got None", lambda: jaxpool.sum_pool(None, (1,))),
        (
            TypeError,
            "inputs must be real, integer or bool to have an order, got complex64",
            lambda: jaxpool.max_pool(np.zeros((2, 1), np.complex64), (1,)),
        ),
        (TypeError, "divisor_override must be None or an int, got 2.5", lambda: _average(2.5)),
        (TypeError, "divisor_override must be None or an int, got True", lambda: _average(True)),
        (ValueError, "divisor_override must not be 0, got 0", lambda: _average(0)),
        (TypeError, "reduce_fn must be a function of two arrays, got 3", lambda: _pool(0.0, 3)),
        (
            ValueError,
            "init must be a scalar, got an array of shape (2,)",
            lambda: _pool(np.zeros(2), jnp.add),
        ),
        (
            TypeError,
            "init must be a scalar that fits inputs of int32, got -inf",
            lambda: jaxpool.pool(np.zeros((2, 1), np.int32), -np.inf, jnp.maximum, (2,)),
        ),
        (TypeError, "reduce_fn must return an array of shape", lambda: _pool(0.0, jnp.equal)),
        (TypeError, "input_shape must be a sequence of ints", lambda: jaxpool.output_shape(5, (1,))),
        (
            ValueError,
            "input_shape must hold ints of at least 0, got (-1, 4, 2)",
            lambda: jaxpool.output_shape((-1, 4, 2), (1,)),
        ),
        (
            ValueError,
            "inputs must have fewer than 2**31 elements in the spatial block",
            lambda: jax.eval_shape(
                lambda x: jaxpool.max_pool(x, (2, 2), return_indices=True),
                jax.ShapeDtypeStruct((50_000, 50_000, 1), np.float32),
            ),
        ),
    ],
)
def test_other_mistakes_are_named(error, message, call):
    with pytest.raises(error) as raised:
        call()
    assert message in str(raised.value)


def _average(divisor):
    return jaxpool.avg_pool(INPUTS, (2, 2), divisor_override=divisor)


def _pool(init, reduce_fn):
    return jaxpool.pool(INPUTS, init, reduce_fn, (2, 2))


def test_strides_default_to_one():
    assert jaxpool.max_pool(INPUTS, (2, 2)).shape == (2, 5, 4, 3)


def test_ways_to_write_the_same():
    windows = [
        make_window(INPUTS.shape, window_shape, strides, padding, window_dilation=dilation)
        for window_shape, strides, padding, dilation in [
            ((3, 3), (1, 1), "SAME", (1, 1)),
            ([3, 3], None, "same", None),
            (np.array([3, 3]), [1, 1], 1, [1, 1]),
            ((np.int64(3), 3), np.ones(2, np.int32), (1, 1), None),
            ((3, 3), None, [(1, 1), [1, 1]], None),
            ((3, 3), None, np.ones((2, 2), np.int64), None),
        ]
    ]
    assert len(set(windows)) == 1
    assert isinstance(windows[0], Window)


def test_same_pads_the_end_and_same_lower_the_start():
    inputs = jnp.arange(1.0, 5)[:, None]
    assert jaxpool.sum_pool(inputs, (2,), None, "SAME")[:, 0].tolist() == [3, 5, 7, 4]
    assert jaxpool.sum_pool(inputs, (2,), None, "SAME_LOWER")[:, 0].tolist() == [1, 3, 5, 7]
    assert jaxpool.sum_pool(inputs, (3,), None, "CAUSAL")[:, 0].tolist() == [1, 3, 6, 9]


CHANGES = {
    "strides": (2, 3),
    "padding": 1,
    "window_dilation": (2, 2),
    "ceil_mode": True,
    "channel_axis": 1,
    "count_include_pad": False,
    "divisor_override": 5,
    "dtype": np.int32,
    "rounding": "nearest",
    "return_indices": True,
    "where": np.arange(432).reshape(2, 8, 9, 3) % 3 > 0,
    "window_shape": (3, 2),
    "init": 10.0,
    "reduce_fn": jnp.maximum,
}


@pytest.mark.parametrize("name", ["max_pool", "min_pool", "avg_pool", "sum_pool", "pool"])
def test_every_argument_changes_the_result(name):
    """Walks the signatures, so that an argument nobody listens to cannot be added unseen."""
    function = getattr(jaxpool, name)
    inputs = 9 * np.random.RandomState(0).rand(2, 8, 9, 3).astype(np.float32)
    base = {"window_shape": (2, 3), "strides": (3, 2), "padding": [(1, 1), (0, 1)]}
    if name == "pool":
        base |= {"init": 0.0, "reduce_fn": jnp.add}
    for argument in list(inspect.signature(function).parameters)[1:]:
        same = base | {"dtype": np.int32} if argument == "rounding" else base  # integers alone are rounded
        changed = same | {argument: CHANGES[argument]}
        before = interpret(lambda x, same=same: function(x, **same), inputs)
        after = interpret(lambda x, changed=changed: function(x, **changed), inputs)
        changed = isinstance(after, tuple) or before.shape != after.shape or not np.array_equal(before, after)
        assert changed, f"{argument} changed nothing"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_output_shape_matches_oracle(case):
    actual = jaxpool.output_shape(case.shape, *case.arguments, **case.options)
    assert actual == reference.output_shape(case.shape, *case.arguments, **case.options)
    assert all(type(n) is int for n in actual)


@st.composite
def geometries(draw):
    rank = draw(st.integers(1, 3))

    def sequence(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    named = st.sampled_from(["VALID", "SAME", "SAME_LOWER", "CAUSAL"])
    pairs = st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * rank)
    layout = draw(st.sampled_from([-1, None, 0]))
    spatial = sequence(1, 6)
    shape = {-1: (2, *spatial, 2), None: (2, *spatial), 0: (2, 2, *spatial)}[layout]
    options = {
        "window_dilation": sequence(1, 3),
        "ceil_mode": draw(st.booleans()),
        "channel_axis": layout,
    }
    return shape, (sequence(1, 3), sequence(1, 3), draw(named | pairs)), options


@settings(max_examples=150, deadline=None, derandomize=True)
@given(geometries())
def test_any_geometry_matches_oracle(geometry):
    shape, arguments, options = geometry
    try:
        expected = reference.output_shape(shape, *arguments, **options)
    except ValueError:
        with pytest.raises(ValueError, match="window_shape must fit"):
            jaxpool.output_shape(shape, *arguments, **options)
        return
    assert jaxpool.output_shape(shape, *arguments, **options) == expected
    window = make_window(shape, *arguments, **options)
    for include_padding in (False, True):
        counts = np.ones((), int)
        for axis in window.pooled.values():
            counts = np.multiply.outer(counts, axis.element_counts(include_padding))
        found = [
            cells if include_padding else len(elements)
            for elements, cells in reference.windows(shape, *arguments, **options)
        ]
        assert counts.size in (1, len(found)) or len(window.pooled) < len(arguments[0])
        if len(window.pooled) == len(arguments[0]):
            assert counts.ravel().tolist() == found


@settings(max_examples=25, deadline=None, derandomize=True)
@given(geometries())
def test_any_geometry_has_transposed_derivatives(geometry):
    shape, arguments, options = geometry
    try:
        pool_shape = jaxpool.output_shape(shape, *arguments, **options)
    except ValueError:
        return
    inputs = np.random.RandomState(0).randint(-3, 4, shape).astype(np.float32)
    tangent = np.random.RandomState(1).randn(*shape).astype(np.float32)
    for pool in (jaxpool.max_pool, jaxpool.sum_pool):
        cotangent = np.random.RandomState(2).randn(*pool_shape).astype(np.float32)

        def both(inputs, tangent, cotangent, pool=pool):
            bound = functools.partial(pool, **options)
            _, pushed = jax.jvp(lambda x: bound(x, *arguments), (inputs,), (tangent,))
            return pushed, jax.vjp(lambda x: bound(x, *arguments), inputs)[1](cotangent)[0]

        pushed, pulled = interpret(both, inputs, tangent, cotangent)
        np.testing.assert_allclose(np.vdot(pushed, cotangent), np.vdot(tangent, pulled), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize(
    "options", [{}, {"pseudo_random": True}, {"pseudo_random": True, "overlapping": True}]
)
def test_fractional_windows_are_as_large_and_share_as_many_cells_as_is_said(options, seed):
    """What the lowerings go by: fewer than there are would be wrong, more a waste."""
    random = np.random.RandomState(seed)
    length = random.randint(4, 40)
    size = random.randint(1, length // 2) if not options else None
    count = random.randint(1, length - (size or 1) + 2)
    window_shape = (size,) if size else None
    settings = {"pseudo_random": False, "overlapping": False} | options
    windows = fractional_window((length, 200), window_shape, (count,), -1, **settings)
    samples = np.linspace(0, 1, 200, endpoint=False, dtype=np.float32).reshape(1, 200, 1)
    starts, stops = interpret(lambda x: windows.drawn(x).places, samples)
    cells = np.arange(length).reshape(-1, 1, 1)
    shared = np.max(np.sum((starts <= cells) & (cells < stops), 1))
    bins = windows.window.axes[0]
    assert starts.min() >= 0
    assert stops.max() <= length
    assert np.min(stops - starts) >= 1
    spare = 0  # for what rounding may do to windows that would all be alike
    if size:
        assert np.ptp(stops - starts) == 0
        spare = count > 1 and size * (count - 1) % (length - size) == 0
        assert shared <= bins.cover <= shared + spare
    else:
        assert bins.cover == shared
        spare = length % count == 0
    largest = np.max(stops - starts)
    assert largest <= bins.size <= largest + spare


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_windows_around_cover_every_cell_alike_and_are_no_more_than_that_takes(data):
    size, stride, dilation = (data.draw(st.integers(1, 4)) for _ in range(3))
    extent = (size - 1) * dilation + 1
    low, high = (data.draw(st.integers(0, extent + 1)) for _ in range(2))
    length = max(1, extent - low - high) + data.draw(st.integers(0, 6))
    axis = Axis(length, size, stride, dilation, low, high)
    wider, (before, after) = axis.with_windows_around()
    assert (wider.length, wider.windows) == (axis.length, axis.windows + before + after)

    def lacking(first, last):
        """Whether a cell has a tap whose window is none of these, which are numbered as those of the axis."""
        numerators = np.arange(axis.length)[:, None] + low - np.arange(size) * dilation
        windows, rest = np.divmod(numerators, stride)
        return bool(((windows < first) | (windows > last))[rest == 0].any())

    last = axis.windows - 1 + after
    assert not lacking(-before, last)
    if dilation == 1 and length >= size:
        spare = int(stride > 1)  # of a stride of cells, those that would need it may not be there
        assert before <= spare or lacking(1 + spare - before, last)
        assert after <= spare or lacking(-before, last - 1 - spare)
