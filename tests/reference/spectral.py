"""Cropped spectra by discrete Fourier transforms, and wavelet transforms coefficient by coefficient."""

import numpy as np

from tests.reference.arrays import averaged

# Daubechies' filters, as the tables have them.
_FILTERS = {
    "haar": [0.7071067811865476, 0.7071067811865476],
    "db2": [0.48296291314453416, 0.8365163037378079, 0.2241438680420134, -0.12940952255126037],
    "db3": [
        0.33267055295008263,
        0.8068915093110925,
        0.45987750211849154,
        -0.13501102001025458,
        -0.08544127388202666,
        0.03522629188570953,
    ],
    "db4": [
        0.2303778133088965,
        0.7148465705529157,
        0.6308807679298589,
        -0.027983769416859854,
        -0.18703481171909309,
        0.030841381835560764,
        0.0328830116668852,
        -0.010597401785069032,
    ],
}


def spectral_pool(inputs, output_shape, *, channel_axis=-1, dtype=None):
    """Along one axis after the other, the coefficients that both lengths have; the middle one is split."""
    array, dtype = averaged(inputs, dtype)
    for d, length in _lengths(array, output_shape, channel_axis):
        if length is not None:
            array = np.apply_along_axis(_resample, d, array, length)
    return array.astype(dtype)


def _resample(line, length):
    spectrum = np.fft.fft(line)
    kept = np.zeros(length, complex)
    shorter = min(len(line), length)
    for k in range(-((shorter - 1) // 2), (shorter - 1) // 2 + 1):
        kept[k] = spectrum[k]
    if shorter % 2 == 0:
        middle = shorter // 2
        if length == len(line):
            kept[middle] = spectrum[middle]
        elif length < len(line):
            kept[middle] = spectrum[middle] + spectrum[-middle]
        else:
            kept[middle] = kept[-middle] = spectrum[middle] / 2
    result = np.fft.ifft(kept) * length / len(line)
    return result if np.iscomplexobj(line) else result.real


def wavelet_pool(inputs, strides=(2, 2), *, wavelet="haar", bands="low", channel_axis=-1, dtype=None):
    """The low band, or all side by side along the channels."""
    array, dtype = averaged(inputs, dtype)
    if channel_axis is None and bands == "all":
        array, channel_axis = array[..., None], -1
    found = [array]
    for d, stride in _lengths(array, strides, channel_axis):
        if stride == 2:
            matrices = _matrices(array.shape[d], wavelet)[: 1 if bands == "low" else 2]
            found = [
                np.moveaxis(np.tensordot(matrix, _even(band, d), (1, d)), 0, d)
                for band in found
                for matrix in matrices
            ]
    return (found[0] if bands == "low" else np.concatenate(found, channel_axis)).astype(dtype)


def wavelet_unpool(values, strides=(2, 2), output_shape=None, *, wavelet="haar", channel_axis=-1, dtype=None):
    """What the transform's inverse matrices make of the bands."""
    array, dtype = averaged(values, dtype)
    axis = -1 if channel_axis is None else channel_axis
    bands = np.split(array, 2 ** strides.count(2), axis)
    lengths = output_shape or [None] * len(strides)
    pairs = zip(_lengths(array, strides, axis), lengths, strict=True)
    for (d, stride), length in reversed(list(pairs)):
        if stride == 2:
            inverse = np.linalg.inv(np.concatenate(_matrices(2 * array.shape[d], wavelet)))
            halves = [np.concatenate(bands[i : i + 2], d) for i in range(0, len(bands), 2)]
            bands = [np.moveaxis(np.tensordot(inverse, band, (1, d)), 0, d) for band in halves]
            bands = [np.take(band, range(length or band.shape[d]), d) for band in bands]
    return (bands[0][..., 0] if channel_axis is None else bands[0]).astype(dtype)


def _even(array, d):
    """With its last cell twice where the length is odd."""
    length = array.shape[d]
    return np.take(array, [*range(length), *[length - 1] * (length % 2)], d)


def _matrices(length, wavelet):
    """What the low and the high band take of each cell."""
    scaling = _FILTERS[wavelet]
    size, length = len(scaling), length + length % 2
    low, high = np.zeros((2, length // 2, length))
    for o in range(length // 2):
        for i in range(size):
            cell = (2 * o + i - (size // 2 - 1)) % length
            low[o, cell] += scaling[i]
            high[o, cell] += (-1) ** i * scaling[size - 1 - i]
    return low, high


def _lengths(array, entries, channel_axis):
    dimensions = [d for d in range(array.ndim) if channel_axis is None or d != channel_axis % array.ndim]
    return list(zip(dimensions[-len(entries) :], entries, strict=True))
