"""Heads of networks that were trained elsewhere: their weights and settings, as pools here take them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from jaxpool._ops.sequence import global_first_pool, global_last_pool
from jaxpool._ops.weighted import global_sqrt_n_pool, global_weighted_avg_pool
from jaxpool._ops.whole import global_avg_pool, global_max_pool

# What each layout calls the query, the positions, the projections (together or one by one) and the result's.
_QUERIES = ("probe", "latent", "query")
_POSITIONS = ("positional_embedding", "pos_embed")
_JOINED = ("in_proj", "qkv")
_APART = (("q", "k", "v"), ("q_proj", "k_proj", "v_proj"))
_OUT = ("c_proj", "proj", "out_proj")


def attention_pool_parameters(state: Mapping[str, Any], num_heads: int, prefix: str = "") -> dict[str, Any]:
    """The parameters of `attention_pool` from those of a PyTorch module that pools by attention.

    It knows the modules by the names of their parameters:

    - CLIP's `AttentionPool2d`: `positional_embedding`, `q_proj`, `k_proj`, `v_proj`, `c_proj`;
    - timm's `AttentionPool2d`: `pos_embed`, `qkv` or `q`, `k` and `v`, and `proj`, if there is one;
    - timm's `AttentionPoolLatent`, SigLIP's head: `latent`, `q`, `kv`, `proj`, and `pos_embed`, if there;
    - `torch.nn.MultiheadAttention` with a query beside it, as in Hugging Face's SigLIP: `probe`,
      `attention.in_proj_weight`, `attention.out_proj`.

    A bias of the keys is left out: it adds the same to all logits of a head. What such heads do after they
    have pooled, such as SigLIP's normalisation and two layers with a residual connection, is no pool.

    Args:
      state: the module's `state_dict()`, or that of a network, with arrays that NumPy can read.
      num_heads: how many heads there are, which the parameters do not say.
      prefix: what comes before the names, such as `"visual.attnpool."`.

    Returns:
      The keyword arguments of `attention_pool` besides inputs, of float32. `query` is `None` where the mean
      of the tokens asks.

    Raises:
      ValueError: there is no projection of queries, keys and values, or the heads do not divide them.

    Example:
      >>> import jax, jax.numpy as jnp, numpy as np, jaxpool
      >>> state = {"pool.qkv.weight": np.ones((12, 4)), "pool.proj.weight": np.ones((3, 4))}
      >>> parameters = jaxpool.convert.attention_pool_parameters(state, num_heads=2, prefix="pool.")
      >>> jaxpool.attention_pool(jnp.ones((5, 7, 7, 4)), **parameters).shape
      (5, 3)

    References:
      Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021. Zhai et
      al., "Sigmoid Loss for Language Image Pre-Training", 2023.
    """
    own = {name.removeprefix("attention."): array for name, array in _own(state, prefix).items()}
    found = _attention(own, num_heads, prefix)
    channels = len(found["query_kernel"])
    query, positions = _first(own, _QUERIES), _first(own, _POSITIONS)
    if query is not None:
        query = query.reshape(-1, channels)
    found["query"] = query[0] if query is not None and len(query) == 1 else query
    found["positions"] = None if positions is None else positions.reshape(-1, channels)
    del found["key_bias"]
    return _as_arrays(found)


def rotary_attention_pool_parameters(
    state: Mapping[str, Any], num_heads: int, prefix: str = ""
) -> dict[str, Any]:
    """The parameters of `rotary_attention_pool` from those of timm's `RotAttentionPool2d`.

    That is one with timm's own rotations, `rope_type="cat"`, which have no parameters.

    Args:
      state: the module's `state_dict()`, or that of a network, with arrays that NumPy can read.
      num_heads: how many heads there are, which the parameters do not say.
      prefix: what comes before the names, such as `"head.pool."`.

    Returns:
      The keyword arguments of `rotary_attention_pool` besides inputs and options, of float32: timm's
      `ref_feat_size` is to be given beside them, as `reference_shape`. `query` is `None` where there is no
      class token, and the mean of the tokens asks.

    Raises:
      ValueError: there is no projection of queries, keys and values, or the heads do not divide them.

    Example:
      >>> import jax.numpy as jnp, numpy as np, jaxpool
      >>> state = {"qkv.weight": np.ones((24, 5)), "proj.weight": np.ones((3, 8))}
      >>> parameters = jaxpool.convert.rotary_attention_pool_parameters(state, num_heads=2)
      >>> jaxpool.rotary_attention_pool(jnp.ones((1, 9, 9, 5)), **parameters, reference_shape=(7, 7)).shape
      (1, 3)
    """
    own = _own(state, prefix)
    found = _attention(own, num_heads, prefix)
    found["query"] = own["cls_token"].ravel() if "cls_token" in own else None
    return _as_arrays(found)


def sim_pool_parameters(state: Mapping[str, Any], num_heads: int = 1, prefix: str = "") -> dict[str, Any]:
    """The parameters of `sim_pool` from those of timm's `SimPool2d` or `SimPool1d`.

    A bias of the keys is left out: it adds the same to all logits of a head.

    Args:
      state: the module's `state_dict()`, or that of a network, with arrays that NumPy can read.
      num_heads: how many heads there are, which the parameters do not say.
      prefix: what comes before the names, such as `"head.pool."`.

    Returns:
      The keyword arguments of `sim_pool` besides inputs and options, of float32: timm's `gamma` is to be
      given beside them.

    Raises:
      ValueError: there is no normalisation, or no projection of queries and keys; queries and keys are
        normalised; or the heads do not divide the channels.

    Example:
      >>> import jax.numpy as jnp, numpy as np, jaxpool
      >>> state = {"norm.weight": np.ones(4), "norm.bias": np.zeros(4)}
      >>> state |= {"q.weight": np.ones((4, 4)), "k.weight": np.ones((4, 4))}
      >>> parameters = jaxpool.convert.sim_pool_parameters(state, num_heads=2)
      >>> jaxpool.sim_pool(jnp.ones((5, 7, 7, 4)), **parameters, gamma=1.25).shape
      (5, 4)

    References:
      Psomas et al., "Keep It SimPool: Who Said Supervised Transformers Suffer from Attention Deficit?", 2023.
    """
    own = _own(state, prefix)
    names = ("norm.weight", "norm.bias", "q.weight", "k.weight")
    if not {*names} <= {*own} or any(name.startswith(("q_norm.", "k_norm.")) for name in own):
        raise ValueError(
            f"state must have {', '.join(names)} behind prefix={prefix!r}, and no q_norm or k_norm, got "
            f"{sorted(own)}."
        )
    channels = len(own["norm.weight"])
    heads = _heads(num_heads, channels)
    found = {
        "scale": own["norm.weight"],
        "bias": own["norm.bias"],
        "query_kernel": own["q.weight"].T.reshape(channels, *heads),
        "key_kernel": own["k.weight"].T.reshape(channels, *heads),
        "query_bias": own["q.bias"].reshape(heads) if "q.bias" in own else None,
    }
    return _as_arrays(found)


def sentence_pool(config: Mapping[str, Any]) -> Callable[..., Array]:
    """The pool that sentence-transformers' `Pooling` is, as its `config.json` says.

    Positions, by which `weightedmean` weighs, count from the first token that is no padding, as they do in
    sentence-transformers 6.2; in 5.7 they counted from the padding. A sentence without tokens is 0, but its
    maximum is the lowest value.

    Args:
      config: what the file holds: `pooling_mode`, the name of a mode or several whose results are
        concatenated, or as of older versions `pooling_mode_mean_tokens` and the like; and `include_prompt`.

    Returns:
      A function of tokens of shape `(batch, length, channels)`, a mask of shape `(batch, length)`, 1 or
      `True` where a token is no padding, whatever its side, and `prompt_length=0`, how many tokens each
      sentence begins with that `include_prompt=False` leaves out. It returns embeddings of shape
      `(batch, modes * channels)`.

    Raises:
      ValueError: a mode is none of sentence-transformers'.

    Example:
      >>> import jax.numpy as jnp, jaxpool
      >>> config = {"embedding_dimension": 1, "pooling_mode": ["mean", "lasttoken"]}
      >>> tokens = jnp.array([[1.0, 3.0, 99.0]])[..., None]
      >>> jaxpool.convert.sentence_pool(config)(tokens, jnp.array([[1, 1, 0]]))
      Array([[2., 3.]], dtype=float32)

    References:
      Reimers and Gurevych, "Sentence-BERT: Sentence Embeddings using Siamese BERT-Networks", 2019.
    """
    modes, leaves_out = _modes_of(config), not config.get("include_prompt", True)

    def pool(tokens: ArrayLike, mask: ArrayLike, prompt_length: ArrayLike = 0) -> Array:
        where = jnp.asarray(mask).astype(np.bool_)[..., None]
        places = jnp.arange(1, where.shape[1] + 1)[None, :, None]
        positions = places - jnp.argmax(where, 1, keepdims=True)
        if leaves_out:
            where &= positions > prompt_length
        weights = positions.astype(np.float32)
        return jnp.concatenate([_MODES[mode](tokens, where, weights) for mode in modes], -1)

    return pool


def _modes_of(config: Mapping[str, Any]) -> list[str]:
    """The modes of a configuration in the order of their results; the mean where it says nothing."""
    modes = config.get("pooling_mode")
    if modes is None:
        modes = [mode for mode in _MODES if config.get(f"pooling_mode_{_FORMER.get(mode, mode)}")] or "mean"
    modes = [modes] if isinstance(modes, str) else list(modes)
    if not modes or not {*modes} <= {*_MODES}:
        raise ValueError(f"pooling_mode of config must have modes of {', '.join(_MODES)}, got {modes}.")
    return modes


# In the order in which older versions of sentence-transformers concatenate them.
_MODES: dict[str, Callable[[Any, Array, Array], Array]] = {
    "cls": lambda tokens, where, _: global_first_pool(tokens, where=where),
    "max": lambda tokens, where, _: global_max_pool(tokens, where=where),
    "mean": lambda tokens, where, _: global_avg_pool(tokens, where=where),
    "mean_sqrt_len_tokens": lambda tokens, where, _: global_sqrt_n_pool(tokens, where=where),
    "weightedmean": lambda tokens, where, weights: global_weighted_avg_pool(tokens, weights, where=where),
    "lasttoken": lambda tokens, where, _: global_last_pool(tokens, where=where),
}
# What they called some of them, behind `pooling_mode_`.
_FORMER = {
    "cls": "cls_token",
    "max": "max_tokens",
    "mean": "mean_tokens",
    "weightedmean": "weightedmean_tokens",
}


def _own(state: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """The parameters behind the prefix, without it."""
    return {
        name.removeprefix(prefix): np.asarray(array, np.float32)
        for name, array in state.items()
        if name.startswith(prefix)
    }


def _as_arrays(found: Mapping[str, np.ndarray | None]) -> dict[str, Array | None]:
    return {name: None if array is None else jnp.asarray(array) for name, array in found.items()}


def _attention(own: Mapping[str, np.ndarray], num_heads: int, prefix: str) -> dict[str, Any]:
    """The kernels and biases of an attention, as pools here take them."""
    weights, biases = (_projections(own, kind) for kind in ("weight", "bias"))
    if len(weights) != 3:
        raise ValueError(
            f"state must have projections of queries, keys and values behind prefix={prefix!r}, got "
            f"{sorted(own)}."
        )
    features, channels = weights[0].shape
    heads, names = _heads(num_heads, features), ("query", "key", "value")
    out_kernel = _first(own, [f"{name}.weight" for name in _OUT])
    out_kernel = np.eye(features, dtype=np.float32) if out_kernel is None else out_kernel.T
    kernels = {
        f"{name}_kernel": weight.T.reshape(channels, *heads)
        for name, weight in zip(names, weights, strict=True)
    }
    return {
        **kernels,
        "out_kernel": out_kernel.reshape(*heads, -1),
        **{f"{name}_bias": biases[i].reshape(heads) if biases else None for i, name in enumerate(names)},
        "out_bias": _first(own, [f"{name}.bias" for name in _OUT]),
    }


def _heads(num_heads: int, features: int) -> tuple[int, int]:
    if num_heads < 1 or features % num_heads:
        raise ValueError(f"num_heads must divide the {features} features, got {num_heads!r}.")
    return num_heads, features // num_heads


def _projections(own: Mapping[str, np.ndarray], kind: str) -> list[np.ndarray]:
    """Those of queries, keys and values; none where the module has none, of this kind."""
    for name in _JOINED:
        for key in (f"{name}_{kind}", f"{name}.{kind}"):
            if key in own:
                return np.split(own[key], 3)
    if f"q.{kind}" in own and f"kv.{kind}" in own:
        return [own[f"q.{kind}"], *np.split(own[f"kv.{kind}"], 2)]
    for names in _APART:
        if all(f"{name}.{kind}" in own for name in names):
            return [own[f"{name}.{kind}"] for name in names]
    return []


def _first(own: Mapping[str, np.ndarray], names: Any) -> np.ndarray | None:
    return next((own[name] for name in names if name in own), None)
