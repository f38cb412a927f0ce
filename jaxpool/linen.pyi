# Written by `python -m stubs` from the functions: run it again where this is out of date.
"""Pools as Flax Linen modules: every function of `jaxpool`, with its arguments bound.

    import jaxpool.linen as nn_pool
    model = nn.Sequential([nn.Conv(8, (3, 3)), nn_pool.MaxPool((2, 2), (2, 2))])

The functions that `flax.linen` has are here under the same names: changing the import is all it takes.
"""

from dataclasses import KW_ONLY

import flax.linen as nn
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from jax import Array
from jax.typing import ArrayLike
from jax.typing import DTypeLike
from jaxpool._linen_stream import Streaming as Streaming
from jaxpool._ops._integers import Rounding
from jaxpool._ops.blur import BlurPadding
from jaxpool._ops.crop import Method
from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.morphology import Kernel
from jaxpool._ops.pyramid import Level
from jaxpool._ops.pyramid import Reduction
from jaxpool._ops.sum_avg import avg_pool as avg_pool
from jaxpool._ops.wavelet import Bands
from jaxpool._ops.wavelet import Wavelet
from jaxpool._window import Padding
from typing import Any
from typing import Generic
from typing import Literal
from typing import SupportsIndex
from typing import overload
from typing_extensions import TypeVar

_Result = TypeVar("_Result", default=Array)

