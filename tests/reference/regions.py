"""Regions, in loops over boxes, bins, samples and channels; images are (batch, height, width, channels)."""

import itertools
import math

import numpy as np


def _between(image, place):
    """Linear interpolation at a place; 0 further than a cell outside."""
    lengths = image.shape[:-1]
    if not all(-1 <= p <= n for p, n in zip(place, lengths, strict=True)):
        return np.zeros(image.shape[-1])
    corners = []
    for p, n in zip(place, lengths, strict=True):
        p = min(max(p, 0), n - 1)
        low = math.floor(p)
        corners.append([(low, 1 - (p - low))] + [(low + 1, p - low)] * (low + 1 < n))
    total = np.zeros(image.shape[-1])
    for chosen in itertools.product(*corners):
        total += math.prod(w for _, w in chosen) * image[tuple(cell for cell, _ in chosen)].astype(float)
    return total


def _boxes(inputs, boxes, box_indices):
    """The image and the place in the results of each box, with lows and highs in the order of the axes."""
    rank = boxes.shape[-1] // 2
    if box_indices is None:
        images = inputs.reshape(-1, *inputs.shape[inputs.ndim - rank - 1 :])
        for b, r in np.ndindex(len(images), boxes.shape[-2]):
            box = boxes.reshape(-1, *boxes.shape[-2:])[b, r]
            yield images[b], (b, r), box[:rank][::-1].astype(float), box[rank:][::-1].astype(float)
    else:
        for r, b in enumerate(box_indices):
            image = inputs[b] if 0 <= b < len(inputs) else np.zeros_like(inputs[0])
            yield image, (r,), boxes[r, :rank][::-1].astype(float), boxes[r, rank:][::-1].astype(float)


def _results(inputs, boxes, box_indices, output_shape, channels):
    rank = boxes.shape[-1] // 2
    batch = () if box_indices is not None else (math.prod(inputs.shape[: -rank - 1]),)
    shape = inputs.shape[: -rank - 1] if box_indices is None else ()
    results = np.zeros((*batch, boxes.shape[-2], *output_shape, channels))
    return results, (*shape, boxes.shape[-2], *output_shape, channels)


def roi_align(
    inputs,
    boxes,
    output_shape,
    box_indices=None,
    spatial_scale=1.0,
    sampling_ratio=2,
    aligned=True,
    reduction="avg",
    max_sampling_ratio=8,
):
    results, shape = _results(inputs, boxes, box_indices, output_shape, inputs.shape[-1])
    for image, where, low, high in _boxes(inputs, boxes, box_indices):
        low, high = low * spatial_scale, high * spatial_scale
        grid = (sampling_ratio, max_sampling_ratio)
        results[where] = _region(image, low, high, output_shape, *grid, aligned, reduction)
    return results.reshape(shape)


def _region(image, low, high, output_shape, ratio, most, aligned, reduction):
    result = np.zeros((*output_shape, image.shape[-1]))
    low, high = low - 0.5 * aligned, high - 0.5 * aligned
    extent = high - low if aligned else np.maximum(high - low, 1)
    if np.isnan(extent).any():
        return result
    sizes = extent / output_shape
    counts = [ratio or min(max(math.ceil(np.float32(size)), 0), most) for size in sizes]
    for position in np.ndindex(*output_shape):
        samples = []
        for grid in np.ndindex(*counts):
            place = [low[d] + (position[d] + (g + 0.5) / counts[d]) * sizes[d] for d, g in enumerate(grid)]
            samples.append(_between(image, place))
        if samples:
            result[position] = np.mean(samples, axis=0) if reduction == "avg" else np.max(samples, axis=0)
    return result


def ps_roi_align(inputs, boxes, output_shape, box_indices=None, **options):
    return _own_channels(roi_align(inputs, boxes, output_shape, box_indices, **options), output_shape)


