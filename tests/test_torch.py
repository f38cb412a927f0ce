"""Values, indices and gradients agree with PyTorch's, on a grid of arguments for each family of pools."""

import contextlib
import functools
import itertools
import math

import jax
import numpy as np
import pytest

import jaxpool
from tests.torch_grids import (
    BATCHES,
    BLOCK_PADDING,
    BLOCKS,
    EITHER,
    FAMILIES,
    LEAST,
    LINE_PADDING,
    LINES,
    PLANE_PADDING,
    PLANES,
    channels_last,
    compare,
    compiled,
    distinct_numbers,
    family,
    grid,
    torch_function,
    with_and_without_ties,
)

torch = pytest.importorskip("torch", reason="PyTorch is not installed, which these tests compare with")


# ----------------------------------------------------------------------------------- windowed families

MAX = {"ceil_mode": EITHER, "return_indices": EITHER}


@family(
    grid(
        **LINES | {"spatial": [(4,), (7,), (10,)]}, padding=LINE_PADDING, dilation=[(1,), (2,), (3,)], **MAX
    ),
    grid(**PLANES, padding=PLANE_PADDING, dilation=[(1, 1), (2, 1)], **MAX),
    grid(**BLOCKS, padding=BLOCK_PADDING, dilation=[(1, 1, 1), (1, 1, 2)], **MAX),
)
def check_max(dtype, spatial, window, strides, padding, dilation, **options):
    ours = compiled(jaxpool.max_pool, window, strides, padding, window_dilation=dilation, **options)

    def theirs(x):
        return torch_function("max_pool", spatial)(x, window, strides, padding, dilation, **options)

    compare(with_and_without_ties(spatial, dtype), ours, theirs)


AVG = {"ceil_mode": EITHER, "count_include_pad": EITHER}


@family(
    grid(**LINES, padding=LINE_PADDING, **AVG),
    grid(**PLANES, padding=PLANE_PADDING, **AVG, divisor_override=[None, 1, 3, 5]),
    grid(**BLOCKS, padding=BLOCK_PADDING, **AVG, divisor_override=[None, 1, 3, 5]),
)
def check_avg(dtype, spatial, window, strides, padding, **options):
    def theirs(x):
        return torch_function("avg_pool", spatial)(x, window, strides, padding, **options)

    ours = compiled(jaxpool.avg_pool, window, strides, padding, **options)
    compare(with_and_without_ties(spatial, dtype), ours, theirs)


LP = {"ceil_mode": EITHER, "p": [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 7.5, math.inf]}


@family(
    grid(**LINES, **LP),
    grid(**PLANES | {"window": [(2, 2), (2, 3)]}, **LP),
    grid(**BLOCKS | {"strides": [(1, 2, 2)]}, **LP),
)
def check_lp(dtype, spatial, window, strides, ceil_mode, p):
    def theirs(x):
        size = window if len(spatial) > 1 else window[0]  # lp_pool1d takes no tuple
        norm = torch_function("lp_pool", spatial)(x, p, size, strides, ceil_mode)
        # Where a window overhangs the end, PyTorch scales its sum up to that of a whole window.
        positions, outputs = _elements(spatial, window, strides, ceil_mode=ceil_mode)
        share = (positions >= 0).to(x.dtype).mean(-1).reshape(outputs)
        return norm * share ** (1 / p)

    inputs = with_and_without_ties(spatial, dtype)
    if p % 2:  # PyTorch takes powers of the elements themselves, not of their magnitudes
        inputs = abs(inputs)
    ours = compiled(jaxpool.lp_pool, window, strides, ceil_mode=ceil_mode, p=p)
    compare(inputs, ours, theirs)


# ------------------------------------------------------------------- what PyTorch lacks, through unfold


