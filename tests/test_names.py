"""What users of other frameworks write, and what errors tell them to write here."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
import jaxpool.linen as linen_pool
import jaxpool.nnx as nnx_pool
from jaxpool import morphology
from jaxpool._elsewhere import ARGUMENTS, public
from tests.frameworks import SECTIONS
from tests.module_tables import POOLS, make_linen, make_nnx, settings_of

_X = np.zeros((2, 6, 5, 3), np.float32)
_FUNCTIONS = {
    name: function
    for home in (jaxpool, morphology)
    for name, function in vars(home).items()
    if inspect.isfunction(function) and not name.startswith(("_", "replace"))
}


@pytest.mark.parametrize("name", _FUNCTIONS)
def test_functions_know_names_from_elsewhere(name):
    function = _FUNCTIONS[name]
    known = inspect.signature(function).parameters
    for names, here, call, _ in ARGUMENTS:
        for elsewhere in names:
            if here in known and elsewhere not in known:
                message = rf"^{name}\(\) got an unexpected .* '{elsewhere}': write {re.escape(call)}"
                with pytest.raises(TypeError, match=message):
                    function(**{elsewhere: 2})
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'nobody'|required"):
        function(nobody=2)


@pytest.mark.parametrize("package", [linen_pool, nnx_pool])
@pytest.mark.parametrize("name", POOLS)
def test_modules_know_names_from_elsewhere(name, package):
    make, settings = (make_nnx if package is nnx_pool else make_linen), settings_of(name)
    known = inspect.signature(getattr(package, name)).parameters
    for names, here, call, _ in ARGUMENTS:
        if here in known and names[0] not in known:
            with pytest.raises(TypeError, match=rf"^{name}.* '{names[0]}': write {re.escape(call)}"):
                make(name, **settings | {names[0]: 2})


def test_every_name_is_known_to_some_function():
    used = set().union(*(inspect.signature(function).parameters for function in _FUNCTIONS.values()))
    assert {here for _, here, _, _ in ARGUMENTS} <= used
    for names, here, call, _ in ARGUMENTS:
        assert call.startswith(f"{here}=")
        assert here not in names


def test_the_page_has_the_same_names():
    rows = re.findall(r"^\| (`.*) \| `(.*?)`, (.*) \|$", SECTIONS["Arguments"], re.MULTILINE)
    expected = [(", ".join(f"`{n}`" for n in names), call, about) for names, _, call, about in ARGUMENTS]
    assert rows == expected


def test_a_name_that_is_an_argument_is_no_mistake():
    assert public(lambda kernel_size, window_shape: kernel_size)(kernel_size=3, window_shape=2) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_shape": [1, 2, 2, 1]}, r"none for batch and channels, got \(1, 2, 2, 1\) for inputs of 4"),
        ({"window_shape": (1, 1, 2, 2)}, r"none for batch and channels, got \(1, 1, 2, 2\) for inputs of 4"),
        ({"strides": [1, 2, 2, 1]}, r"strides must have 2 entries, got \[1, 2, 2, 1\] with 4"),
        ({"padding": [(0, 0), (1, 1), (1, 1), (0, 0)]}, "padding must have 2 entries, got .* with 4"),
    ],
)
def test_windows_with_batch_and_channels(arguments, message):
    """As TensorFlow, Haiku and `lax.reduce_window` have them."""
    with pytest.raises(ValueError, match=message):
        jaxpool.max_pool(_X, **{"window_shape": (2, 2)} | arguments)


def test_a_window_of_all_axes_is_none_of_batch_and_channels():
    assert jaxpool.max_pool(_X, (1, 2, 2, 1), channel_axis=None).shape == (2, 5, 4, 3)
    assert jaxpool.max_pool(_X[None], (1, 2, 2, 1)[:3]).shape == (1, 2, 5, 4, 3)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda t: jaxpool.max_pool(_X, (t, t)), "every entry of window_shape"),
        (lambda t: jaxpool.max_pool(_X, t), "window_shape"),
        (lambda t: jaxpool.max_pool(_X, jnp.stack([t, t])), "window_shape"),
        (lambda t: jaxpool.avg_pool(_X, (2, 2), padding=t), "padding"),
        (lambda t: jaxpool.avg_pool(_X, (2, 2), padding=[(t, 0), (0, 0)]), "each entry of padding"),
        (lambda t: jaxpool.global_max_pool(_X, t), "axis"),
        (lambda t: jaxpool.global_max_pool(_X, (1, t)), "every entry of axis"),
        (lambda t: jaxpool.global_topk_pool(_X, t), "k"),
        (lambda t: jaxpool.logsumexp_pool(_X, (2, 2), temperature=t), "temperature"),
        (lambda t: jaxpool.logsumexp_pool(_X, (2, 2), mean=t), "mean"),
        (lambda t: nnx_pool.MaxPool((2, t)), "every entry of window_shape"),
    ],
)
def test_what_must_be_static(call, name):
    with pytest.raises(
        TypeError, match=rf"{name} must .* got .*Tracer.*, which is traced: it must be static"
    ):
        jax.jit(call)(2)


def test_lists_are_no_arrays_and_long_ones_are_cut():
    with pytest.raises(
        TypeError, match=r"^inputs must be an array, got \[\[1.0.* of type list; jnp.asarray"
    ) as e:
        jaxpool.max_pool([[1.0, 2.0]] * 10_000, (2,))
    assert len(str(e.value)) < 300
    with pytest.raises(
        ValueError, match=r"^strides must have 2 entries, got \[1, 1.*\.\.\.\] with 10000"
    ) as e:
        jaxpool.max_pool(_X, (2, 2), [1] * 10_000)
    assert len(str(e.value)) < 300
