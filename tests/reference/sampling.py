"""Blurred and polyphase sampling, and the attention of one query, cell by cell."""

import math

import numpy as np

from tests.reference.arrays import averaged, rounded
from tests.reference.windows import max_pool


def blur_pool(
    inputs, filter_size=3, strides=(2, 2), padding="REFLECT", *, channel_axis=-1, where=None, dtype=None
):
    """A product of binomial filters around every so manieth cell, of those that `where` leaves."""
    if where is not None:
        where = np.broadcast_to(where, np.shape(inputs))
        arguments = filter_size, strides, padding
        blurred = blur_pool(np.where(where, inputs, 0), *arguments, channel_axis=channel_axis, dtype=dtype)
        missing = blur_pool((~where).astype(float), *arguments, channel_axis=channel_axis)
        return np.where(missing < 1, blurred / np.maximum(1 - missing, 1e-9), 0).astype(blurred.dtype)
    inputs, dtype = averaged(inputs, dtype)
    channels_last = inputs if channel_axis is None else np.moveaxis(inputs, channel_axis, -1)
    array = channels_last[..., None] if channel_axis is None else channels_last
    rank = len(strides)
    first = array.ndim - 1 - rank
    lengths = array.shape[first:-1]
    outputs = [-(-length // stride) for length, stride in zip(lengths, strides, strict=True)]
    result = np.zeros((*array.shape[:first], *outputs, array.shape[-1]), array.dtype)
    for place in np.ndindex(*outputs):
        for tap in np.ndindex(*[filter_size] * rank):
            cell = [o * s + t - (filter_size - 1) // 2 for o, s, t in zip(place, strides, tap, strict=True)]
            cell = [outside(c, n, padding) for c, n in zip(cell, lengths, strict=True)]
            weight = math.prod(math.comb(filter_size - 1, t) / 2 ** (filter_size - 1) for t in tap)
            if None not in cell:
                behind = (slice(None),) * first
                result[(*behind, *place)] += weight * array[(*behind, *cell)]
    result = result[..., 0] if channel_axis is None else np.moveaxis(result, -1, channel_axis)
    return result.astype(dtype)


def outside(cell, length, padding):
    """Which cell stands for one that may lie outside; `None` for none."""
    if 0 <= cell < length:
        return cell
    if padding == "ZERO":
        return None
    if padding == "EDGE":
        return 0 if cell < 0 else length - 1
    if padding == "WRAP":
        return cell % length
    return -cell if cell < 0 else 2 * (length - 1) - cell


def max_blur_pool(
    inputs,
    window_shape,
    strides,
    padding,
    *,
    filter_size=3,
    blur_padding="REFLECT",
    channel_axis=-1,
    where=None,
    **options,
):
    options |= {"channel_axis": channel_axis}
    maxima = max_pool(inputs, window_shape, None, padding, where=where, **options)[0]
    if where is not None:
        inside = np.broadcast_to(where, np.shape(inputs))
        where = max_pool(inside, window_shape, None, padding, **options)[0]
    return blur_pool(maxima, filter_size, strides, blur_padding, channel_axis=channel_axis, where=where)


def polyphase_pool(inputs, strides, *, p=2.0, channel_axis=-1):
    """Of each image, the first of the components with the largest norm."""
    inputs = np.asarray(inputs)
    array = inputs[..., None] if channel_axis is None else np.moveaxis(inputs, channel_axis, -1)
    rank = len(strides)
    first = array.ndim - 1 - rank
    lengths = [n // s for n, s in zip(array.shape[first:-1], strides, strict=True)]
    result = np.zeros((*array.shape[:first], *lengths, array.shape[-1]), array.dtype)
    for image in np.ndindex(*array.shape[:first]):
        components = [
            array[image][tuple(slice(r, None, s) for r, s in zip(phase, strides, strict=True))]
            for phase in np.ndindex(*strides)
        ]
        norms = [np.linalg.norm(component.astype(np.float64).ravel(), p) for component in components]
        result[image] = components[int(np.argmax(norms))]
    return result[..., 0] if channel_axis is None else np.moveaxis(result, -1, channel_axis)


def rotary_attention_pool(
    inputs,
    query,
    query_kernel,
    key_kernel,
    value_kernel,
    out_kernel,
    query_bias=0.0,
    key_bias=0.0,
    value_bias=0.0,
    out_bias=0.0,
    *,
    reference_shape=None,
    temperature=10000.0,
    where=None,
    dtype=None,
):
    """Of `(batch, *spatial, channels)`: keys whose pairs are complex numbers, times unit numbers."""
    inputs, dtype = averaged(inputs, dtype)
    spatial, (heads, size) = inputs.shape[1:-1], query_kernel.shape[1:]
    pairs = size // (2 * len(spatial))
    biases = [np.broadcast_to(bias, (heads, size)) for bias in (query_bias, key_bias, value_bias)]
    masks = np.broadcast_to(True if where is None else where, (*inputs.shape[:-1], 1))
    results = []
    for image, mask in zip(inputs, masks, strict=True):
        places = [place for place in np.ndindex(*spatial) if mask[place][0]]
        rows = [image[place] for place in places]
        mean = np.mean(rows, 0) if rows else np.zeros(image.shape[-1])
        asked = mean if query is None else query.astype(np.float64)
        result = np.zeros(out_kernel.shape[-1]) + out_bias
        for head in range(heads):
            looking = asked @ query_kernel[:, head] + biases[0][head]
            logits = [looking @ (asked @ key_kernel[:, head] + biases[1][head]) / np.sqrt(size)]
            for place, row in zip(places, rows, strict=True):
                key = row @ key_kernel[:, head] + biases[1][head]
                turns = []
                for p, length, d in zip(place, spatial, range(len(spatial)), strict=True):
                    stretch = 1 if reference_shape is None else reference_shape[d] / length
                    turns += [np.exp(1j * p * stretch * temperature ** (-j / pairs)) for j in range(pairs)]
                turned = (key[::2] + 1j * key[1::2]) * turns
                logits.append(np.real(np.conj(looking[::2] + 1j * looking[1::2]) @ turned) / np.sqrt(size))
            weights = np.exp(np.array(logits) - max(logits))
            average = weights / weights.sum() @ np.array([asked, *rows])
            result = result + (average @ value_kernel[:, head] + biases[2][head]) @ out_kernel[head]
        results.append(result)
    return rounded(np.stack(results), dtype)


def attention_pool(
    inputs,
    query,
    query_kernel,
    key_kernel,
    value_kernel,
    out_kernel,
    query_bias=0.0,
    value_bias=0.0,
    out_bias=0.0,
    positions=0.0,
    where=None,
):
    """Of `(batch, *spatial, channels)`: every token projected to a key and a value, head after head."""
    results = []
    for number, image in enumerate(np.asarray(inputs, np.float64)):
        tokens = image.reshape(-1, image.shape[-1])
        valid = np.ones(len(tokens), bool) if where is None else np.asarray(where)[number].ravel()
        if query is None:
            tokens = np.concatenate([tokens[valid].mean(0, keepdims=True), tokens])
            valid = np.concatenate([[True], valid])
        tokens = tokens + positions
        asked = tokens[0] if query is None else query
        result = np.zeros(out_kernel.shape[-1]) + out_bias
        for head in range(query_kernel.shape[1]):
            looking = (
                asked @ query_kernel[:, head] + np.broadcast_to(query_bias, query_kernel.shape[1:])[head]
            )
            keys = tokens @ key_kernel[:, head]
            values = tokens @ value_kernel[:, head]
            values = values + np.broadcast_to(value_bias, query_kernel.shape[1:])[head]
            logits = keys @ looking / np.sqrt(len(looking))
            weights = np.where(valid, np.exp(logits - logits[valid].max()), 0)
            result = result + (weights / weights.sum()) @ values @ out_kernel[head]
        results.append(result)
    return np.stack(results)
