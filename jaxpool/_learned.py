"""What pools' modules learn: arrays that their functions take, and how these start."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from inspect import Parameter
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.nn.initializers import constant, lecun_normal, normal, ones, zeros

_Settings = Mapping[str, Any]


class Start(NamedTuple):
    """The shape of an array that is learned, and what it starts from."""

    shape: tuple[int, ...]
    initialize: Callable[..., Array]

    def make(self, key: Any) -> Array:
        return self.initialize(key, self.shape, jnp.float32)


class Learned(NamedTuple):
    """What the modules of a function learn.

    Attributes:
      starts: how each array starts, from the module's settings and the number of channels; `None` for none.
      sized: whether that depends on the number of channels.
      sampled: whether it is drawn at random.
      settings: what the modules are told that their function is not, and what it means.
      about: what the arrays start as, or stand for.
      logarithms: whether the function gets exponentials of the arrays, which are above 0.
    """

    starts: dict[str, Callable[[_Settings, int], Start | None]]
    sized: bool = False
    sampled: bool = False
    settings: Mapping[Parameter, str] = MappingProxyType({})
    about: str = ""
    logarithms: bool = False

    def start(self, settings: _Settings, channels: int) -> dict[str, Start]:
        """How the arrays of a module start."""
        starts = {name: start(settings, channels) for name, start in self.starts.items()}
        return {name: start for name, start in starts.items() if start is not None}


def learned(function: Callable) -> Learned:
    """What the modules of a pool learn."""
    return _LEARNED.get(function.__name__, Learned({}))


def _heads(settings: _Settings, channels: int) -> tuple[int, int]:
    heads = settings["num_heads"]
    if heads < 1 or channels % heads:
        raise ValueError(f"num_heads must divide the {channels} channels, got {heads!r}.")
    return heads, channels // heads


def _features(settings: _Settings, channels: int) -> int:
    return channels if settings["out_features"] is None else settings["out_features"]


def _projection(settings: _Settings, channels: int) -> Start:
    return Start((channels, *_heads(settings, channels)), lecun_normal(0, (1, 2)))


def _attention_query(settings: _Settings, channels: int) -> Start | None:
    queries = settings["num_queries"]
    if queries is None and not settings["learned_query"]:
        return None
    return Start((channels,) if queries is None else (queries, channels), normal(channels**-0.5))


def _attention_positions(settings: _Settings, channels: int) -> Start | None:
    tokens = settings["num_positions"]
    return None if tokens is None else Start((tokens, channels), normal(channels**-0.5))


def _sized_heads(settings: _Settings, channels: int) -> tuple[int, int]:
    size = settings["head_size"]
    return _heads(settings, channels) if size is None else (settings["num_heads"], size)


def _sized_projection(settings: _Settings, channels: int) -> Start:
    return Start((channels, *_sized_heads(settings, channels)), lecun_normal(0, (1, 2)))


def _class_token(settings: _Settings, channels: int) -> Start | None:
    return Start((channels,), normal(channels**-0.5)) if settings["learned_query"] else None


def _sim_bias(settings: _Settings, channels: int) -> Start | None:
    return Start(_heads(settings, channels), zeros) if settings["use_bias"] else None


def _element(settings: _Settings, channels: int) -> Start:
    return Start((*settings["window_shape"], *[channels] * settings["per_channel"]), zeros)


def _first(name: str, annotation: str) -> Parameter:
    return Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)


def _option(name: str, annotation: str, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


_STRUCTURING = Learned(
    {"kernel": _element},
    sized=True,
    settings={
        _first(
            "window_shape", "Sequence[SupportsIndex]"
        ): "the kernel's size along each spatial axis, such as `(3, 3)`."
    },
    about="It starts as zeros, a flat box; with `per_channel` as one for each channel.",
)

_LEARNED = {
    "subsample_pool": Learned(
        {
            "coefficient": lambda s, n: Start((n,), constant(1 / math.prod(s["window_shape"]))),
            "bias": lambda s, n: Start((n,), zeros),
        },
        sized=True,
    ),
    "mixed_pool": Learned({"alpha": lambda s, n: Start((), constant(0.5))}),
    "global_mixed_pool": Learned({"alpha": lambda s, n: Start((), constant(0.5))}),
    "gated_pool": Learned({"gate": lambda s, n: Start(s["window_shape"], zeros)}),
    "gem_pool": Learned({"p": lambda s, n: Start((), constant(3.0))}),
    "global_gem_pool": Learned({"p": lambda s, n: Start((), constant(3.0))}),
    "global_lse_pool": Learned({"r": lambda s, n: Start((), constant(10.0))}),
    "detail_preserving_pool": Learned(
        {"alpha": lambda s, n: Start((n,), zeros), "lam": lambda s, n: Start((n,), zeros)},
        sized=True,
        about="These are logarithms, for the function gets their exponentials.",
        logarithms=True,
    ),
    "attention_pool": Learned(
        {
            "query": _attention_query,
            "query_kernel": _projection,
            "key_kernel": _projection,
            "value_kernel": _projection,
            "out_kernel": lambda s, n: Start((*_heads(s, n), _features(s, n)), lecun_normal((0, 1), 2)),
            "query_bias": lambda s, n: Start(_heads(s, n), zeros),
            "value_bias": lambda s, n: Start(_heads(s, n), zeros),
            "out_bias": lambda s, n: Start((_features(s, n),), zeros),
            "positions": _attention_positions,
        },
        sized=True,
        sampled=True,
        settings={
            _first("num_heads", "int"): "the number of heads, which must divide the channels.",
            _option("out_features", "int | None", None): "the number of channels of the result; `None` for "
            "as many as the inputs have.",
            _option(
                "learned_query", "bool", False
            ): "whether the query is learned; else it is the mean of the tokens.",
            _option(
                "num_queries", "int | None", None
            ): "how many queries are learned, where the result has a "
            "row for each; `None` for one query and no such axis.",
            _option(
                "num_positions", "int | None", None
            ): "how many positions are learned: that of the tokens, "
            "and one more for their mean; `None` for no positions.",
        },
    ),
    "rotary_attention_pool": Learned(
        {
            "query": _class_token,
            **dict.fromkeys(("query_kernel", "key_kernel", "value_kernel"), _sized_projection),
            "out_kernel": lambda s, n: Start((*_sized_heads(s, n), _features(s, n)), lecun_normal((0, 1), 2)),
            **dict.fromkeys(
                ("query_bias", "key_bias", "value_bias"), lambda s, n: Start(_sized_heads(s, n), zeros)
            ),
            "out_bias": lambda s, n: Start((_features(s, n),), zeros),
        },
        sized=True,
        sampled=True,
        settings={
            _first("num_heads", "int"): "the number of heads.",
            _option(
                "head_size", "int | None", None
            ): "the size of each head, which twice the number of axes must "
            "divide; `None` for channels over heads.",
            _option("out_features", "int | None", None): "the number of channels of the result; `None` for "
            "as many as the inputs have.",
            _option(
                "learned_query", "bool", False
            ): "whether the query is a class token that is learned; else it is the mean of the tokens.",
        },
    ),
    "sim_pool": Learned(
        {
            "scale": lambda s, n: Start((n,), ones),
            "bias": lambda s, n: Start((n,), zeros),
            "query_kernel": _projection,
            "key_kernel": _projection,
            "query_bias": _sim_bias,
        },
        sized=True,
        sampled=True,
        settings={
            _first("num_heads", "int"): "the number of heads, which must divide the channels.",
            _option("use_bias", "bool", False): "whether the query has a bias.",
        },
    ),
    "soft_argmax_pool": Learned(
        {"temperature": lambda s, n: Start((), zeros)},
        about="This is a logarithm, for the function gets its exponential.",
        logarithms=True,
    ),
    "netvlad_pool": Learned(
        {
            "centers": lambda s, n: Start((s["num_clusters"], n), normal(n**-0.5)),
            "kernel": lambda s, n: Start((n, s["num_clusters"]), lecun_normal()),
            "bias": lambda s, n: Start((s["num_clusters"],), zeros),
        },
        sized=True,
        sampled=True,
        settings={_first("num_clusters", "int"): "the number of centers."},
        about="The centers start at random, of about unit length; those of k-means are better, with the "
        "kernel and the bias that follow from them.",
    ),
    "dilate": _STRUCTURING,
    "erode": _STRUCTURING,
}
