"""Pools that stream, and sequences in chunks."""

import functools

import jax.numpy as jnp
import numpy as np

import jaxpool
from tests.cases import distinct
from tests.functions import mask_of

SELECTIONS = {
    "max_pool": {},
    "min_pool": {},
    "median_pool": {},
    "quantile_pool": {"q": 0.3},
    "morphology.dilate": {},
    "morphology.erode": {},
}
SUMS = {
    "sum_pool": {},
    "avg_pool": {},
    "avg_pool elements": {"count_include_pad": False},
    "avg_pool third": {"divisor_override": 3},
    "lp_pool": {"p": 3},
    "lp_pool largest": {"p": np.inf},
    "logsumexp_pool": {"mean": True, "temperature": 0.3},
    "soft_pool": {"temperature": 0.7},
    "var_pool": {},
    "std_pool": {"correction": 1},
    "stochastic_pool": {"key": None, "deterministic": True},
    "gem_pool": {"p": np.float32([2, 3])},
    "subsample_pool": {"coefficient": 0.5, "bias": np.float32([1, -1]), "activation": True},
    "mixed_pool": {"alpha": 0.3},
    "gated_pool": {},
    "detail_preserving_pool": {"alpha": 0.5, "lam": 0.7, "symmetric": True},
}
WINDOWED = SELECTIONS | SUMS
GLOBAL = {
    "global_max_pool": {},
    "global_min_pool": {},
    "global_sum_pool": {},
    "global_avg_pool": {},
    "global_lp_pool": {},
    "global_lp_pool cubes": {"p": 3},
    "global_lp_pool largest": {"p": np.inf},
    "global_logsumexp_pool": {},
    "global_logsumexp_pool mean": {"temperature": 0.3, "mean": True},
    "global_soft_pool": {"temperature": 0.7},
    "global_var_pool": {"correction": 1},
    "global_std_pool": {},
    "statistics_pool": {},
}


def function_of(name):
    return functools.reduce(getattr, name.partition(" ")[0].split("."), jaxpool)


def arguments_of(name, size, stride=1, dilation=1):
    """Of a windowed pool."""
    arguments = {"strides": (stride,), "window_dilation": (dilation,), **WINDOWED[name]}
    if name.startswith("morphology"):
        return arguments | {"kernel": mask_of((size,))}
    if name == "gated_pool":
        arguments["gate"] = np.linspace(-1, 2, size).astype(np.float32)
    return arguments | {"window_shape": (size,)}


def in_chunks(lengths, x, time=-2):
    return jnp.split(x, np.cumsum(lengths)[:-1].tolist(), time)


def chunk_by_chunk(stream, lengths, x, batch=(), channels=2, time=-2):
    """The outputs side by side: of windows in their order, of running pools after each chunk."""
    state, outputs = stream.init(batch, channels, x.dtype), []
    for chunk in in_chunks(lengths, x, time):
        output, state = stream.step(state, chunk)
        outputs.append(output)
    return jnp.stack(outputs) if hasattr(stream, "merge") else jnp.concatenate(outputs, time)


def of_whole(name, arguments, x):
    return function_of(name)(inputs=x, padding="CAUSAL", **arguments)


def with_specials(length):
    """Ties, infinities, a NaN, and elements of the lowest value before any other."""
    x = np.round(distinct((length, 2), np.float32) * 2)
    x[0, 0], x[length // 2, 0], x[-1, 0], x[length // 3, 1] = -np.inf, np.nan, np.inf, -np.inf
    return x