def _elements(spatial, window, strides, padding=None, dilation=None, ceil_mode=False):
    """The flat positions of each window's cells, -1 in padding, and the shape of the result."""
    n = len(spatial)
    padding, dilation = padding or (0,) * n, dilation or (1,) * n
    positions = torch.arange(math.prod(spatial)).reshape(spatial)
    for axis in range(n):
        pad, stride = padding[axis], strides[axis]
        pads = (pad, pad + (stride - 1 if ceil_mode else 0))
        padded = torch.nn.functional.pad(positions.movedim(axis, -1), pads, value=-1).movedim(-1, axis)
        extent = (window[axis] - 1) * dilation[axis] + 1
        positions = padded.unfold(axis, extent, stride)[..., :: dilation[axis]]
        starts_inside = -(-(spatial[axis] + pad) // stride)
        positions = positions.narrow(axis, 0, min(positions.shape[axis], starts_inside))
    return positions.reshape(-1, math.prod(window)), positions.shape[:n]


def _logsumexp(elements, temperature, mean=False):
    count = elements.shape[-1] if mean else 1
    return temperature * (torch.logsumexp(elements / temperature, -1) - math.log(count))


def _soft(elements, temperature):
    return torch.sum(torch.softmax(elements / temperature, -1) * elements, -1)


# Each function and its options, PyTorch's of a window's elements, and how many elements that needs.
UNFOLDED = [
    *(
        ("logsumexp_pool", options, functools.partial(_logsumexp, **options), 1)
        for options in grid(temperature=[0.5, 2.0], mean=EITHER)
    ),
    *(
        ("soft_pool", options, functools.partial(_soft, **options), 1)
        for options in grid(temperature=[0.5, 2.0])
    ),
    # torch.median takes the lower of the two elements in the middle.
    ("median_pool", {}, lambda elements: torch.quantile(elements, 0.5, -1), 1),
    ("quantile_pool", {"q": 0.3}, lambda elements: torch.quantile(elements, 0.3, -1), 1),
    ("quantile_pool", {"q": 0.8}, lambda elements: torch.quantile(elements, 0.8, -1), 1),
    ("quantile_pool", {"q": 1.0}, lambda elements: torch.quantile(elements, 1.0, -1), 1),
    ("var_pool", {}, lambda elements: torch.var(elements, -1, correction=0), 1),
    ("var_pool", {"correction": 1}, lambda elements: torch.var(elements, -1, correction=1), 2),
    # The gradient of PyTorch's deviation of a single element is NaN; ours is 0.
    ("std_pool", {}, lambda elements: torch.std(elements, -1, correction=0), 2),
    ("std_pool", {"correction": 1}, lambda elements: torch.std(elements, -1, correction=1), 2),
    ("lp_pool", {"p": 3.0}, lambda elements: torch.linalg.vector_norm(elements, 3, -1), 1),
    ("lp_pool", {"p": math.inf}, lambda elements: torch.linalg.vector_norm(elements, math.inf, -1), 1),
    ("min_pool", {}, lambda elements: torch.amin(elements, -1), 1),
    ("sum_pool", {}, lambda elements: torch.sum(elements, -1), 1),
]


def _unfolded(spatial, paddings, dilations, windows, strides):
    """Combinations with each of the functions, for which no window has too few elements."""
    geometries = grid(
        spatial=[spatial],
        window=windows,
        strides=strides,
        padding=paddings,
        dilation=dilations,
        ceil_mode=EITHER,
    )
    fewest = [int((_elements(**geometry)[0] >= 0).sum(-1).min()) for geometry in geometries]
    return [
        {**geometry, "name": name, "options": options, "function": function}
        for name, options, function, least in UNFOLDED
        for geometry, count in zip(geometries, fewest, strict=True)
        if count >= least
    ]


@family(
    _unfolded((8,), [(0,), (1,)], [(1,), (2,)], [(2,), (3,)], [(1,), (2,), (3,)]),
    _unfolded((5, 6), [(0, 0), (1, 0)], [(2, 1)], [(2, 2), (3, 2)], [(2, 3)]),
    _unfolded((3, 4, 4), [(0, 0, 0), (1, 0, 1)], [(1, 1, 2)], [(2, 1, 2)], [(2, 2, 3)]),
)
def check_unfold(dtype, name, options, function, **geometry):
    positions, outputs = _elements(**geometry)

    def theirs(x):
        cells = x.flatten(2)
        pooled = [function(cells[..., window[window >= 0]]) for window in positions]
        return torch.stack(pooled, -1).unflatten(-1, outputs)

    shared = {"window_dilation": geometry["dilation"], "ceil_mode": geometry["ceil_mode"]}
    arguments = (geometry["window"], geometry["strides"], geometry["padding"])
    ours = compiled(getattr(jaxpool, name), *arguments, **shared, **options)
    compare(distinct_numbers((2, 2, *geometry["spatial"]), dtype), ours, theirs)


# ------------------------------------------------------------------------- unpooling and other windows


@family(
    grid(**LINES, padding=LINE_PADDING, kind=["pooled", "distinct", "any"], seed=range(3)),
    grid(**PLANES, padding=PLANE_PADDING, kind=["pooled", "distinct", "any"], seed=range(3)),
    grid(**BLOCKS, padding=BLOCK_PADDING, kind=["pooled", "distinct", "any"], seed=range(3)),
)
def check_max_unpool(dtype, spatial, window, strides, padding, kind, seed):
    """With the indices of a maximum, others of which no two are the same, or any."""
    randomness = np.random.RandomState(seed)
    pooled = torch.tensor(randomness.randn(2, 2, *spatial).astype(dtype))
    values, indices = torch_function("max_pool", spatial)(
        pooled, window, strides, padding, return_indices=True
    )
    cells, windows = math.prod(spatial), math.prod(values.shape[2:])
    if kind != "pooled":
        rows = [randomness.choice(cells, windows, kind == "any" or windows > cells) for _ in range(4)]
        indices = torch.tensor(np.stack(rows)).reshape(values.shape)

    def unpool(x):
        return torch_function("max_unpool", spatial)(x, indices, window, strides, padding, spatial)

    order = torch.arange(values.numel(), dtype=values.dtype).reshape(values.shape)
    last = unpool(order).flatten(2).gather(2, indices.flatten(2)).reshape(order.shape) == order

    def theirs(x):
        # PyTorch's gradient goes to every window of a position, ours to the last, whose value it has.
        return unpool(torch.where(last, x, x.detach()))

    ours = compiled(jaxpool.max_unpool, spatial)
    compare(
        distinct_numbers(values.shape, dtype, seed),
        ours,
        theirs,
        channels_last(indices.numpy()).astype(np.int32),
    )


def _adaptive(spatial, outputs, **values):
    return grid(spatial=spatial, output=list(itertools.product(outputs, repeat=len(spatial[0]))), **values)


@family(
    _adaptive([(n,) for n in range(1, 19)], range(1, 19)),
    _adaptive([(5, 6), (4, 7), (1, 3), (6, 2), (7, 7), (3, 8)], [None, 1, 2, 3, 4, 5, 7]),
    _adaptive([(3, 4, 5), (2, 5, 3), (1, 4, 2), (6, 2, 3), (4, 4, 4), (3, 3, 2)], [None, 1, 2, 5]),
)
def check_adaptive_avg(dtype, spatial, output):
    def theirs(x):
        return torch_function("adaptive_avg_pool", spatial)(x, output)

    compare(with_and_without_ties(spatial, dtype), compiled(jaxpool.adaptive_avg_pool, output), theirs)


@family(
    _adaptive([(n,) for n in range(1, 20)], range(1, 20), return_indices=EITHER),
    _adaptive([(5, 6), (4, 7), (1, 3)], [None, 1, 2, 3, 4, 7], return_indices=EITHER),
    _adaptive([(3, 4, 5), (1, 4, 2)], [None, 2, 5], return_indices=EITHER),
)
def check_adaptive_max(dtype, spatial, output, return_indices):
    ours = compiled(jaxpool.adaptive_max_pool, output, return_indices=return_indices)

    def theirs(x):
        return torch_function("adaptive_max_pool", spatial)(x, output, return_indices)

    compare(with_and_without_ties(spatial, dtype), ours, theirs)


def _fractional(spatial, window, output, spare=0):
    """Combinations with several samples, where windows fit an axis and leave so many cells to spare."""
    samples = ["lowest", "highest", *range(9)]
    combinations = grid(spatial=spatial, window=window, output=output, return_indices=EITHER, samples=samples)
    lasts = [np.subtract(c["spatial"], np.add(c["window"], c["output"]) - 1) for c in combinations]
    return [c for c, last in zip(combinations, lasts, strict=True) if min(last) >= spare]


def _fractional_max_pool(inputs, samples, *arguments, **options):
    return jaxpool.fractional_max_pool(None, inputs, *arguments, random_samples=samples, **options)


@family(
    _fractional([(6, 7), (9, 5)], [(1, 2), (2, 2), (3, 2)], [(1, 1), (2, 3), (3, 4), (4, 2), (4, 4)]),
    _fractional(
        [(5, 6, 5), (4, 5, 7)],
        [(2, 2, 2), (1, 2, 3), (2, 3, 1)],
        [(1, 1, 1), (1, 2, 1), (2, 2, 1), (2, 2, 4)],
        spare=1,  # PyTorch's 3d wants one more cell than its 2d
    ),
)
def check_fractional_max(dtype, spatial, window, output, return_indices, samples):
    shape = (2, 2, len(spatial))
    constant = {"lowest": 0.0, "highest": np.nextafter(dtype.type(1), dtype.type(0))}
    if samples in constant:
        uniform = np.full(shape, constant[samples], dtype)
    else:
        uniform = np.random.RandomState(samples).rand(*shape).astype(dtype)
    # PyTorch's samples have the width first in two dimensions, but the depth first, as ours do, in three.
    drawn = torch.tensor(uniform[..., ::-1].copy() if len(spatial) == 2 else uniform)

    def theirs(x):
        pool = torch_function("fractional_max_pool", spatial)
        return pool(x, window, output, return_indices=return_indices, _random_samples=drawn)

    ours = compiled(_fractional_max_pool, window, output, return_indices=return_indices)
    compare(with_and_without_ties(spatial, dtype), ours, theirs, uniform)


# ------------------------------------------------------------------------------------------ whole axes


def _global_logsumexp(x, dim, keepdim, temperature, mean):
    count = math.prod(x.shape[axis] for axis in dim) if mean else 1
    return temperature * (torch.logsumexp(x / temperature, dim, keepdim) - math.log(count))


def _global_lp(x, dim, keepdim, p):
    return torch.linalg.vector_norm(x, p, dim, keepdim)


GLOBAL = {
    "avg": (torch.mean, [{}]),
    "sum": (torch.sum, [{}]),
    "max": (torch.amax, [{}]),
    "min": (torch.amin, [{}]),
    "lp": (_global_lp, grid(p=[1.0, 1.5, 2.0, 3.0, math.inf])),
    "logsumexp": (_global_logsumexp, grid(temperature=[0.5, 1.0, 2.0], mean=EITHER)),
}


def _whole(shape, most):
    """Combinations with each axis, up to so many axes, and none, which is all but the first and the last."""
    ndim = len(shape)
    several = [itertools.combinations(range(ndim), n) for n in range(1, most + 1)]
    axes = [None, *range(-ndim, 0), *itertools.chain(*several)]
    return [
        c
        for name, (_, options) in GLOBAL.items()
        for c in grid(shape=[shape], name=[name], options=options, axis=axes, keepdims=EITHER)
    ]


@family(_whole((2, 5, 3), 3), _whole((2, 4, 3, 3), 4), _whole((2, 1, 3, 2, 2), 0))
def check_global(dtype, shape, name, options, axis, keepdims):
    dim = tuple(range(1, len(shape) - 1)) if axis is None else tuple(np.atleast_1d(axis).tolist())
    ours = compiled(getattr(jaxpool, f"global_{name}_pool"), axis, keepdims=keepdims, **options)

    def theirs(x):
        return GLOBAL[name][0](x, dim, keepdim=keepdims, **options)

    compare(distinct_numbers(shape, dtype), ours, theirs, layout=np.asarray)


# ------------------------------------------------------------------------------------------- the tests


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    if request.param == "float64":
        request.getfixturevalue("x64")
    return np.dtype(request.param)


@pytest.fixture(autouse=True)
def one_thread():
    """PyTorch writes the duplicates of an unpooling in no order with several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def no_caches_left():
    """A batch compiles as many programs as a file of other tests."""
    yield
    jax.clear_caches()


@contextlib.contextmanager
def _named(combination):
    """Adds the combination to the report of a failure."""
    try:
        yield
    except Exception as error:
        error.add_note(f"with {combination}")
        raise


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_at_least_a_thousand_combinations(family):
    batches = [family.batch(number) for number in range(BATCHES)]
    assert sum(map(len, batches)) == len({str(c) for batch in batches for c in batch}) >= LEAST


@pytest.mark.parametrize("number", range(BATCHES))
@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_agrees_with_torch(family, number, dtype):
    for combination in family.batch(number):
        with _named(combination):
            family.check(dtype, **combination)