def _own_channels(everything, output_shape):
    """Of all channels in all bins, those that belong to each bin."""
    bins = math.prod(output_shape)
    results = np.zeros((*everything.shape[:-1], everything.shape[-1] // bins))
    for number, position in enumerate(np.ndindex(*output_shape)):
        for channel in range(results.shape[-1]):
            results[(..., *position, channel)] = everything[(..., *position, channel * bins + number)]
    return results


def multiscale_roi_align(
    features,
    boxes,
    output_shape,
    image_shape,
    box_indices=None,
    canonical_scale=224,
    canonical_level=4,
    **options,
):
    strides = [2 ** round(math.log2(image_shape[0] / level.shape[-3])) for level in features]
    results, shape = _results(features[0], boxes, box_indices, output_shape, features[0].shape[-1])
    per_level = [
        roi_align(
            level, boxes, output_shape, box_indices, 1 / stride, **{"aligned": False, **options}
        ).reshape(results.shape)
        for level, stride in zip(features, strides, strict=True)
    ]
    for _, where, low, high in _boxes(features[0], boxes, box_indices):
        area = np.prod(high - low)
        level = (
            canonical_level + math.floor(0.5 * math.log2(area) - math.log2(canonical_scale) + 1e-6)
            if area > 0
            else 0
        )
        level = min(max(level - round(math.log2(strides[0])), 0), len(features) - 1)
        results[where] = per_level[level][where]
    return results.reshape(shape)


def _whole(number):
    return int(math.copysign(math.floor(abs(number) + 0.5), number))


def _bins(low, extent, count, end):
    """The cells of each bin along one axis, in the float32 of torchvision."""
    size = np.float32(extent) / np.float32(count)
    ranges = [
        (low + math.floor(np.float32(number) * size), low + math.ceil(np.float32(number + 1) * size))
        for number in range(count)
    ]
    return [range(min(max(a, 0), end), min(max(b, 0), end)) for a, b in ranges]


def roi_pool(inputs, boxes, output_shape, box_indices=None, spatial_scale=1.0):
    """Values and positions."""
    results, shape = _results(inputs, boxes, box_indices, output_shape, inputs.shape[-1])
    indices = np.full(results.shape, -1)
    for image, where, low, high in _boxes(inputs, boxes, box_indices):
        if np.isnan([*low, *high]).any() or (
            box_indices is not None and not 0 <= box_indices[where[0]] < len(inputs)
        ):
            continue
        lows, highs = ([_whole(v * spatial_scale) for v in side] for side in (low, high))
        axes = [
            _bins(a, max(b - a + 1, 1), count, length)
            for a, b, count, length in zip(lows, highs, output_shape, image.shape, strict=False)
        ]
        for position in np.ndindex(*output_shape):
            cells = list(itertools.product(*(axis[p] for axis, p in zip(axes, position, strict=True))))
            for channel in range(image.shape[-1]) if cells else ():
                values = [image[(*cell, channel)] for cell in cells]
                best = int(np.argmax(values))  # the first, and the first NaN
                results[(*where, *position, channel)] = values[best]
                indices[(*where, *position, channel)] = np.ravel_multi_index(cells[best], image.shape[:-1])
    return results.reshape(shape), indices.reshape(shape)


def ps_roi_pool(inputs, boxes, output_shape, box_indices=None, spatial_scale=1.0):
    results, shape = _results(inputs, boxes, box_indices, output_shape, inputs.shape[-1])
    for image, where, low, high in _boxes(inputs, boxes, box_indices):
        if np.isnan([*low, *high]).any():
            continue
        lows, highs = ([_whole(v * spatial_scale) for v in side] for side in (low, high))
        axes = [
            _bins(a, max(b - a, 1), count, length - 1)
            for a, b, count, length in zip(lows, highs, output_shape, image.shape, strict=False)
        ]
        for position in np.ndindex(*output_shape):
            cells = list(itertools.product(*(axis[p] for axis, p in zip(axes, position, strict=True))))
            if cells:
                results[(*where, *position)] = np.mean([image[cell].astype(float) for cell in cells], axis=0)
    return _own_channels(results.reshape(shape), output_shape)


def crop_and_resize(
    inputs, boxes, output_shape, box_indices=None, method="bilinear", extrapolation_value=0.0
):
    rank = boxes.shape[-1] // 2
    results, shape = _results(inputs, boxes, box_indices, output_shape, inputs.shape[-1])
    swapped = np.concatenate([boxes[..., :rank][..., ::-1], boxes[..., rank:][..., ::-1]], -1)
    for image, where, low, high in _boxes(inputs, swapped, box_indices):
        exists = box_indices is None or 0 <= box_indices[where[0]] < len(inputs)
        for position in np.ndindex(*output_shape):
            place = [
                (0.5 * (a + b) if o == 1 else a + p * (b - a) / (o - 1)) * (n - 1)
                for a, b, o, p, n in zip(low, high, output_shape, position, image.shape, strict=False)
            ]
            inside = exists and all(0 <= p <= n - 1 for p, n in zip(place, image.shape, strict=False))
            if not inside:
                results[(*where, *position)] = extrapolation_value
            elif method == "nearest":
                results[(*where, *position)] = image[tuple(_whole(p) for p in place)]
            else:
                results[(*where, *position)] = _between(image, place)
    return results.reshape(shape)