class Pooling(nn.Module):
    """What all pooling modules are: a pooling function with its arguments bound."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

class MaxPool(Pooling, Generic[_Result]):
    """Pools by taking the maximum of each window.

    A module that applies `jaxpool.max_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      return_indices: whether to return also where each maximum was found.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    return_indices: bool = False
    @overload
    def __init__(
        self: MaxPool[Array],
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        return_indices: Literal[False] = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: MaxPool[tuple[Array, Array]],
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        return_indices: Literal[True],
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools by taking the maximum of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype. The maximum of bools is any.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            never selected, and without harm if it is NaN.

        Returns:
          The maxima, of the inputs' dtype and of shape `(*batch, *pooled, channels)`. With `return_indices`,
          a pair with int32 positions of the same shape, row-major in the unpadded spatial block
          (`y * width + x`, PyTorch's convention).
        """

class MinPool(Pooling, Generic[_Result]):
    """Pools by taking the minimum of each window.

    A module that applies `jaxpool.min_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      return_indices: whether to return also where each minimum was found.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    return_indices: bool = False
    @overload
    def __init__(
        self: MinPool[Array],
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        return_indices: Literal[False] = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: MinPool[tuple[Array, Array]],
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        return_indices: Literal[True],
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools by taking the minimum of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype. The minimum of bools is all.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            never selected, and without harm if it is NaN.

        Returns:
          The minima, of the inputs' dtype and of shape `(*batch, *pooled, channels)`. With `return_indices`,
          a pair with int32 positions of the same shape, row-major in the unpadded spatial block
          (`y * width + x`, PyTorch's convention).
        """

class AvgPool(Pooling):
    """Pools by averaging the elements of each window.

    A module that applies `jaxpool.avg_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      count_include_pad: whether padding counts in the divisor.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      divisor_override: what to divide by in place of the count.
      dtype: the dtype of the result; `None` is that of the inputs, and for integers and bools as in
        `jnp.mean`.
      rounding: where `dtype` is one of integers, how averages are rounded: `"truncate"` towards 0, as
        `jnp.mean` and PyTorch do, or to the `"nearest"`, halves away from 0, as TensorFlow Lite does.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    count_include_pad: bool = True
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    divisor_override: int | None = None
    dtype: DTypeLike | None = None
    rounding: Rounding = 'truncate'
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        count_include_pad: bool = True,
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        divisor_override: int | None = None,
        dtype: DTypeLike | None = None,
        rounding: Rounding = 'truncate',
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging the elements of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
            numeric dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            never added, never counted, and without harm if it is NaN.

        Returns:
          The averages, of shape `(*batch, *pooled, channels)`.
        """

class SumPool(Pooling):
    """Pools by adding the elements of each window.

    A module that applies `jaxpool.sum_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      dtype: the dtype of the result, which elements are converted to before they are added; `None` is that
        of the inputs, and for integers and bools as in `jnp.sum`.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    dtype: DTypeLike | None = None
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        dtype: DTypeLike | None = None,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by adding the elements of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
            numeric dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            never added, and without harm if it is NaN.

        Returns:
          The sums, of shape `(*batch, *pooled, channels)`.
        """

class Pool(Pooling):
    """Pools with any associative function of two elements.

    A module that applies `jaxpool.pool`, whose documentation says what results mean. It
    has no parameters.

    Args:
      init_value: a scalar, the identity of `reduce_fn` as a rule; it takes part once in every window.
      reduce_fn: an associative function that takes two arrays of one shape and dtype, element by element,
        and returns a third. Outside `jit`, the same function object compiles once.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    init_value: ArrayLike
    reduce_fn: Callable[[Array, Array], Array]
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        init_value: ArrayLike,
        reduce_fn: Callable[[Array, Array], Array],
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Pools with any associative function of two elements.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any dtype.

        Returns:
          The reduced windows, of the inputs' dtype and of shape `(*batch, *pooled, channels)`.
        """

class LpPool(Pooling):
    """Pools by taking the Lp norm of each window.

    A module that applies `jaxpool.lp_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    p: float = 2.0
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        p: float = 2.0,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the Lp norm of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The norms, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools promote
          as in `jnp.mean`.
        """

class LogsumexpPool(Pooling):
    """Pools by a smooth maximum: the logarithm of the sum of each window's exponentials.

    A module that applies `jaxpool.logsumexp_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    temperature: float = 1.0
    mean: bool = False
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        temperature: float = 1.0,
        mean: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by a smooth maximum: the logarithm of the sum of each window's exponentials.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The smooth maxima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class SoftPool(Pooling):
    """Pools by averaging each window with weights that grow exponentially with the elements.

    A module that applies `jaxpool.soft_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      temperature: the scale of differences that count, above 0.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    temperature: float = 1.0
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        temperature: float = 1.0,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging each window with weights that grow exponentially with the elements.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The weighted averages, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
          bools promote as in `jnp.mean`.
        """

class MedianPool(Pooling):
    """Pools by taking the median of each window.

    A module that applies `jaxpool.median_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the median of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The medians, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools promote
          as in `jnp.mean`.
        """

class QuantilePool(Pooling):
    """Pools by taking a quantile of each window, interpolated linearly.

    A module that applies `jaxpool.quantile_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      q: which quantile, from 0 to 1.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    q: float
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        q: float,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking a quantile of each window, interpolated linearly.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The quantiles, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class VarPool(Pooling):
    """Pools by taking the variance of each window.

    A module that applies `jaxpool.var_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      correction: 0, or 1 for the unbiased estimate from a sample.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    correction: int = 0
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        correction: int = 0,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the variance of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The variances, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class StdPool(Pooling):
    """Pools by taking the standard deviation of each window.

    A module that applies `jaxpool.std_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      correction: 0, or 1 to divide by one less, as for a sample.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    correction: int = 0
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        correction: int = 0,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the standard deviation of each window.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The standard deviations, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
          bools promote as in `jnp.mean`.
        """

class MaxUnpool(Pooling):
    """Puts each value where its index says, and 0 everywhere else: a partial inverse of max pooling.

    A module that applies `jaxpool.max_unpool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      output_shape: the spatial shape of the result, such as `(28, 28)`; as many axes of `values` are spatial.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        *,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        values: ArrayLike,
        indices: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Puts each value where its index says, and 0 everywhere else: a partial inverse of max pooling.

        Args:
          values: an array of shape `(*batch, *pooled, channels)`, of any dtype.
          indices: integers of the same shape: positions in the spatial block of the result, row-major
            (`y * width + x`), as `max_pool` returns them with `return_indices=True`.
          where: a mask of bools that broadcasts to `values`; a value where it is `False` is put nowhere.

        Returns:
          An array of shape `(*batch, *output_shape, channels)` and of the values' dtype.
        """

class AvgUnpool(Pooling):
    """Gives each cell the average of the windows that it is in: a partial inverse of average pooling.

    A module that applies `jaxpool.avg_unpool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      output_shape: the spatial shape of the result, which is that of the pool's inputs.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the pool's size is rounded up, as PyTorch and ONNX do.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    output_shape: Sequence[SupportsIndex]
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        values: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Gives each cell the average of the windows that it is in: a partial inverse of average pooling.

        Args:
          values: an array of shape `(*batch, *pooled, channels)`, of any numeric dtype.
          where: a mask of bools that broadcasts to `values`; a value where it is `False` is put nowhere.

        Returns:
          An array of shape `(*batch, *output_shape, channels)` and of the values' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class QuantizedAvgPool(Pooling):
    """Pools quantized numbers by averaging the elements of each window.

    A module that applies `jaxpool.quantized_avg_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      scale: the step between the numbers that the inputs stand for, above 0.
      zero_point: the integer of the inputs that stands for 0.
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      count_include_pad: whether padding counts in the divisor.
      output_scale: the step between the numbers that the result stands for; `None` is that of the inputs.
      output_zero_point: the integer of the result that stands for 0; `None` is that of the inputs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    scale: float
    zero_point: SupportsIndex
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    count_include_pad: bool = True
    _: KW_ONLY
    output_scale: float | None = None
    output_zero_point: SupportsIndex | None = None
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        scale: float,
        zero_point: SupportsIndex,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        count_include_pad: bool = True,
        *,
        output_scale: float | None = None,
        output_zero_point: SupportsIndex | None = None,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools quantized numbers by averaging the elements of each window.

        Args:
          inputs: an array of int8 or uint8, of shape `(*batch, *spatial, channels)`, with any number of batch
            axes.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding, and
            never counted.

        Returns:
          The averages, of the inputs' dtype and of shape `(*batch, *pooled, channels)`.
        """

class AdaptiveAvgPool(Pooling):
    """Pools by averaging, in as many bins as asked for, whatever the size of the inputs.

    A module that applies `jaxpool.adaptive_avg_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`; `None` keeps an axis as it
        is.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    output_shape: Sequence[SupportsIndex | None]
    _: KW_ONLY
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex | None],
        *,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging, in as many bins as asked for, whatever the size of the inputs.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
            numeric dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The averages, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class AdaptiveMaxPool(Pooling, Generic[_Result]):
    """Pools by taking the maximum, in as many bins as asked for, whatever the size of the inputs.

    A module that applies `jaxpool.adaptive_max_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`; `None` keeps an axis as it
        is.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      return_indices: whether to return also where each maximum was found.
    """
    output_shape: Sequence[SupportsIndex | None]
    _: KW_ONLY
    channel_axis: int | None = -1
    return_indices: bool = False
    @overload
    def __init__(
        self: AdaptiveMaxPool[Array],
        output_shape: Sequence[SupportsIndex | None],
        *,
        channel_axis: int | None = -1,
        return_indices: Literal[False] = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: AdaptiveMaxPool[tuple[Array, Array]],
        output_shape: Sequence[SupportsIndex | None],
        *,
        channel_axis: int | None = -1,
        return_indices: Literal[True],
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools by taking the maximum, in as many bins as asked for, whatever the size of the inputs.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The maxima, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype. With
          `return_indices`, a pair with int32 positions of the same shape, row-major in the spatial block
          (`y * width + x`, PyTorch's convention).
        """

class SpatialPyramidPool(Pooling):
    """Pools by spatial pyramid pooling: in bins of several sizes, to one vector for inputs of any size.

    A module that applies `jaxpool.spatial_pyramid_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      levels: the number of bins of each level: an int for every spatial axis, or a tuple such as `(2, 3)`
        with one for each. A tuple says how many spatial axes there are; with ints alone it is all axes but
        that of channels and the first of the others, as in `global_avg_pool`; inside `vmap`, which hides
        the batch, write tuples.
      reduction: `"max"` or `"avg"`.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    levels: Sequence[Level] = (1, 2, 4)
    _: KW_ONLY
    reduction: Reduction = 'max'
    channel_axis: int | None = -1
    def __init__(
        self,
        levels: Sequence[Level] = (1, 2, 4),
        *,
        reduction: Reduction = 'max',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by spatial pyramid pooling: in bins of several sizes, to one vector for inputs of any size.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype, or complex for
            averages.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The vectors, of shape `(*batch, length)` with as many elements for each channel as the levels have bins.
          The dtype is that of the inputs; integers and bools promote as in `jnp.mean` for averages.
        """

class PyramidPool(Pooling, Generic[_Result]):
    """Pools in bins of several sizes and puts the results, resized, beside the inputs, as PSPNet does.

    A module that applies `jaxpool.pyramid_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      levels: the number of bins of each level: an int for every spatial axis, or a tuple such as `(2, 3)`
        with one for each. A tuple says how many spatial axes there are; with ints alone it is all axes but
        that of channels and the first of the others, as in `global_avg_pool`; inside `vmap`, which hides
        the batch, write tuples.
      resize: whether to resize and concatenate, or to return the pooled arrays.
      reduction: `"avg"` or `"max"`.
      channel_axis: the axis of channels, along which results are concatenated; without `resize` it may be
        `None` where there is none. The spatial axes are the last ones once it is set aside.
    """
    levels: Sequence[Level] = (1, 2, 3, 6)
    _: KW_ONLY
    resize: bool = True
    reduction: Reduction = 'avg'
    channel_axis: int | None = -1
    @overload
    def __init__(
        self: PyramidPool[Array],
        levels: Sequence[Level] = (1, 2, 3, 6),
        *,
        resize: Literal[True] = True,
        reduction: Reduction = 'avg',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: PyramidPool[tuple[Array, ...]],
        levels: Sequence[Level] = (1, 2, 3, 6),
        *,
        resize: Literal[False],
        reduction: Reduction = 'avg',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools in bins of several sizes and puts the results, resized, beside the inputs, as PSPNet does.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype, or complex for
            averages.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no part in a
            bin, and is without harm there if it is NaN. The inputs beside the bins stay what they are.

        Returns:
          An array of shape `(*batch, *spatial, channels * (1 + len(levels)))` and of the inputs' dtype; integers
          and bools promote as in `jnp.mean`. Without `resize`, a tuple with the result of
          `adaptive_avg_pool` or `adaptive_max_pool` for each level.
        """

class StripPool(Pooling):
    """Pools to strips: for each spatial axis, all that lies along the others.

    A module that applies `jaxpool.strip_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      reduction: `"avg"` or `"max"`.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are all but it and the
        first of the others, as in `global_avg_pool`, also inside `vmap`.
    """
    _: KW_ONLY
    reduction: Reduction = 'avg'
    channel_axis: int | None = -1
    def __init__(
        self,
        *,
        reduction: Reduction = 'avg',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> tuple[Array, ...]:
        """Pools to strips: for each spatial axis, all that lies along the others.

        Args:
          inputs: an array of shape `(batch, *spatial, channels)`, of real, integer or bool dtype, or complex for
            averages.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          A tuple with as many strips as there are spatial axes, such as `(batch, height, 1, channels)` and
          `(batch, 1, width, channels)`. The dtype is that of the inputs; integers and bools promote as in
          `jnp.mean` for averages.
        """

class FastPyramidPool(Pooling):
    """Pools by taking the maximum, several times in a row, and puts all results beside the inputs.

    A module that applies `jaxpool.fast_pyramid_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(5, 5)`.
      times: how many pools there are.
      channel_axis: the axis of channels, along which results are concatenated. The spatial axes are the last
        ones once it is set aside.
    """
    window_shape: Sequence[SupportsIndex] = (5, 5)
    _: KW_ONLY
    times: SupportsIndex = 3
    channel_axis: int = -1
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex] = (5, 5),
        *,
        times: SupportsIndex = 3,
        channel_axis: int = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Pools by taking the maximum, several times in a row, and puts all results beside the inputs.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.

        Returns:
          An array of shape `(*batch, *spatial, channels * (1 + times))` and of the inputs' dtype.
        """

class GlobalAvgPool(Pooling):
    """Pools by averaging everything along some axes.

    A module that applies `jaxpool.global_avg_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
      dtype: the dtype of the result; `None` is that of the inputs, and for integers and bools as in
        `jnp.mean`.
      rounding: where `dtype` is one of integers, how averages are rounded: `"truncate"` towards 0, as
        `jnp.mean` and PyTorch do, or to the `"nearest"`, halves away from 0, as TensorFlow Lite does.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    dtype: DTypeLike | None = None
    rounding: Rounding = 'truncate'
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        rounding: Rounding = 'truncate',
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging everything along some axes.

        Args:
          inputs: an array of any numeric dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The averages.
        """

class GlobalQuantizedAvgPool(Pooling):
    """Pools quantized numbers by averaging everything along some axes.

    A module that applies `jaxpool.global_quantized_avg_pool`, whose documentation says
    what results mean. It has no parameters.

    Args:
      scale: the step between the numbers that the inputs stand for, above 0.
      zero_point: the integer of the inputs that stands for 0.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      output_scale: the step between the numbers that the result stands for; `None` is that of the inputs.
      output_zero_point: the integer of the result that stands for 0; `None` is that of the inputs.
      keepdims: whether the pooled axes stay, with length 1.
    """
    scale: float
    zero_point: SupportsIndex
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    output_scale: float | None = None
    output_zero_point: SupportsIndex | None = None
    keepdims: bool = False
    def __init__(
        self,
        scale: float,
        zero_point: SupportsIndex,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        output_scale: float | None = None,
        output_zero_point: SupportsIndex | None = None,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools quantized numbers by averaging everything along some axes.

        Args:
          inputs: an array of int8 or uint8.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part.

        Returns:
          The averages, of the inputs' dtype.
        """

class GlobalMaxPool(Pooling):
    """Pools by taking the maximum along some axes.

    A module that applies `jaxpool.global_max_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the maximum along some axes.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The maxima, of the inputs' dtype.
        """

class GlobalMinPool(Pooling):
    """Pools by taking the minimum along some axes.

    A module that applies `jaxpool.global_min_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the minimum along some axes.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The minima, of the inputs' dtype.
        """

class GlobalSumPool(Pooling):
    """Pools by adding everything along some axes.

    A module that applies `jaxpool.global_sum_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
      dtype: the dtype of the result, which elements are converted to before they are added; `None` is that
        of the inputs, and for integers and bools as in `jnp.sum`.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    dtype: DTypeLike | None = None
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        dtype: DTypeLike | None = None,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by adding everything along some axes.

        Args:
          inputs: an array of any numeric dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The sums.
        """

class GlobalLpPool(Pooling):
    """Pools by taking the Lp norm along some axes.

    A module that applies `jaxpool.global_lp_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    p: float = 2.0
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        p: float = 2.0,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the Lp norm along some axes.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The norms, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalLogsumexpPool(Pooling):
    """Pools by a smooth maximum along some axes: the logarithm of the sum of exponentials.

    A module that applies `jaxpool.global_logsumexp_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    temperature: float = 1.0
    mean: bool = False
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        temperature: float = 1.0,
        mean: bool = False,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by a smooth maximum along some axes: the logarithm of the sum of exponentials.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The smooth maxima, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalSoftPool(Pooling):
    """Pools by averaging along some axes with weights that grow exponentially with the elements.

    A module that applies `jaxpool.global_soft_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      temperature: the scale of differences that count, above 0.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    temperature: float = 1.0
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        temperature: float = 1.0,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging along some axes with weights that grow exponentially with the elements.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The weighted averages, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalMedianPool(Pooling):
    """Pools by taking the median along some axes.

    A module that applies `jaxpool.global_median_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the median along some axes.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The medians, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalQuantilePool(Pooling):
    """Pools by taking a quantile along some axes, interpolated linearly.

    A module that applies `jaxpool.global_quantile_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      q: which quantile, from 0 to 1.
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    q: float
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        q: float,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking a quantile along some axes, interpolated linearly.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The quantiles, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalVarPool(Pooling):
    """Pools by taking the variance along some axes.

    A module that applies `jaxpool.global_var_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      correction: 0, or 1 for the unbiased estimate from a sample.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    correction: int = 0
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        correction: int = 0,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the variance along some axes.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The variances, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalStdPool(Pooling):
    """Pools by taking the standard deviation along some axes.

    A module that applies `jaxpool.global_std_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      correction: 0, or 1 for the unbiased estimate of the variance from a sample.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    correction: int = 0
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        correction: int = 0,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the standard deviation along some axes.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The standard deviations, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalWeightedAvgPool(Pooling):
    """Pools by averaging everything along some axes, each element with a weight.

    A module that applies `jaxpool.global_weighted_avg_pool`, whose documentation says
    what results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        weights: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging everything along some axes, each element with a weight.

        Args:
          inputs: an array of any numeric dtype.
          weights: an array of real, integer or bool dtype that broadcasts to `inputs`, such as
            `(batch, length, 1)`.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it or its weight is NaN.

        Returns:
          The weighted averages, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalSqrtNPool(Pooling):
    """Pools by adding everything along some axes, over the square root of how much that is.

    A module that applies `jaxpool.global_sqrt_n_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by adding everything along some axes, over the square root of how much that is.

        Args:
          inputs: an array of any numeric dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The scaled sums, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalRankPool(Pooling):
    """Pools a sequence by what changes in it: sums its elements with weights that rise from first to last.

    A module that applies `jaxpool.global_rank_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axis to pool: time.
      keepdims: whether the pooled axis stays, with length 1.
    """
    axis: SupportsIndex = 1
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex = 1,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools a sequence by what changes in it: sums its elements with weights that rise from first to last.

        Args:
          inputs: an array of any numeric dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
            element where it is `False` takes no part, and is without harm if it is NaN.

        Returns:
          The weighted sums, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalFirstPool(Pooling):
    """Pools by taking the first element along an axis.

    A module that applies `jaxpool.global_first_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axis to pool.
      keepdims: whether the pooled axis stays, with length 1.
    """
    axis: SupportsIndex = 1
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex = 1,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the first element along an axis.

        Args:
          inputs: an array of any numeric dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
            element where it is `False` takes no part.

        Returns:
          The first elements, of the inputs' dtype.
        """

class GlobalLastPool(Pooling):
    """Pools by taking the last element along an axis.

    A module that applies `jaxpool.global_last_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axis to pool.
      keepdims: whether the pooled axis stays, with length 1.
    """
    axis: SupportsIndex = 1
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex = 1,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the last element along an axis.

        Args:
          inputs: an array of any numeric dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
            element where it is `False` takes no part.

        Returns:
          The last elements, of the inputs' dtype.
        """

class GlobalTopkPool(Pooling):
    """Pools by taking the largest few elements along an axis, in the order in which they stand.

    A module that applies `jaxpool.global_topk_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      k: how many elements to take, which may be more than there are.
      axis: which axis to pool.
    """
    k: int
    axis: SupportsIndex = 1
    def __init__(
        self,
        k: int,
        axis: SupportsIndex = 1,
        *,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the largest few elements along an axis, in the order in which they stand.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
            element where it is `False` takes no part, and is without harm if it is NaN.

        Returns:
          The largest elements, of the inputs' dtype and shape, but of length `k` along the axis.
        """

class StatisticsPool(Pooling):
    """Pools by taking mean and standard deviation along some axes, side by side.

    A module that applies `jaxpool.statistics_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several, of which none is the last.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] = 1
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] = 1,
        *,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking mean and standard deviation along some axes, side by side.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
            element where it is `False` takes no part, and is without harm if it is NaN.

        Returns:
          An array of the inputs' dtype and of their shape without the pooled axes, with twice as many channels;
          integers and bools promote as in `jnp.mean`.
        """

class AttentiveStatisticsPool(Pooling):
    """Pools by taking mean and standard deviation along some axes, by weights that a network computes.

    A module that applies `jaxpool.attentive_statistics_pool`, whose documentation says
    what results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several, of which none is the last.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] = 1
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] = 1,
        *,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        logits: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking mean and standard deviation along some axes, by weights that a network computes.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          logits: logarithms of weights, an array of real dtype that broadcasts to `inputs`, such as one with a
            single channel.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`, such as `(batch, length, 1)`; an
            element where it is `False` takes no part, and is without harm if it or its logit is NaN.

        Returns:
          An array of the inputs' dtype and of their shape without the pooled axes, with twice as many channels;
          integers and bools promote as in `jnp.mean`.
        """

class SegmentMaxPool(Pooling, Generic[_Result]):
    """Pools by taking the maximum of each segment.

    A module that applies `jaxpool.segment_max_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      axis: the axis of elements; the others are pooled alike.
      indices_are_sorted: a promise that ids do not decrease, which saves accelerators sorting.
      return_indices: whether to return also where each maximum was found.
    """
    num_segments: int | None = None
    _: KW_ONLY
    axis: int = 0
    indices_are_sorted: bool = False
    return_indices: bool = False
    @overload
    def __init__(
        self: SegmentMaxPool[Array],
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        return_indices: Literal[False] = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: SegmentMaxPool[tuple[Array, Array]],
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        return_indices: Literal[True],
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools by taking the maximum of each segment.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element along the axis.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The maxima, with the segments in place of the axis, of the inputs' dtype. With `return_indices`, a pair
          with int32 positions along the axis, of the same shape.
        """

