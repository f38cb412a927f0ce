"""How far the outputs of a function stay what they are when its inputs shift or have noise."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from jaxpool._arguments import as_integer, as_sequence
from jaxpool._ops._arrays import as_array, as_number, as_real, check_array
from jaxpool._precision import accumulation_dtype

# Shows how far a loop over the steps is, such as `tqdm.tqdm`.
Progress: TypeAlias = Callable[[Sequence[Any]], Iterable[Any]]


class Stability(NamedTuple):
    """How far a function's outputs stay what they were, for each of several changes of its inputs."""

    agreement: np.ndarray
    """The share of decisions, the argmax over the last axis, that stay the same."""
    change: np.ndarray
    """The mean over examples of the outputs' relative change in the L2 norm."""


def shift_consistency(
    function: Callable[[Array], ArrayLike],
    inputs: ArrayLike,
    max_shift: int,
    *,
    mode: Literal["circular", "cropped"] = "circular",
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Stability:
    r"""Measures how much the outputs of a function change when its inputs are shifted.

    With examples $x_1, \dots, x_n$, and $T_d$ the shift by $d$ cells, for every $d$ whose entries have
    absolute values of at most `max_shift`,

    $$ \text{agreement}_d = \frac{1}{n} \sum_i
           [\operatorname{argmax} f(T_d x_i) = \operatorname{argmax} f(x_i)], \qquad
       \text{change}_d = \frac{1}{n} \sum_i
           \frac{\lVert f(T_d x_i) - f(x_i) \rVert_2}{\lVert f(x_i) \rVert_2}. $$

    - `"circular"` shifts bring what leaves the image at one end back at the other: $(T_d x)_j = x_{j - d}$.
    - `"cropped"` ones do not: with $m$ for `max_shift`, the function sees windows of the image that are
      smaller than it by $2m$ along each spatial axis, $(T_d x)_j = x_{j + m - d}$, also for $d = 0$.
    - An output of zeros has a change of 0 if it stays so, otherwise of infinity.
    - Outputs with more than two dimensions have a decision for each position, and count by their share.
      They are compared position by position: they do not move back.
    - The function is compiled once for each size of batch, and not for each shift.

    Args:
      function: takes arrays of shape `(batch, *spatial, channels)` and returns arrays of shape
        `(batch, ..., classes)`, each example by itself.
      inputs: the examples, of shape `(n, *spatial, channels)`. NumPy's arrays go to the device by batches.
      max_shift: the largest shift along each spatial axis, in cells.
      mode: `"circular"` or `"cropped"`.
      batch_size: how many examples the function takes at once; `None` is all.
      progress: a progress bar, such as `tqdm.tqdm` or `rich.progress.track`: it is called with the sequence
        of steps, and gives them back one after the other.

    Returns:
      `Stability`, with float64 arrays of NumPy that have an axis of length `2 * max_shift + 1` for each
      spatial axis, in the order of the shifts: no shift is in the middle. `by_distance` averages them.

    Raises:
      TypeError: an argument has the wrong type, or the function returns no array of real numbers.
      ValueError: an argument has the wrong sign or value, the inputs have no spatial axes, no examples, or
        no room for the shifts, or the function's output has the wrong shape.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> from jaxpool import analysis
      >>> x = jnp.eye(4)[None, :, :, None]
      >>> def peak(x, stride):
      ...     return jaxpool.global_max_pool(jaxpool.avg_pool(x, (2, 2), (stride, stride), "SAME"))
      >>> shifts = analysis.shift_consistency(lambda x: peak(x, 2), x, 1)
      >>> shifts.change
      array([[0. , 0.5, 0. ],
             [0.5, 0. , 0.5],
             [0. , 0.5, 0. ]])
      >>> analysis.by_distance(shifts.change)
      array([0.  , 0.25])

    References:
      Zhang, "Making Convolutional Networks Shift-Invariant Again", 2019, whose consistency compares two
      random shifts. Azulay and Weiss, "Why do deep convolutional networks generalize so poorly to small image
      transformations?", 2019.
    """
    shape = _checked_shape(inputs)
    rank = len(shape) - 2
    limit = _as_count("max_shift", max_shift, 0)
    if mode not in ("circular", "cropped"):
        raise ValueError(f"mode must be 'circular' or 'cropped', got {mode!r}.")
    if min(shape[1:-1]) <= limit * (2 if mode == "cropped" else 1):
        most = (
            "half of each spatial axis where mode is 'cropped'" if mode == "cropped" else "each spatial axis"
        )
        raise ValueError(f"max_shift must be less than {most}, got {limit} for inputs of shape {shape}.")

    def shifted(images: Array, shift: Array) -> Array:
        if mode == "circular":
            return jnp.roll(images, shift, tuple(range(1, rank + 1)))
        sizes = [n - 2 * limit for n in shape[1:-1]]
        return lax.dynamic_slice(images, (0, *(limit - shift), 0), (len(images), *sizes, shape[-1]))

    grid = (2 * limit + 1,) * rank
    shifts = np.moveaxis(np.indices(grid, np.int32) - np.int32(limit), 0, -1).reshape(-1, rank)
    measured = _stability(
        function, shifted, inputs, np.zeros_like(shifts[0]), [*shifts], batch_size, progress
    )
    return Stability(*(values.reshape(grid) for values in measured))


def by_distance(grid: ArrayLike) -> np.ndarray:
    r"""Averages what was measured for every shift over the shifts of each distance.

    With $m$ the largest shift, and $S_r$ the shifts whose largest entry is $r$ in absolute value,

    $$ y_r = \frac{1}{|S_r|} \sum_{d \in S_r} x_d, \qquad r = 0, \dots, m. $$

    Args:
      grid: one of the arrays that `shift_consistency` returns, of shape `(2m + 1, ..., 2m + 1)`.

    Returns:
      The averages, an array of NumPy of shape `(m + 1,)`.

    Raises:
      ValueError: the axes of `grid` do not have one odd length.

    Example:
      >>> from jaxpool import analysis
      >>> analysis.by_distance([[0, 1, 2], [3, 9, 5], [6, 7, 8]])
      array([9., 4.])
    """
    values = np.asarray(grid)
    lengths = set(values.shape)
    if len(lengths) != 1 or not min(lengths) % 2:
        raise ValueError(f"grid must have axes of one odd length, got shape {values.shape}.")
    limit = min(lengths) // 2
    distances = np.abs(np.indices(values.shape) - limit).max(axis=0)
    return np.array([values[distances == distance].mean() for distance in range(limit + 1)])


def noise_robustness(
    function: Callable[[Array], ArrayLike],
    inputs: ArrayLike,
    scales: Sequence[float],
    *,
    key: ArrayLike,
    draws: int = 1,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Stability:
    r"""Measures how much the outputs of a function change when noise is added to its inputs.

    With examples $x_1, \dots, x_n$, and $r$ draws for each of Gaussian noise $\varepsilon$ of mean 0 and
    variance 1, for each standard deviation $\sigma$ of `scales`,

    $$ \text{agreement}_\sigma = \frac{1}{n r} \sum_{i, k}
           [\operatorname{argmax} f(x_i + \sigma \varepsilon_{i k}) = \operatorname{argmax} f(x_i)], \qquad
       \text{change}_\sigma = \frac{1}{n r} \sum_{i, k}
           \frac{\lVert f(x_i + \sigma \varepsilon_{i k}) - f(x_i) \rVert_2}{\lVert f(x_i) \rVert_2}. $$

    - All scales have the same draws, so that what differs between them is not chance. An example's draws
      are the same whatever `batch_size`, and the first ones the same whatever `draws`.
    - Integers and bools promote as in `jnp.mean`.
    - Outputs of zeros, outputs of more than two dimensions and compilation are as in `shift_consistency`.

    Args:
      function: takes arrays of shape `(batch, *spatial, channels)` and returns arrays of shape
        `(batch, ..., classes)`, each example by itself.
      inputs: the examples, of shape `(n, *spatial, channels)`. NumPy's arrays go to the device by batches.
      scales: the standard deviations of the noise, in units of the inputs.
      key: a key of `jax.random`, from which the noise is drawn.
      draws: how often noise is drawn for each example.
      batch_size: how many examples the function takes at once; `None` is all.
      progress: a progress bar, such as `tqdm.tqdm` or `rich.progress.track`: it is called with the sequence
        of steps, and gives them back one after the other.

    Returns:
      `Stability`, with float64 arrays of NumPy of shape `(len(scales),)`.

    Raises:
      TypeError: an argument has the wrong type, or the function returns no array of real numbers.
      ValueError: an argument has the wrong sign, the inputs have no spatial axes or no examples, or the
        function's output has the wrong shape.

    Example:
      >>> import jax, jax.numpy as jnp, jaxpool
      >>> from jaxpool import analysis
      >>> x = jnp.ones((4, 32, 32, 3))
      >>> analysis.noise_robustness(lambda x: x, x, [0, 1], key=jax.random.key(0)).change.round(1)
      array([0., 1.])
      >>> smooth = lambda x: jaxpool.avg_pool(x, (2, 2), (2, 2))
      >>> analysis.noise_robustness(smooth, x, [0, 1], key=jax.random.key(0)).change.round(1)
      array([0. , 0.5])
    """
    count = _checked_shape(inputs)[0]
    deviations = [as_number("every entry of scales", scale) for scale in as_sequence("scales", scales)]
    if not all(deviation >= 0 for deviation in deviations):
        raise ValueError(f"scales must hold numbers of at least 0, got {scales!r}.")
    repeats = _as_count("draws", draws)

    def noisy(batch: tuple[Array, Array], perturbation: tuple[Array, Array]) -> Array:
        images, keys = as_real("inputs", batch[0]), batch[1]
        draw, deviation = perturbation
        own = jax.vmap(lambda key: jax.random.fold_in(key, draw))(keys)
        noise = jax.vmap(lambda key: jax.random.normal(key, images.shape[1:], images.dtype))(own)
        return images + deviation * noise

    batch = (inputs, jax.random.split(as_array("key", key), count))
    perturbations = list(itertools.product(range(repeats), deviations))
    measured = _stability(function, noisy, batch, (0, 0.0), perturbations, batch_size, progress)
    return Stability(*(values.reshape(repeats, -1).mean(axis=0) for values in measured))


def _checked_shape(inputs: Any) -> tuple[int, ...]:
    check_array("inputs", inputs)
    if len(inputs.shape) < 3 or not inputs.shape[0]:
        raise ValueError(
            "inputs must have the shape (n, *spatial, channels), with at least one example, got "
            f"{inputs.shape}."
        )
    return inputs.shape


def _as_count(name: str, value: Any, minimum: int = 1) -> int:
    number = as_integer(name, value)
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}.")
    return number


def _stability(
    function: Callable[[Array], ArrayLike],
    perturb: Callable[[Any, Any], Array],
    batch: Any,
    unperturbed: Any,
    perturbations: Sequence[Any],
    batch_size: int | None,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Agreement and change under each perturbation, averaged over the examples of a batch."""
    count = len(jax.tree.leaves(batch)[0])
    size = count if batch_size is None else _as_count("batch_size", batch_size)
    outputs = jax.jit(lambda examples, perturbation: _outputs(function, perturb(examples, perturbation)))
    agreement, change = np.zeros((2, len(perturbations), count))
    steps = list(itertools.product(range(0, count, size), range(len(perturbations))))
    examples: Any = None
    reference: Any = None
    for start, step in steps if progress is None else progress(steps):
        part = slice(start, start + size)
        if step == 0:
            examples = jax.device_put(jax.tree.map(lambda array, part=part: array[part], batch))
            reference = outputs(examples, unperturbed)
        compared = _compared(outputs(examples, perturbations[step]), reference)
        agreement[step, part], change[step, part] = compared
    return agreement.mean(axis=1), change.mean(axis=1)


def _outputs(function: Callable[[Array], ArrayLike], inputs: Array) -> Array:
    outputs = as_real("the output of function", function(inputs))
    if outputs.ndim < 2 or len(outputs) != len(inputs) or not outputs.size:
        raise ValueError(
            f"the output of function must have the shape ({len(inputs)}, ..., classes) for {len(inputs)} "
            f"examples, got {outputs.shape}."
        )
    return outputs.astype(accumulation_dtype(outputs.dtype))


@jax.jit
def _compared(outputs: Array, reference: Array) -> tuple[Array, Array]:
    """For each example, the share of decisions that stay and the relative change."""
    stays = jnp.argmax(outputs, -1) == jnp.argmax(reference, -1)
    distance, size = (
        jnp.linalg.norm(x.reshape(len(x), -1), axis=1) for x in (outputs - reference, reference)
    )
    # Where the distance is 0, the size may be too.
    return stays.reshape(len(stays), -1).mean(axis=1), distance / jnp.where(distance == 0, 1, size)
