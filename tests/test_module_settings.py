"""What is wrong with a module's settings is found when it is made, and says which module it is."""

import re

import numpy as np
import pytest

from jaxpool import _modules
from tests.module_tables import POOLS, RENAMED, make, settings_of


def test_mistakes_are_named(package):
    with pytest.raises(TypeError, match="window_shape"):
        package.MaxPool()
    with pytest.raises(TypeError, match="stride"):
        package.MaxPool((2, 2), stride=(2, 2))
    with pytest.raises(TypeError, match="MaxPool: window_shape must be a sequence of ints, such as"):
        package.MaxPool(2)


# Of these types a module does not know what is wrong before it is called.
_UNCHECKED = ("ArrayLike", "Callable[[Array, Array], Array]", "SupportsIndex | Sequence[ArrayLike]")


@pytest.mark.parametrize("name", POOLS)
def test_mistakes_are_found_when_a_module_is_made(name, package):
    settings, names = settings_of(name), RENAMED.get(package.__name__, {})
    checked = [p for p in _modules.parameters(POOLS[name]) if p.annotation not in _UNCHECKED]
    assert checked
    for p in checked:
        with pytest.raises(
            (TypeError, ValueError), match=rf"^{name}: .*{names.get(p.name, p.name)} must .* got "
        ):
            make(package, name, **settings | {p.name: object()})


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("MaxPool", {"window_shape": ()}, "window_shape must have at least one entry"),
        ("MaxPool", {"window_shape": (2, 0)}, "window_shape must hold ints of at least 1, got (2, 0)"),
        ("MaxPool", {"window_shape": (2, 2), "strides": (2,)}, "strides must have 2 entries"),
        ("MaxPool", {"window_shape": (2, 2), "padding": "SAM"}, "padding must be 'VALID', 'SAME', "),
        (
            "MinPool",
            {"window_shape": (2, 2), "padding": ((1, -1), 0)},
            "each entry of padding must hold ints",
        ),
        ("SumPool", {"window_shape": (2, 2), "window_dilation": (1, 2, 3)}, "window_dilation must have 2"),
        ("AvgPool", {"window_shape": (2, 2), "divisor_override": 0}, "divisor_override must not be 0"),
        ("SumPool", {"window_shape": (2, 2), "dtype": "int9"}, "dtype must be None or a dtype of numbers"),
        (
            "AvgPool",
            {"window_shape": (2, 2), "rounding": "nearest"},
            "rounding must be 'truncate' where dtype is not one of integers",
        ),
        (
            "AvgPool",
            {"window_shape": (2, 2), "divisor_override": -1, "dtype": np.int8},
            "divisor_override must be from 1 to 2147483647 where dtype is one of integers, got -1",
        ),
        ("GlobalQuantizedAvgPool", {"scale": 0, "zero_point": 0}, "scale must be above 0 and finite"),
        ("LpPool", {"window_shape": (2, 2), "p": 0}, "p must be above 0, got 0"),
        ("SoftPool", {"window_shape": (2, 2), "temperature": -1.0}, "temperature must be above 0"),
        ("QuantilePool", {"window_shape": (2, 2), "q": 1.5}, "q must be from 0 to 1, got 1.5"),
        ("StdPool", {"window_shape": (2, 2), "correction": 2}, "correction must be 0 or 1, got 2"),
        ("AdaptiveAvgPool", {"output_shape": (None, 0)}, "output_shape must be at least 1, got (None, 0)"),
        ("PyramidPool", {"levels": [1, [2, 0]]}, "levels must be at least 1, got (2, 0)"),
        ("BlurPool", {"padding": "SAME"}, "padding must be one of 'REFLECT', 'EDGE', 'ZERO', 'WRAP', got"),
        ("GlobalTopkPool", {"k": 0}, "k must be at least 1, got 0"),
        ("GlobalAvgPool", {"axis": (1, "2")}, "every entry of axis must be an int, got '2'"),
        ("Open", {"kernel": 3}, "kernel must be a sequence of ints, such as (3, 3), got the int 3"),
        ("Close", {"kernel": [[False]]}, "kernel must be True somewhere"),
    ],
)
def test_mistakes_are_those_of_the_function(package, name, settings, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(f"{name}: {message}")):
        getattr(package, name)(**settings)


def test_what_is_right_for_some_array_is_no_mistake(package):
    for settings in ({"padding": "same"}, {"padding": 0, "channel_axis": -7}, {"channel_axis": None}):
        assert package.MaxPool((300, 400), **settings)
    assert package.MaxPool(np.array([2, 2]), strides=(np.int64(2), 2), ceil_mode=np.bool_(True))
    assert package.MaxPool(np.array([2, 3])).window_shape == (2, 3)
    assert package.LpPool((2,), p=np.float32(2))
    assert package.MaxUnpool((0, 3))
    assert package.SpectralPool([None, 4])
