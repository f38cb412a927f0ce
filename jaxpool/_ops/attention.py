"""Averages with weights of their own: local importance in windows, attention over everything."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import SupportsIndex

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._elsewhere import public
from jaxpool._ops._arrays import as_bool, as_broadcastable, as_mask, as_real, masked
from jaxpool._ops._smooth import softmax_average
from jaxpool._ops._tokens import as_token_mask, flat_tokens, token_axes
from jaxpool._precision import accumulation_dtype
from jaxpool._shards import on_each_device, refuse_layout
from jaxpool._window import Padding, Window, make_window


@public
def lip_pool(
    inputs: ArrayLike,
    logits: ArrayLike,
    window_shape: Sequence[SupportsIndex],
    strides: Sequence[SupportsIndex] | None = None,
    padding: Padding = "VALID",
    *,
    window_dilation: Sequence[SupportsIndex] | None = None,
    ceil_mode: bool = False,
    channel_axis: int | None = -1,
    where: ArrayLike | None = None,
) -> Array:
    r"""Pools by averaging each window with importances that a network computes beside the inputs.

    With the elements $x_1, \dots, x_n$ of a window and their logits $g_1, \dots, g_n$,

    $$ y = \frac{\sum_i e^{g_i} x_i}{\sum_i e^{g_i}}, \qquad
       \frac{\partial y}{\partial x_j} = w_j, \quad \frac{\partial y}{\partial g_j} = w_j (x_j - y), \quad
       w_j = \frac{e^{g_j}}{\sum_i e^{g_i}}. $$

    Equal logits make it the average, and logits of `x / temperature` make it `soft_pool`.

    - Stabilised by the largest logit of each window: nothing overflows.
    - A logit of -inf takes its element out; a window of nothing else gives 0. A NaN in either makes its
      window NaN, and so does a logit of inf.
    - Padding, and what `where` masks, is no element: a window of nothing else gives 0 and no gradient.
    - float16 and bfloat16 are computed in float32, forward and backward, and rounded once.

    Args:
      inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
        integer or bool dtype.
      logits: logarithms of importances, an array of real dtype that broadcasts to `inputs`, such as one with
        a single channel.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
        no element, and without harm if it is NaN.

    Returns:
      The weighted averages, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
      bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape, length or sign, or a window fits nowhere.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([1.0, 3.0, 0.0, 8.0])[:, None]
      >>> logits = jnp.log(jnp.array([1.0, 1.0, 3.0, 1.0]))[:, None]
      >>> jaxpool.lip_pool(x, logits, (2,), (2,))[:, 0]
      Array([2., 2.], dtype=float32)

    References:
      Gao, Wang and Wu, "LIP: Local Importance-based Pooling", 2019.
    """
    array, importances = as_real("inputs", inputs), as_real("logits", logits)
    window = make_window(
        array.shape,
        window_shape,
        strides,
        padding,
        window_dilation=window_dilation,
        ceil_mode=ceil_mode,
        channel_axis=channel_axis,
    )
    importances = as_broadcastable("logits", importances, array.shape)
    return on_each_device(_lip, array, window, importances, as_mask(where, array.shape))


@public
def attention_pool(
    inputs: ArrayLike,
    query: ArrayLike | None,
    query_kernel: ArrayLike,
    key_kernel: ArrayLike,
    value_kernel: ArrayLike,
    out_kernel: ArrayLike,
    query_bias: ArrayLike | None = None,
    value_bias: ArrayLike | None = None,
    out_bias: ArrayLike | None = None,
    positions: ArrayLike | None = None,
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
    *,
    where: ArrayLike | None = None,
    keepdims: bool = False,
) -> Array:
    r"""Pools by multi-head attention of a query, or several, to everything along some axes.

    Along these axes are the tokens $x_1, \dots, x_n$, of the length of the last axis. With the query $q$ and
    heads $h$ of size $d$,

    $$ y = b_o + \sum_h W_o^h \Big( b_v^h + W_v^h \sum_i w_i^h x_i \Big), \qquad
       w^h = \operatorname{softmax}_i \Big( \tfrac{1}{\sqrt d} (W_q^h q + b_q^h)^\top W_k^h x_i \Big). $$

    Where `query` is `None` it is the mean of the tokens, which is a token too, the first, as in CLIP.
    Several queries have a result each: the seeds of a Set Transformer, or latents. `positions` are added to
    the tokens.

    Tokens are averaged before they are projected, and the query is projected twice in place of all keys, so
    that each token costs heads times channels and not channels squared. There is no bias of the keys: it
    would add the same to all logits of a head and change nothing.

    - Stabilised by each head's largest logit. A NaN makes the result NaN.
    - Where no token takes part, their average counts as 0.
    - float16 and bfloat16 have logits, weights and averages in float32, and the result is rounded once.

    Args:
      inputs: an array of real, integer or bool dtype, with channels along its last axis.
      query: an array of shape `(channels,)`, or `(queries, channels)` for several, or `None` for the mean of
        the tokens.
      query_kernel: an array of shape `(channels, heads, size)`, as the next two.
      key_kernel: what tokens are projected to keys with.
      value_kernel: what they are projected to values with.
      out_kernel: an array of shape `(heads, size, features)`.
      query_bias: an array of shape `(heads, size)`, or `None` for none.
      value_bias: an array of shape `(heads, size)`, or `None` for none.
      out_bias: an array of shape `(features,)`, or `None` for none.
      positions: an array of shape `(tokens, channels)`, with one more token where `query` is `None`, or
        `None` for none. Tokens are in row-major order.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, features)`.
      where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
        no part, and is without harm if it is NaN.
      keepdims: whether the pooled axes stay, with length 1.

    Returns:
      An array of the inputs' dtype and of their shape without the pooled axes, with `features` along the
      last, and before them several queries; integers and bools promote as in `jnp.mean`.

    Raises:
      TypeError: an argument has the wrong type, or is complex.
      ValueError: an argument has the wrong shape, or `axis` names the last axis or one that is not there.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> x = jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 3.0]])[None]
      >>> eye = jnp.eye(2)[:, None]  # one head that projects nothing
      >>> strong = jnp.array([0.0, 100.0])  # looks for tokens with much in the second channel
      >>> jaxpool.attention_pool(x, strong, eye, eye, eye, eye.transpose(1, 0, 2))
      Array([[0., 3.]], dtype=float32)

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021, whose
      `AttentionPool2d` has the mean for its query. Lee et al., "Set Transformer", 2019, for learned ones; its
      pool goes on with a residual connection, a feed-forward layer and normalisations.
    """
    refuse_layout()
    array = as_real("inputs", inputs)
    pooled = token_axes(axis, array)
    parameters = {
        "query": query,
        "query_kernel": query_kernel,
        "key_kernel": key_kernel,
        "value_kernel": value_kernel,
        "out_kernel": out_kernel,
        "query_bias": query_bias,
        "value_bias": value_bias,
        "out_bias": out_bias,
        "positions": positions,
    }
    optional = ("query", "query_bias", "value_bias", "out_bias", "positions")
    arrays = {
        name: None if value is None and name in optional else as_real(name, value)
        for name, value in parameters.items()
    }
    check_shapes(arrays, array.shape[-1], math.prod(array.shape[d] for d in pooled))
    return _attend(array, as_token_mask(where, array), arrays, pooled, as_bool("keepdims", keepdims))


def check_shapes(arrays: Mapping[str, Array | None], channels: int, tokens: int = 0) -> None:
    """The parameters of an attention must fit tokens of so many channels; positions, so many tokens."""
    kernel, out = arrays["query_kernel"], arrays["out_kernel"]
    if kernel is None or kernel.ndim != 3:
        raise ValueError(f"query_kernel must have the shape (channels, heads, size), got {np.shape(kernel)}.")
    if out is None or out.ndim != 3:
        raise ValueError(f"out_kernel must have the shape (heads, size, features), got {np.shape(out)}.")
    head = kernel.shape[1:]
    query = arrays["query"]
    expected = {
        "query": (*np.shape(query)[:1], channels) if np.ndim(query) == 2 else (channels,),
        **dict.fromkeys(("query_kernel", "key_kernel", "value_kernel"), (channels, *head)),
        "out_kernel": (*head, out.shape[-1]),
        **dict.fromkeys(("query_bias", "key_bias", "value_bias"), head),
        "out_bias": out.shape[-1:],
        "positions": (tokens + (arrays["query"] is None), channels),
    }
    for name, array in arrays.items():
        if array is not None and array.shape != expected[name]:
            raise ValueError(f"{name} must have the shape {expected[name]}, got {array.shape}.")


@functools.partial(jax.jit, inline=True)
def _lip(inputs: Array, window: Window, logits: Array, mask: Array | None) -> Array:
    wide = masked(inputs, mask, 0).astype(accumulation_dtype(inputs.dtype))
    logits = masked(jnp.broadcast_to(logits.astype(wide.dtype), wide.shape), mask, -np.inf)
    return softmax_average(wide, logits, window).astype(inputs.dtype)


@functools.partial(jax.jit, static_argnums=(3, 4), inline=True)
def _attend(
    inputs: Array,
    mask: Array | None,
    parameters: Mapping[str, Array | None],
    pooled: tuple[int, ...],
    keepdims: bool,
) -> Array:
    dtype = accumulation_dtype(inputs.dtype)
    wide = {name: None if a is None else a.astype(dtype) for name, a in parameters.items()}
    tokens = flat_tokens(inputs.astype(dtype), pooled)
    valid = None if mask is None else flat_tokens(jnp.broadcast_to(mask, (*inputs.shape[:-1], 1)), pooled)
    if valid is not None:
        tokens = jnp.where(valid, tokens, lax.full_like(tokens, 0))
    query = wide["query"]
    if query is None:
        tokens, valid = behind(mean_of(tokens, valid), tokens, valid)
    if wide["positions"] is not None:
        tokens += jnp.broadcast_to(wide["positions"], tokens.shape)

    def attend(query: Array) -> Array:
        return project(_weigh(tokens, valid, query, wide), wide)

    if query is None:
        result = attend(tokens[..., 0, :])
    else:
        result = jax.vmap(attend, out_axes=-2)(query) if query.ndim == 2 else attend(query)
    result = result.astype(inputs.dtype)
    return jnp.expand_dims(result, pooled) if keepdims else result


def mean_of(tokens: Array, valid: Array | None) -> Array:
    """The mean of the tokens that take part, as one token."""
    if valid is None:
        return jnp.mean(tokens, -2, keepdims=True)
    count = jnp.maximum(jnp.sum(valid, -2, keepdims=True, dtype=tokens.dtype), 1)
    return jnp.sum(tokens, -2, keepdims=True) / count


def behind(first: Array, tokens: Array, valid: Array | None) -> tuple[Array, Array | None]:
    """The tokens behind another one, which always takes part."""
    first = jnp.broadcast_to(first, (*tokens.shape[:-2], 1, tokens.shape[-1]))
    tokens = jnp.concatenate([first, tokens], -2)
    return tokens, valid if valid is None else jnp.concatenate(
        [jnp.ones_like(first[..., :1], bool), valid], -2
    )


def _weigh(tokens: Array, valid: Array | None, query: Array, parameters: Mapping[str, Array | None]) -> Array:
    """The average of the tokens for each head: (..., heads, channels)."""
    looking = jnp.einsum("...c,chd->...hd", query, parameters["query_kernel"])
    if parameters["query_bias"] is not None:
        looking += jnp.broadcast_to(parameters["query_bias"], looking.shape)
    looking = jnp.einsum("...hd,chd->...hc", looking / math.sqrt(looking.shape[-1]), parameters["key_kernel"])
    looking = jnp.broadcast_to(looking, (*tokens.shape[:-2], *looking.shape[-2:]))
    logits = jnp.einsum("...hc,...nc->...nh", looking, tokens)
    return jnp.einsum("...nh,...nc->...hc", shares(logits, valid), tokens)


def shares(logits: Array, valid: Array | None) -> Array:
    """The weights of tokens, from their logits for each head: (..., tokens, heads)."""
    holds = None if valid is None else jnp.broadcast_to(valid, logits.shape)
    return masked(jax.nn.softmax(logits, -2, where=holds), holds, 0)


def project(averages: Array, parameters: Mapping[str, Array | None]) -> Array:
    values = jnp.einsum("...hc,chd->...hd", averages, parameters["value_kernel"])
    if parameters["value_bias"] is not None:
        values += jnp.broadcast_to(parameters["value_bias"], values.shape)
    result = jnp.einsum("...hd,hdo->...o", values, parameters["out_kernel"])
    if parameters["out_bias"] is not None:
        result += jnp.broadcast_to(parameters["out_bias"], result.shape)
    return result