class SegmentMinPool(Pooling, Generic[_Result]):
    """Pools by taking the minimum of each segment.

    A module that applies `jaxpool.segment_min_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      axis: the axis of elements; the others are pooled alike.
      indices_are_sorted: a promise that ids do not decrease, which saves accelerators sorting.
      return_indices: whether to return also where each minimum was found.
    """
    num_segments: int | None = None
    _: KW_ONLY
    axis: int = 0
    indices_are_sorted: bool = False
    return_indices: bool = False
    @overload
    def __init__(
        self: SegmentMinPool[Array],
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        return_indices: Literal[False] = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: SegmentMinPool[tuple[Array, Array]],
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        return_indices: Literal[True],
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools by taking the minimum of each segment.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element along the axis.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The minima, with the segments in place of the axis, of the inputs' dtype. With `return_indices`, a pair
          with int32 positions along the axis, of the same shape.
        """

class SegmentSumPool(Pooling):
    """Pools by adding the elements of each segment.

    A module that applies `jaxpool.segment_sum_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      axis: the axis of elements; the others are pooled alike.
      indices_are_sorted: a promise that ids do not decrease, which saves accelerators sorting; where it is
        broken the result is arbitrary.
    """
    num_segments: int | None = None
    _: KW_ONLY
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by adding the elements of each segment.

        Args:
          inputs: an array of any numeric dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element along the axis.
          row_splits: in place of ids and their number, integers of shape `(segments + 1,)` that do not decrease:
            segment $s$ has the elements from `row_splits[s]` to before `row_splits[s + 1]`.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no part, and is
            without harm if it is NaN.

        Returns:
          The sums, with the segments in place of the axis, of the inputs' dtype (int32 for bools).
        """

class SegmentAvgPool(Pooling):
    """Pools by averaging the elements of each segment.

    A module that applies `jaxpool.segment_avg_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging the elements of each segment.

        Args:
          inputs: an array of any numeric dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The averages, with the segments in place of the axis, of the inputs' dtype; integers and bools promote
          as in `jnp.mean`.
        """

class SegmentLpPool(Pooling):
    """Pools by the Lp norm of the elements of each segment.

    A module that applies `jaxpool.segment_lp_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      p: the order of the norm, above 0; `inf` is the largest magnitude.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    p: float = 2.0
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        p: float = 2.0,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by the Lp norm of the elements of each segment.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The norms, with the segments in place of the axis, of the inputs' dtype; integers and bools promote as
          in `jnp.mean`.
        """

class SegmentLogsumexpPool(Pooling):
    """Pools by a smooth maximum of each segment: the logarithm of the sum of exponentials.

    A module that applies `jaxpool.segment_logsumexp_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      temperature: the scale of differences that count, above 0.
      mean: whether to take the mean of the exponentials in place of their sum.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    temperature: float = 1.0
    mean: bool = False
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        temperature: float = 1.0,
        mean: bool = False,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by a smooth maximum of each segment: the logarithm of the sum of exponentials.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The smooth maxima, with the segments in place of the axis, of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class SegmentVarPool(Pooling):
    """Pools by the variance of the elements of each segment.

    A module that applies `jaxpool.segment_var_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      correction: what is subtracted from the number of elements, 0 or 1, as in `jnp.var`.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    correction: int = 0
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        correction: int = 0,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by the variance of the elements of each segment.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The variances, with the segments in place of the axis, of the inputs' dtype; integers and bools promote
          as in `jnp.mean`.
        """

class SegmentStdPool(Pooling):
    """Pools by the standard deviation of the elements of each segment.

    A module that applies `jaxpool.segment_std_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      correction: what is subtracted from the number of elements, 0 or 1, as in `jnp.std`.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    correction: int = 0
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        correction: int = 0,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by the standard deviation of the elements of each segment.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The standard deviations, with the segments in place of the axis, of the inputs' dtype; integers and
          bools promote as in `jnp.mean`.
        """

class SegmentSoftmax(Pooling):
    """The softmax within each segment: weights that add up to 1.

    A module that applies `jaxpool.segment_softmax`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      temperature: the scale of differences that count, above 0.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    temperature: float = 1.0
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        temperature: float = 1.0,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """The softmax within each segment: weights that add up to 1.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The weights, of the shape and dtype of the inputs; integers and bools promote as in `jnp.mean`.
        """

class SegmentAttentionPool(Pooling):
    """Pools by averaging the elements of each segment with importances that a network computes.

    A module that applies `jaxpool.segment_attention_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        logits: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging the elements of each segment with importances that a network computes.

        Args:
          inputs: an array of real, integer or bool dtype.
          logits: logarithms of importances, an array of real dtype that broadcasts to `inputs`, such as one of
            shape `(length, 1)`.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The weighted averages, with the segments in place of the axis, of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class SegmentTopkPool(Pooling):
    """Pools by keeping the foremost elements of each segment, in descending order of one of their channels.

    A module that applies `jaxpool.segment_topk_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      num_segments: how many segments there are.
      k: how many elements to keep.
      axis: the axis of elements.
      indices_are_sorted: a promise that ids do not decrease.
    """
    num_segments: int | None = None
    _: KW_ONLY
    k: SupportsIndex
    axis: int = 0
    indices_are_sorted: bool = False
    def __init__(
        self,
        num_segments: int | None = None,
        *,
        k: SupportsIndex,
        axis: int = 0,
        indices_are_sorted: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        segment_ids: ArrayLike | None = None,
        *,
        keys: ArrayLike | None = None,
        row_splits: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by keeping the foremost elements of each segment, in descending order of one of their channels.

        Args:
          inputs: an array of real, integer or bool dtype.
          segment_ids: integers of shape `(length,)`: the segment of each element; others than 0 to
            `num_segments` - 1 are dropped.
          keys: an array of real dtype and shape `(length,)`; `None` is the last channel, where one axis of
            channels comes behind that of the elements.
          row_splits: where segments start, in place of ids and their number; see `segment_sum_pool`.
          where: a mask of bools that broadcasts to `inputs`, of the elements that take part.

        Returns:
          The elements, of the shape of the inputs with `(segments, k)` in place of the axis, and of their dtype;
          integers and bools promote as in `jnp.mean`.
        """

class SoftArgmaxPool(Pooling):
    """Pools by taking the expected coordinates under a softmax along some axes: a spatial softmax.

    A module that applies `jaxpool.soft_argmax_pool`, whose documentation says what
    results mean. It learns `temperature`, in float32. This is a logarithm, for the
    function gets its exponential.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels, n)`.
      normalized: whether coordinates are from -1, the center of the first cell, to 1, that of the last, and 0
        where there is one cell only; otherwise they count cells from 0.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    normalized: bool = True
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        normalized: bool = True,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the expected coordinates under a softmax along some axes: a spatial softmax.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The coordinates, of the inputs' dtype and of their shape without the pooled axes, with one coordinate
          for each of these along a new last axis; integers and bools promote as in `jnp.mean`.
        """

class CovariancePool(Pooling):
    """Pools by taking the covariance of channels along some axes, or its square root.

    A module that applies `jaxpool.covariance_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, channels, channels)`.
      power: `"sqrt"` for the square root, `None` for the covariance.
      iterations: how many for the square root, at least 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    power: Literal['sqrt'] | None = 'sqrt'
    iterations: int = 5
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        power: Literal['sqrt'] | None = 'sqrt',
        iterations: int = 5,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the covariance of channels along some axes, or its square root.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          The matrices, of the inputs' dtype and of their shape without the pooled axes, with the channels along
          the last two; integers and bools promote as in `jnp.mean`.
        """

class BilinearPool(Pooling):
    """Pools by averaging the outer products of two arrays along some axes.

    A module that applies `jaxpool.bilinear_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, channels, channels of others)`.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        others: ArrayLike | None = None,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging the outer products of two arrays along some axes.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          others: a real array of the shape of `inputs` but for the last axis, or `None` for `inputs`.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          The matrices, of the inputs' dtype and of their shape without the pooled axes, with the channels of both
          along the last two; integers and bools promote as in `jnp.mean`.
        """

class CompactBilinearPool(Pooling):
    """Pools by averaging sketches of outer products along some axes: `bilinear_pool` in fewer numbers.

    A module that applies `jaxpool.compact_bilinear_pool`, whose documentation says what
    results mean. It has no parameters.

    Args:
      out_features: how many buckets there are, the length of the result.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, out_features)`.
      sketches: `(buckets, signs)`: integers from 0 to below `out_features` and numbers that are -1 or 1, in
        two arrays of one entry for each of the inputs' channels and then one for each of the others'. Or a
        seed, with which they are `random.randint(out_features, size=n)` and then
        `2 * random.randint(2, size=n) - 1` of `random = np.random.RandomState(seed)`.
    """
    out_features: int
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    sketches: SupportsIndex | Sequence[ArrayLike] = 0
    def __init__(
        self,
        out_features: int,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        sketches: SupportsIndex | Sequence[ArrayLike] = 0,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        others: ArrayLike | None = None,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging sketches of outer products along some axes: `bilinear_pool` in fewer numbers.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          others: a real array of the shape of `inputs` but for the last axis, or `None` for `inputs`, which has
            two sketches then.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          The sketches' means, of the inputs' dtype and of their shape without the pooled axes, with
          `out_features` along the last; integers and bools promote as in `jnp.mean`.
        """

class NetvladPool(Pooling):
    """Pools by adding what along some axes differs from centers, each to those that it is assigned to.

    A module that applies `jaxpool.netvlad_pool`, whose documentation says what results
    mean. It learns `centers`, `kernel`, `bias`, in float32. The centers start at random,
    of about unit length; those of k-means are better, with the kernel and the bias that
    follow from them.

    Args:
      num_clusters: the number of centers.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, clusters, channels)`.
    """
    num_clusters: int
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    def __init__(
        self,
        num_clusters: int,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by adding what along some axes differs from centers, each to those that it is assigned to.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          An array of the inputs' dtype and of their shape without the pooled axes, with clusters and channels
          along the last two; integers and bools promote as in `jnp.mean`. The paper's descriptor is
          `.reshape(batch, -1)` of it.
        """

class FractionalMaxPool(Pooling, Generic[_Result]):
    """Pools by taking the maximum of windows at random places, for any ratio of sizes.

    A module that applies `jaxpool.fractional_max_pool`, whose documentation says what
    results mean. It has no parameters. A call takes a key from the stream 'pooling', or
    else the default one, unless it is `deterministic` or given what to draw with.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`; `None` with `pseudo_random`.
      output_shape: the number of windows along each spatial axis.
      pseudo_random: whether windows are drawn as TensorFlow does, and not as PyTorch.
      overlapping: with `pseudo_random`, whether a window includes the first cell of the next one.
      deterministic: whether all samples are one half, for the same windows in each call.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      return_indices: whether to return also where each maximum was found.
    """
    window_shape: Sequence[SupportsIndex] | None
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    pseudo_random: bool = False
    overlapping: bool = False
    deterministic: bool = False
    channel_axis: int | None = -1
    return_indices: bool = False
    @overload
    def __init__(
        self: FractionalMaxPool[Array],
        window_shape: Sequence[SupportsIndex] | None,
        output_shape: Sequence[SupportsIndex],
        *,
        pseudo_random: bool = False,
        overlapping: bool = False,
        deterministic: bool = False,
        channel_axis: int | None = -1,
        return_indices: Literal[False] = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: FractionalMaxPool[tuple[Array, Array]],
        window_shape: Sequence[SupportsIndex] | None,
        output_shape: Sequence[SupportsIndex],
        *,
        pseudo_random: bool = False,
        overlapping: bool = False,
        deterministic: bool = False,
        channel_axis: int | None = -1,
        return_indices: Literal[True],
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        deterministic: bool | None = None,
        *,
        random_samples: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> _Result:
        """Pools by taking the maximum of windows at random places, for any ratio of sizes.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          deterministic: whether this call draws nothing; `None` for what the module was made with.
          random_samples: the samples, in [0, 1), in the order of the spatial axes: of shape `(n,)` for `n`
            spatial axes, or `(*batch, channels, n)`, or `(*batch, n)` where there are no channels.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The maxima, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype. With
          `return_indices`, a pair with int32 positions of the same shape, row-major in the spatial block
          (`y * width + x`, PyTorch's convention).
        """

class FractionalAvgPool(Pooling):
    """Pools by averaging windows at random places, for any ratio of sizes.

    A module that applies `jaxpool.fractional_avg_pool`, whose documentation says what
    results mean. It has no parameters. A call takes a key from the stream 'pooling', or
    else the default one, unless it is `deterministic` or given what to draw with.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`; `None` with `pseudo_random`.
      output_shape: the number of windows along each spatial axis.
      pseudo_random: whether windows are drawn as TensorFlow does, and not as PyTorch.
      overlapping: with `pseudo_random`, whether a window includes the first cell of the next one.
      deterministic: whether all samples are one half, for the same windows in each call.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    window_shape: Sequence[SupportsIndex] | None
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    pseudo_random: bool = False
    overlapping: bool = False
    deterministic: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex] | None,
        output_shape: Sequence[SupportsIndex],
        *,
        pseudo_random: bool = False,
        overlapping: bool = False,
        deterministic: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        deterministic: bool | None = None,
        *,
        random_samples: ArrayLike | None = None,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging windows at random places, for any ratio of sizes.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
            numeric dtype.
          deterministic: whether this call draws nothing; `None` for what the module was made with.
          random_samples: the samples, in [0, 1), in the order of the spatial axes: of shape `(n,)` for `n`
            spatial axes, or `(*batch, channels, n)`, or `(*batch, n)` where there are no channels.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The averages, of shape `(*batch, *output_shape, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class StochasticPool(Pooling):
    """Pools by drawing an element of each window, with a probability in proportion to its size.

    A module that applies `jaxpool.stochastic_pool`, whose documentation says what
    results mean. It has no parameters. A call takes a key from the stream 'pooling', or
    else the default one, unless it is `deterministic` or given what to draw with.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      deterministic: whether to give the expectation in place of a draw.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    deterministic: bool = False
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        deterministic: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        deterministic: bool | None = None,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by drawing an element of each window, with a probability in proportion to its size.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          deterministic: whether this call draws nothing; `None` for what the module was made with.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The elements or their expectations, of shape `(*batch, *pooled, channels)` and of the inputs' dtype;
          integers and bools promote as in `jnp.mean`.
        """

class BlurPool(Pooling):
    """Pools by averaging with a binomial filter, which keeps a coarser grid from aliasing.

    A module that applies `jaxpool.blur_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      filter_size: the filter's length along each spatial axis; 1 takes every `strides`-th cell, and 2 is
        `avg_pool`.
      strides: the step between windows along each spatial axis. There are as many spatial axes as strides.
      padding: what lies beyond the ends: `"REFLECT"` the cells inside in mirror order, without repeating the
        last one, `"EDGE"` the last cell, `"ZERO"` zeros, `"WRAP"` the cells of the other end.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    filter_size: int = 3
    strides: Sequence[SupportsIndex] = (2, 2)
    padding: BlurPadding = 'REFLECT'
    _: KW_ONLY
    channel_axis: int | None = -1
    def __init__(
        self,
        filter_size: int = 3,
        strides: Sequence[SupportsIndex] = (2, 2),
        padding: BlurPadding = 'REFLECT',
        *,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging with a binomial filter, which keeps a coarser grid from aliasing.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any numeric
            dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The blurred array, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class MaxBlurPool(Pooling):
    """Pools by taking the maximum around every cell, then blurs and takes every `strides`-th.

    A module that applies `jaxpool.max_blur_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      window_shape: the size of the maximum's window along each spatial axis, such as `(2, 2)`.
      strides: the step of the blur along each spatial axis; `None` is 1.
      padding: the maximum's: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the
        start), `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)`
        pairs.
      window_dilation: the step between the elements of the maximum's window; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      filter_size: the blur's length along each spatial axis.
      blur_padding: what the blur takes for cells beyond the ends: `"REFLECT"`, `"EDGE"`, `"ZERO"` or
        `"WRAP"`, as `blur_pool`.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    channel_axis: int | None = -1
    filter_size: int = 3
    blur_padding: BlurPadding = 'REFLECT'
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        channel_axis: int | None = -1,
        filter_size: int = 3,
        blur_padding: BlurPadding = 'REFLECT',
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by taking the maximum around every cell, then blurs and takes every `strides`-th.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` takes no
            part, and is without harm if it is NaN.

        Returns:
          The blurred maxima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class PolyphasePool(Pooling):
    """Pools by keeping the grid with the largest norm, of those that the strides can keep.

    A module that applies `jaxpool.polyphase_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      strides: the step of the grids along each spatial axis, which must divide its length. There are as many
        spatial axes as strides.
      p: the order of the norm, above 0; `jnp.inf` for the largest magnitude.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    strides: Sequence[SupportsIndex]
    _: KW_ONLY
    p: float = 2.0
    channel_axis: int | None = -1
    def __init__(
        self,
        strides: Sequence[SupportsIndex],
        *,
        p: float = 2.0,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Pools by keeping the grid with the largest norm, of those that the strides can keep.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.

        Returns:
          The components that were kept, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers
          and bools promote as in `jnp.mean`.
        """

class SpectralPool(Pooling):
    """Pools by cropping the spectrum: keeps the low frequencies, on a grid of any size.

    A module that applies `jaxpool.spectral_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      output_shape: the length of the result along each spatial axis, such as `(7, 7)`; `None` keeps an axis
        as it is.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    output_shape: Sequence[SupportsIndex | None]
    _: KW_ONLY
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex | None],
        *,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Pools by cropping the spectrum: keeps the low frequencies, on a grid of any size.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
            numeric dtype.

        Returns:
          An array of shape `(*batch, *output_shape, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class WaveletPool(Pooling):
    """Pools by one level of an orthonormal wavelet transform: its low band, or all of its bands.

    A module that applies `jaxpool.wavelet_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      strides: 2 for each spatial axis, or 1 for one that is kept as it is.
      wavelet: `"haar"`, `"db2"`, `"db3"` or `"db4"`: Daubechies' filters of 2, 4, 6 or 8 coefficients.
      bands: `"low"` for what is low along each axis; `"all"` for all bands, side by side along the axis of
        channels: of two axes LL, LH, HL and HH, of which the first letter is that of the first axis.
      channel_axis: the axis of channels; `None` where there is none, and all bands become a last axis. The
        spatial axes are the last ones once it is set aside.
    """
    strides: Sequence[SupportsIndex] = (2, 2)
    _: KW_ONLY
    wavelet: Wavelet = 'haar'
    bands: Bands = 'low'
    channel_axis: int | None = -1
    def __init__(
        self,
        strides: Sequence[SupportsIndex] = (2, 2),
        *,
        wavelet: Wavelet = 'haar',
        bands: Bands = 'low',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Pools by one level of an orthonormal wavelet transform: its low band, or all of its bands.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of any
            numeric dtype.

        Returns:
          An array of shape `(*batch, *pooled, channels)`, with `"all"` of 2 to the number of halved axes times as
          many channels, and of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class WaveletUnpool(Pooling):
    """Puts the bands of a wavelet transform together again: the inverse of `wavelet_pool` of all bands.

    A module that applies `jaxpool.wavelet_unpool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      strides: as for `wavelet_pool`.
      output_shape: the spatial shape of the result, for axes whose length was odd; `None` is twice the length
        of each halved axis.
      wavelet: as for `wavelet_pool`.
      channel_axis: the axis of channels; `None` where the result has none, and the last axis of `values` is
        that of bands. The spatial axes are the last ones once it is set aside.
    """
    strides: Sequence[SupportsIndex] = (2, 2)
    output_shape: Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    wavelet: Wavelet = 'haar'
    channel_axis: int | None = -1
    def __init__(
        self,
        strides: Sequence[SupportsIndex] = (2, 2),
        output_shape: Sequence[SupportsIndex] | None = None,
        *,
        wavelet: Wavelet = 'haar',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        values: ArrayLike,
    ) -> Array:
        """Puts the bands of a wavelet transform together again: the inverse of `wavelet_pool` of all bands.

        Args:
          values: the bands, an array of shape `(*batch, *pooled, bands * channels)`, of any numeric dtype.

        Returns:
          An array of shape `(*batch, *output_shape, channels)` and of the values' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class SubsamplePool(Pooling):
    """Pools by LeNet's trainable subsampling: the sum of each window, times a coefficient, plus a bias.

    A module that applies `jaxpool.subsample_pool`, whose documentation says what results
    mean. It learns `coefficient`, `bias`, in float32.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      activation: whether to apply LeNet's scaled hyperbolic tangent.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    activation: bool = False
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        activation: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by LeNet's trainable subsampling: the sum of each window, times a coefficient, plus a bias.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          An array of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools promote as
          in `jnp.mean`.
        """

class MixedPool(Pooling):
    """Pools by mixing the maximum and the average of each window in a proportion that is learned.

    A module that applies `jaxpool.mixed_pool`, whose documentation says what results
    mean. It learns `alpha`, in float32.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by mixing the maximum and the average of each window in a proportion that is learned.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The mixtures, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class GlobalMixedPool(Pooling):
    """Pools by mixing the maximum and the average along some axes in a proportion that is learned.

    A module that applies `jaxpool.global_mixed_pool`, whose documentation says what
    results mean. It learns `alpha`, in float32.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by mixing the maximum and the average along some axes in a proportion that is learned.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The mixtures, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GatedPool(Pooling):
    """Pools by mixing the maximum and the average of each window in a proportion that it decides itself.

    A module that applies `jaxpool.gated_pool`, whose documentation says what results
    mean. It learns `gate`, in float32.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by mixing the maximum and the average of each window in a proportion that it decides itself.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The mixtures, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and bools
          promote as in `jnp.mean`.
        """

class GemPool(Pooling):
    """Pools by the generalised mean of each window, with an exponent that is learned.

    A module that applies `jaxpool.gem_pool`, whose documentation says what results mean.
    It learns `p`, in float32.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      eps: the least value that elements count as, above 0.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    eps: float = 1e-06
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        eps: float = 1e-06,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by the generalised mean of each window, with an exponent that is learned.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The generalised means, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
          bools promote as in `jnp.mean`.
        """

class GlobalGemPool(Pooling):
    """Pools by the generalised mean along some axes, with an exponent that is learned.

    A module that applies `jaxpool.global_gem_pool`, whose documentation says what
    results mean. It learns `p`, in float32.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      eps: the least value that elements count as, above 0.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    eps: float = 1e-06
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        eps: float = 1e-06,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by the generalised mean along some axes, with an exponent that is learned.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The generalised means, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class GlobalLsePool(Pooling):
    """Pools by log-sum-exp along some axes, with a sharpness that is learned.

    A module that applies `jaxpool.global_lse_pool`, whose documentation says what
    results mean. It learns `r`, in float32.

    Args:
      axis: which axes to pool, one or several; `None` is all but the first and the last, so that
        `(batch, *spatial, channels)` becomes `(batch, channels)`.
      keepdims: whether the pooled axes stay, with length 1.
    """
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    keepdims: bool = False
    def __init__(
        self,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by log-sum-exp along some axes, with a sharpness that is learned.

        Args:
          inputs: an array of real, integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`, as in `jnp.mean`; an element where it is `False`
            takes no part, and is without harm if it is NaN.

        Returns:
          The smooth maxima, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class DetailPreservingPool(Pooling):
    """Pools by averaging each window with weights that grow with the distance from its mean.

    A module that applies `jaxpool.detail_preserving_pool`, whose documentation says what
    results mean. It learns `alpha`, `lam`, in float32. These are logarithms, for the
    function gets their exponentials.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
      symmetric: whether elements below the mean count as those above.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    symmetric: bool = False
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        symmetric: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging each window with weights that grow with the distance from its mean.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The weighted averages, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
          bools promote as in `jnp.mean`.
        """

class LipPool(Pooling):
    """Pools by averaging each window with importances that a network computes beside the inputs.

    A module that applies `jaxpool.lip_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      window_shape: the window's size along each spatial axis, such as `(2, 2)`.
      strides: the step between windows along each spatial axis; `None` is 1, as in Flax.
      padding: `"VALID"`, `"SAME"` (an odd cell goes to the end), `"SAME_LOWER"` (to the start),
        `"CAUSAL"` (all at the start), an int, a sequence of ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside, as many as `window_shape` has entries; those before them are batch axes.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'VALID'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'VALID',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        logits: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by averaging each window with importances that a network computes beside the inputs.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype.
          logits: logarithms of importances, an array of real dtype that broadcasts to `inputs`, such as one with
            a single channel.
          where: a mask of bools that broadcasts to `inputs`; an element where it is `False` is as padding:
            no element, and without harm if it is NaN.

        Returns:
          The weighted averages, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; integers and
          bools promote as in `jnp.mean`.
        """

class AttentionPool(Pooling):
    """Pools by multi-head attention of a query, or several, to everything along some axes.

    A module that applies `jaxpool.attention_pool`, whose documentation says what results
    mean. It learns `query`, `query_kernel`, `key_kernel`, `value_kernel`, `out_kernel`,
    `query_bias`, `value_bias`, `out_bias`, `positions`, in float32.

    Args:
      num_heads: the number of heads, which must divide the channels.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, features)`.
      out_features: the number of channels of the result; `None` for as many as the inputs have.
      learned_query: whether the query is learned; else it is the mean of the tokens.
      num_queries: how many queries are learned, where the result has a row for each; `None` for one
        query and no such axis.
      num_positions: how many positions are learned: that of the tokens, and one more for their mean;
        `None` for no positions.
      keepdims: whether the pooled axes stay, with length 1.
    """
    num_heads: int
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    out_features: int | None = None
    learned_query: bool = False
    num_queries: int | None = None
    num_positions: int | None = None
    keepdims: bool = False
    def __init__(
        self,
        num_heads: int,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        out_features: int | None = None,
        learned_query: bool = False,
        num_queries: int | None = None,
        num_positions: int | None = None,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by multi-head attention of a query, or several, to everything along some axes.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          An array of the inputs' dtype and of their shape without the pooled axes, with `features` along the
          last, and before them several queries; integers and bools promote as in `jnp.mean`.
        """

class RotaryAttentionPool(Pooling):
    """Pools by multi-head attention to everything along some axes, with rotary positions.

    A module that applies `jaxpool.rotary_attention_pool`, whose documentation says what
    results mean. It learns `query`, `query_kernel`, `key_kernel`, `value_kernel`,
    `out_kernel`, `query_bias`, `key_bias`, `value_bias`, `out_bias`, in float32.

    Args:
      num_heads: the number of heads.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, features)`.
      head_size: the size of each head, which twice the number of axes must divide; `None` for
        channels over heads.
      out_features: the number of channels of the result; `None` for as many as the inputs have.
      learned_query: whether the query is a class token that is learned; else it is the mean of the
        tokens.
      reference_shape: the lengths that positions are stretched to, one for each of these axes, in their order
        in the array; `None` for positions as they are.
      temperature: the $T$ of the angles, above 0.
      keepdims: whether the pooled axes stay, with length 1.
    """
    num_heads: int
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    head_size: int | None = None
    out_features: int | None = None
    learned_query: bool = False
    reference_shape: Sequence[SupportsIndex] | None = None
    temperature: float = 10000.0
    keepdims: bool = False
    def __init__(
        self,
        num_heads: int,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        head_size: int | None = None,
        out_features: int | None = None,
        learned_query: bool = False,
        reference_shape: Sequence[SupportsIndex] | None = None,
        temperature: float = 10000.0,
        keepdims: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by multi-head attention to everything along some axes, with rotary positions.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          An array of the inputs' dtype and of their shape without the pooled axes, with `features` along the
          last; integers and bools promote as in `jnp.mean`.
        """

class SimPool(Pooling):
    """Pools by SimPool: averages by the attention that the mean pays to everything along some axes.

    A module that applies `jaxpool.sim_pool`, whose documentation says what results mean.
    It learns `scale`, `bias`, `query_kernel`, `key_kernel`, `query_bias`, in float32.

    Args:
      num_heads: the number of heads, which must divide the channels.
      axis: which axes to pool, one or several, of which none is the last; `None` is all but the first and
        the last, so that `(batch, *spatial, channels)` becomes `(batch, channels)`.
      use_bias: whether the query has a bias.
      gamma: the exponent of powers, above 0; `None` for averages of the values themselves.
      eps: what is added to variances, above 0.
    """
    num_heads: int
    axis: SupportsIndex | Sequence[SupportsIndex] | None = None
    _: KW_ONLY
    use_bias: bool = False
    gamma: float | None = None
    eps: float = 1e-05
    def __init__(
        self,
        num_heads: int,
        axis: SupportsIndex | Sequence[SupportsIndex] | None = None,
        *,
        use_bias: bool = False,
        gamma: float | None = None,
        eps: float = 1e-05,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        *,
        where: ArrayLike | None = None,
    ) -> Array:
        """Pools by SimPool: averages by the attention that the mean pays to everything along some axes.

        Args:
          inputs: an array of real, integer or bool dtype, with channels along its last axis.
          where: a mask of bools, of one channel, that broadcasts to `inputs`; a token where it is `False` takes
            no part, and is without harm if it is NaN.

        Returns:
          An array of the inputs' dtype and of their shape without the pooled axes; integers and bools promote as
          in `jnp.mean`.
        """

class RoiAlign(Pooling):
    """Pools regions: divides each box into bins and averages samples of the inputs inside each bin.

    A module that applies `jaxpool.roi_align`, whose documentation says what results
    mean. It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      spatial_scale: how many cells of the inputs one unit of a box is, such as 1/16.
      sampling_ratio: the number of samples along each axis of a bin; `None` for as many as the bin has cells,
        rounded up, torchvision's -1.
      max_sampling_ratio: the most samples that a bin has with `sampling_ratio=None`.
      aligned: whether coordinates are those of the cells' edges, so that cell 0 reaches from 0 to 1. If not,
        they are those of centres, and boxes have an extent of at least 1: torchvision's default, and that of
        the first RoIAlign.
      reduction: `"avg"`, or `"max"` for the largest of a bin's samples.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    spatial_scale: float = 1.0
    sampling_ratio: SupportsIndex | None = 2
    max_sampling_ratio: SupportsIndex = 8
    aligned: bool = True
    reduction: Reduction = 'avg'
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        *,
        spatial_scale: float = 1.0,
        sampling_ratio: SupportsIndex | None = 2,
        max_sampling_ratio: SupportsIndex = 8,
        aligned: bool = True,
        reduction: Reduction = 'avg',
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        boxes: ArrayLike,
        *,
        box_indices: ArrayLike | None = None,
    ) -> Array:
        """Pools regions: divides each box into bins and averages samples of the inputs inside each bin.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype.
          boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
            `box_indices`: the lows and then the highs, each with the last axis first: `(x1, y1, x2, y2)`, as in
            torchvision.
          box_indices: integers of shape `(regions,)`: which image of a single batch axis each box is in; `None`
            where boxes have the batch of the inputs.

        Returns:
          The regions, of shape `(*batch, regions, *output_shape, channels)`, or `(regions, *output_shape,
          channels)` with `box_indices`, with the channels where the inputs have them relative to the spatial
          axes. They have the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class RoiPool(Pooling, Generic[_Result]):
    """Pools regions: divides each box into bins of whole cells and takes the maximum of each bin.

    A module that applies `jaxpool.roi_pool`, whose documentation says what results mean.
    It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      spatial_scale: how many cells of the inputs one unit of a box is, such as 1/16.
      return_indices: whether to return also where each maximum was found.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    spatial_scale: float = 1.0
    return_indices: bool = False
    channel_axis: int | None = -1
    @overload
    def __init__(
        self: RoiPool[Array],
        output_shape: Sequence[SupportsIndex],
        *,
        spatial_scale: float = 1.0,
        return_indices: Literal[False] = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: RoiPool[tuple[Array, Array]],
        output_shape: Sequence[SupportsIndex],
        *,
        spatial_scale: float = 1.0,
        return_indices: Literal[True],
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        boxes: ArrayLike,
        *,
        box_indices: ArrayLike | None = None,
    ) -> _Result:
        """Pools regions: divides each box into bins of whole cells and takes the maximum of each bin.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype.
          boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
            `box_indices`, such as `(x1, y1, x2, y2)`; see `roi_align`. The highs are cells of the box.
          box_indices: integers of shape `(regions,)`: which image of a single batch axis each box is in; `None`
            where boxes have the batch of the inputs.

        Returns:
          The maxima, of shape `(*batch, regions, *output_shape, channels)`, or `(regions, *output_shape,
          channels)` with `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`. With
          `return_indices`, a pair with int32 positions of the same shape, row-major in the spatial block.
        """

class PsRoiAlign(Pooling):
    """Pools regions as `roi_align` does, each bin from channels of its own.

    A module that applies `jaxpool.ps_roi_align`, whose documentation says what results
    mean. It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      spatial_scale: how many cells of the inputs one unit of a box is.
      sampling_ratio: the number of samples along each axis of a bin; `None` for as many as the bin has cells.
      max_sampling_ratio: the most samples that a bin has with `sampling_ratio=None`.
      channel_axis: the axis of channels.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    spatial_scale: float = 1.0
    sampling_ratio: SupportsIndex | None = 2
    max_sampling_ratio: SupportsIndex = 8
    channel_axis: int = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        *,
        spatial_scale: float = 1.0,
        sampling_ratio: SupportsIndex | None = 2,
        max_sampling_ratio: SupportsIndex = 8,
        channel_axis: int = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        boxes: ArrayLike,
        *,
        box_indices: ArrayLike | None = None,
    ) -> Array:
        """Pools regions as `roi_align` does, each bin from channels of its own.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype; the number of
            channels is a multiple of that of bins.
          boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
            `box_indices`, such as `(x1, y1, x2, y2)`; see `roi_align`.
          box_indices: integers of shape `(regions,)`: which image each box is in; `None` where boxes have the
            batch of the inputs.

        Returns:
          The regions, of shape `(*batch, regions, *output_shape, channels / bins)`, or without the batch with
          `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class PsRoiPool(Pooling):
    """Pools regions by averaging bins of whole cells, each from channels of its own.

    A module that applies `jaxpool.ps_roi_pool`, whose documentation says what results
    mean. It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      spatial_scale: how many cells of the inputs one unit of a box is.
      channel_axis: the axis of channels.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    spatial_scale: float = 1.0
    channel_axis: int = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        *,
        spatial_scale: float = 1.0,
        channel_axis: int = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        boxes: ArrayLike,
        *,
        box_indices: ArrayLike | None = None,
    ) -> Array:
        """Pools regions by averaging bins of whole cells, each from channels of its own.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype; the number of
            channels is a multiple of that of bins.
          boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
            `box_indices`, such as `(x1, y1, x2, y2)`; see `roi_align`.
          box_indices: integers of shape `(regions,)`: which image each box is in; `None` where boxes have the
            batch of the inputs.

        Returns:
          The averages, of shape `(*batch, regions, *output_shape, channels / bins)`, or without the batch with
          `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class MultiscaleRoiAlign(Pooling):
    """Pools regions as `roi_align` does, each from the level of a feature pyramid that suits its size.

    A module that applies `jaxpool.multiscale_roi_align`, whose documentation says what
    results mean. It has no parameters.

    Args:
      output_shape: the number of bins along each spatial axis, such as `(7, 7)`.
      image_shape: the number of pixels along each spatial axis of the image.
      canonical_scale: the size of a box that is pooled from the canonical level, in pixels.
      canonical_level: the logarithm of that level's stride: 4 for 16 pixels to a cell.
      sampling_ratio: the number of samples along each axis of a bin; `None` for as many as the bin has cells.
      max_sampling_ratio: the most samples that a bin has with `sampling_ratio=None`.
      aligned: as in `roi_align`; torchvision's class has `False`.
      channel_axis: the axis of channels; `None` where there is none.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    image_shape: Sequence[SupportsIndex]
    canonical_scale: float = 224
    canonical_level: SupportsIndex = 4
    sampling_ratio: SupportsIndex | None = 2
    max_sampling_ratio: SupportsIndex = 8
    aligned: bool = False
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        *,
        image_shape: Sequence[SupportsIndex],
        canonical_scale: float = 224,
        canonical_level: SupportsIndex = 4,
        sampling_ratio: SupportsIndex | None = 2,
        max_sampling_ratio: SupportsIndex = 8,
        aligned: bool = False,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        features: Sequence[ArrayLike] | Mapping[str, ArrayLike],
        boxes: ArrayLike,
        *,
        box_indices: ArrayLike | None = None,
    ) -> Array:
        """Pools regions as `roi_align` does, each from the level of a feature pyramid that suits its size.

        Args:
          features: the levels from fine to coarse, arrays of shape `(*batch, *spatial, channels)`, or a mapping
            to them in that order, such as one by name.
          boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
            `box_indices`, such as `(x1, y1, x2, y2)`, in pixels of the image; see `roi_align`.
          box_indices: integers of shape `(regions,)`: which image each box is in; `None` where boxes have the
            batch of the features.

        Returns:
          The regions, of shape `(*batch, regions, *output_shape, channels)`, or without the batch with
          `box_indices`, of the features' dtype; integers and bools promote as in `jnp.mean`.
        """

class CropAndResize(Pooling):
    """Crops boxes and resizes each to the same shape, by linear interpolation.

    A module that applies `jaxpool.crop_and_resize`, whose documentation says what
    results mean. It has no parameters.

    Args:
      output_shape: the length of the results along each spatial axis, such as `(14, 14)`.
      method: `"bilinear"`, or `"nearest"` for the nearest cell.
      extrapolation_value: what is outside the array.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
    """
    output_shape: Sequence[SupportsIndex]
    _: KW_ONLY
    method: Method = 'bilinear'
    extrapolation_value: float = 0.0
    channel_axis: int | None = -1
    def __init__(
        self,
        output_shape: Sequence[SupportsIndex],
        *,
        method: Method = 'bilinear',
        extrapolation_value: float = 0.0,
        channel_axis: int | None = -1,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
        boxes: ArrayLike,
        *,
        box_indices: ArrayLike | None = None,
    ) -> Array:
        """Crops boxes and resizes each to the same shape, by linear interpolation.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, of real, integer or bool dtype.
          boxes: an array of shape `(*batch, regions, 2 * n)` for $n$ spatial axes, or `(regions, 2 * n)` with
            `box_indices`: the lows and then the highs in the order of the axes, such as `(y1, x1, y2, x2)`, as in
            TensorFlow and unlike `roi_align`.
          box_indices: integers of shape `(regions,)`: which image of a single batch axis each box is in; `None`
            where boxes have the batch of the inputs.

        Returns:
          The crops, of shape `(*batch, regions, *output_shape, channels)`, or `(regions, *output_shape,
          channels)` with `box_indices`, of the inputs' dtype; integers and bools promote as in `jnp.mean`.
        """

class Dilate(Pooling):
    """Dilates by a structuring element: the maximum of each window, plus what the element has there.

    A module that applies `jaxpool.morphology.dilate`, whose documentation says what
    results mean. It learns `kernel`, in float32. It starts as zeros, a flat box; with
    `per_channel` as one for each channel.

    Args:
      window_shape: the kernel's size along each spatial axis, such as `(3, 3)`.
      strides: the step between windows along each spatial axis; `None` is 1.
      padding: `"SAME"` (an odd cell goes to the end, so that the centre of an element of even size is that of
        SciPy), `"SAME_LOWER"` (to the start), `"VALID"`, `"CAUSAL"` (all at the start), an int, a sequence of
        ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'SAME'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'SAME',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Dilates by a structuring element: the maximum of each window, plus what the element has there.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The maxima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; where `kernel` is not
          flat, integers and bools promote as in `jnp.mean`.
        """

class Erode(Pooling):
    """Erodes by a structuring element: the minimum of each window, less what the element has there.

    A module that applies `jaxpool.morphology.erode`, whose documentation says what
    results mean. It learns `kernel`, in float32. It starts as zeros, a flat box; with
    `per_channel` as one for each channel.

    Args:
      window_shape: the kernel's size along each spatial axis, such as `(3, 3)`.
      strides: the step between windows along each spatial axis; `None` is 1.
      padding: `"SAME_LOWER"` (an odd cell goes to the start, so that the centre of an element of even size is
        that of SciPy), `"SAME"` (to the end), `"VALID"`, `"CAUSAL"` (all at the start), an int, a sequence of
        ints, or a sequence of `(low, high)` pairs.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      ceil_mode: whether the output's size is rounded up, as PyTorch and ONNX do: a last window may
        overhang the end if it starts inside the input or its low padding.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    window_shape: Sequence[SupportsIndex]
    strides: Sequence[SupportsIndex] | None = None
    padding: Padding = 'SAME_LOWER'
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    ceil_mode: bool = False
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        window_shape: Sequence[SupportsIndex],
        strides: Sequence[SupportsIndex] | None = None,
        padding: Padding = 'SAME_LOWER',
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        ceil_mode: bool = False,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Erodes by a structuring element: the minimum of each window, less what the element has there.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The minima, of shape `(*batch, *pooled, channels)` and of the inputs' dtype; where `kernel` is not
          flat, integers and bools promote as in `jnp.mean`.
        """

class Open(Pooling):
    """Opens by a structuring element: erodes, then dilates, which removes what is bright and small.

    A module that applies `jaxpool.morphology.open`, whose documentation says what
    results mean. It has no parameters.

    Args:
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    kernel: Kernel
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        kernel: Kernel,
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Opens by a structuring element: erodes, then dilates, which removes what is bright and small.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The opening, of the inputs' shape and dtype; where `kernel` is not flat,
          integers and bools promote as in `jnp.mean`.
        """

class Close(Pooling):
    """Closes by a structuring element: dilates, then erodes, which fills what is dark and small.

    A module that applies `jaxpool.morphology.close`, whose documentation says what
    results mean. It has no parameters.

    Args:
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    kernel: Kernel
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        kernel: Kernel,
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """Closes by a structuring element: dilates, then erodes, which fills what is dark and small.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The closing, of the inputs' shape and dtype; where `kernel` is not flat,
          integers and bools promote as in `jnp.mean`.
        """

class Gradient(Pooling):
    """The morphological gradient: the dilation less the erosion, which is large at edges.

    A module that applies `jaxpool.morphology.gradient`, whose documentation says what
    results mean. It has no parameters.

    Args:
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    kernel: Kernel
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        kernel: Kernel,
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """The morphological gradient: the dilation less the erosion, which is large at edges.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The gradient, of the inputs' shape and dtype; where `kernel` is not flat,
          integers and bools promote as in `jnp.mean`.
        """

class TopHat(Pooling):
    """The white top hat: what an opening removes, which is bright and smaller than the element.

    A module that applies `jaxpool.morphology.top_hat`, whose documentation says what
    results mean. It has no parameters.

    Args:
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    kernel: Kernel
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        kernel: Kernel,
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """The white top hat: what an opening removes, which is bright and smaller than the element.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The top hat, of the inputs' shape and dtype; where `kernel` is not flat,
          integers and bools promote as in `jnp.mean`.
        """

class BlackHat(Pooling):
    """The black top hat: what a closing fills, which is dark and smaller than the element.

    A module that applies `jaxpool.morphology.black_hat`, whose documentation says what
    results mean. It has no parameters.

    Args:
      kernel: the structuring element. Flat: the shape of a box, such as `(3, 3)`, or a mask of bools, as an
        array or nested sequences, known before the program runs. Not flat: an array of floating-point
        numbers, one for each cell of the window, in which the result is differentiable too.
      window_dilation: the step between the elements of a window along each spatial axis; `None` is 1.
      channel_axis: the axis of channels; `None` where there is none. The spatial axes are the last ones
        once it is set aside.
      per_channel: whether the last axis of `kernel`, which is then not flat, is that of channels: each has an
        element of its own.
    """
    kernel: Kernel
    _: KW_ONLY
    window_dilation: Sequence[SupportsIndex] | None = None
    channel_axis: int | None = -1
    per_channel: bool = False
    def __init__(
        self,
        kernel: Kernel,
        *,
        window_dilation: Sequence[SupportsIndex] | None = None,
        channel_axis: int | None = -1,
        per_channel: bool = False,
        parent: nn.Module | None = None,
        name: str | None = None,
    ) -> None: ...
    def __call__(
        self,
        inputs: ArrayLike,
    ) -> Array:
        """The black top hat: what a closing fills, which is dark and smaller than the element.

        Args:
          inputs: an array of shape `(*batch, *spatial, channels)`, with any number of batch axes, of real,
            integer or bool dtype; it has as many spatial axes as the window of `kernel`.

        Returns:
          The black top hat, of the inputs' shape and dtype; where `kernel` is not flat,
          integers and bools promote as in `jnp.mean`.
        """
