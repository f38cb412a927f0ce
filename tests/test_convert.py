"""Heads that were trained elsewhere: their parameters and settings, in every layout that is known."""

import importlib.util
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxpool
from tests import reference
from tests.cases import random

HEADS, CHANNELS, TOKENS = 2, 4, 6
NAMES = ("q", "k", "v")


def _attention(tokens, query, weights, biases, out, out_bias):
    """Of one query to the tokens of an image, with weights as PyTorch has them: (features, channels)."""
    q, k, v = (
        (rows @ weight.T + bias).reshape(len(rows), HEADS, -1)
        for rows, weight, bias in zip((query[None], tokens, tokens), weights, biases, strict=True)
    )
    logits = np.einsum("hd,nhd->hn", q[0], k) / np.sqrt(q.shape[-1])
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return np.einsum("hn,nhd->hd", shares, v).ravel() @ out.T + out_bias


def _drawn(*shape):
    return np.random.RandomState(sum(shape)).randn(*shape).astype(np.float32)


WEIGHTS, BIASES = _drawn(3, CHANNELS, CHANNELS), _drawn(3, CHANNELS)
OUT, OUT_BIAS = _drawn(5, CHANNELS), _drawn(5)
QUERY, POSITIONS = _drawn(CHANNELS), _drawn(TOKENS + 1, CHANNELS)
_APART = {
    f"{n}.{kind}": each
    for kind, all_ in (("weight", WEIGHTS), ("bias", BIASES))
    for n, each in zip(NAMES, all_, strict=True)
}
_JOINED = {"weight": WEIGHTS.reshape(-1, CHANNELS), "bias": BIASES.ravel()}
LAYOUTS = {
    "CLIP": {"positional_embedding": POSITIONS, "c_proj.weight": OUT, "c_proj.bias": OUT_BIAS}
    | {name.replace(".", "_proj."): array for name, array in _APART.items()},
    "timm qkv": {"pos_embed": POSITIONS, "proj.weight": OUT, "proj.bias": OUT_BIAS}
    | {f"qkv.{kind}": array for kind, array in _JOINED.items()},
    "timm apart": {"pos_embed": POSITIONS, "proj.weight": OUT, "proj.bias": OUT_BIAS} | _APART,
    "timm latent": {"latent": QUERY[None, None], "proj.weight": OUT, "proj.bias": OUT_BIAS}
    | {"q.weight": WEIGHTS[0], "q.bias": BIASES[0]}
    | {"kv.weight": WEIGHTS[1:].reshape(-1, CHANNELS), "kv.bias": BIASES[1:].ravel()},
    "SigLIP": {
        "probe": QUERY[None, None],
        "attention.out_proj.weight": OUT,
        "attention.out_proj.bias": OUT_BIAS,
    }
    | {f"attention.in_proj_{kind}": array for kind, array in _JOINED.items()},
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_attention_matches_its_definition(layout):
    state = LAYOUTS[layout]
    own = {f"head.{name}": array for name, array in state.items()} | {"other.qkv.weight": np.ones((3, 1))}
    parameters = jaxpool.convert.attention_pool_parameters(own, HEADS, "head.")
    x = random((2, TOKENS, CHANNELS))
    expected = []
    for tokens in x:
        query = QUERY
        if parameters["query"] is None:
            tokens = np.concatenate([tokens.mean(0, keepdims=True), tokens]) + POSITIONS
            query = tokens[0]
        expected.append(_attention(tokens, query, WEIGHTS, BIASES, OUT, OUT_BIAS))
    np.testing.assert_allclose(jaxpool.attention_pool(x, **parameters), expected, rtol=1e-5, atol=1e-5)


def test_what_an_attention_lacks_is_left_out():
    parameters = jaxpool.convert.attention_pool_parameters({"qkv.weight": _JOINED["weight"]}, HEADS)
    assert {name for name, array in parameters.items() if array is None} == {
        "query",
        "query_bias",
        "value_bias",
        "out_bias",
        "positions",
    }
    x, nothing = random((1, TOKENS, CHANNELS)), np.zeros((3, CHANNELS))
    expected = _attention(
        np.concatenate([x[0].mean(0, keepdims=True), x[0]]),
        x[0].mean(0),
        WEIGHTS,
        nothing,
        np.eye(CHANNELS),
        0,
    )
    np.testing.assert_allclose(jaxpool.attention_pool(x, **parameters)[0], expected, rtol=1e-5, atol=1e-5)


def test_several_latents_stay_several():
    state = LAYOUTS["timm latent"] | {"latent": _drawn(1, 3, CHANNELS)}
    parameters = jaxpool.convert.attention_pool_parameters(state, HEADS)
    assert jaxpool.attention_pool(random((2, TOKENS, CHANNELS)), **parameters).shape == (2, 3, 5)


@pytest.mark.parametrize(
    ("message", "state", "heads"),
    [
        ("state must have projections of queries, keys and values behind prefix=''", {"weight": OUT}, 2),
        ("num_heads must divide the 4 features, got 3", LAYOUTS["CLIP"], 3),
    ],
)
def test_mistakes_in_attention_are_named(message, state, heads):
    with pytest.raises(ValueError, match=message):
        jaxpool.convert.attention_pool_parameters(state, heads)


def test_pytorch_agrees():
    torch = pytest.importorskip("torch", reason="PyTorch is no dependency; it is installed to compare")
    attention = torch.nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True)
    torch.nn.init.normal_(attention.in_proj_bias)
    x = torch.from_numpy(random((3, TOKENS, CHANNELS)))
    probe = torch.from_numpy(QUERY[None, None]).expand(3, 1, CHANNELS)
    state = {"probe": probe[:1]} | {
        f"attention.{name}": array for name, array in attention.state_dict().items()
    }
    parameters = jaxpool.convert.attention_pool_parameters(state, HEADS)
    expected = attention(probe, x, x)[0].detach().numpy()[:, 0]
    np.testing.assert_allclose(
        jaxpool.attention_pool(x.numpy(), **parameters), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "settings", [{}, {"qkv_bias": False}, {"qkv_separate": True, "class_token": True}], ids=str
)
def test_timm_agrees_with_rotary_attention(settings, timm_layers):
    """Values and gradients, of pools with random weights."""
    import torch

    torch.manual_seed(0)
    heads = (
        {"embed_dim": CHANNELS, "num_heads": 1}
        if "class_token" in settings
        else {"embed_dim": 16, "num_heads": 2}
    )
    pool = timm_layers.RotAttentionPool2d(CHANNELS, 5, ref_feat_size=(2, 7), **heads, **settings)
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter)
    x = random((3, 4, 3, CHANNELS))
    parameters = jaxpool.convert.rotary_attention_pool_parameters(
        {name: array.numpy() for name, array in pool.state_dict().items()}, heads["num_heads"]
    )
    leaf = torch.from_numpy(x).requires_grad_()
    expected = pool(leaf.permute(0, 3, 1, 2))
    torch.sin(expected).sum().backward()

    def ours(x):
        return jaxpool.rotary_attention_pool(x, **parameters, reference_shape=(2, 7))

    np.testing.assert_allclose(ours(x), expected.detach().numpy(), rtol=1e-4, atol=1e-4)
    slope = jax.grad(lambda x: jnp.sum(jnp.sin(ours(x))))(x)
    np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=1e-3, atol=1e-3)


# ------------------------------------------------------------------------------------------------ SimPool

_SIM = {"norm.weight": _drawn(CHANNELS), "norm.bias": _drawn(CHANNELS + 1)[1:]}
_SIM |= {f"{name}.weight": WEIGHTS[i] for i, name in enumerate("qk")}


@pytest.mark.parametrize("biased", [False, True])
def test_sim_pool_matches_its_definition(biased):
    state = _SIM | ({"q.bias": BIASES[0], "k.bias": BIASES[1]} if biased else {})
    own = {f"head.{name}": array for name, array in state.items()} | {"q.weight": np.ones((3, 1))}
    parameters = jaxpool.convert.sim_pool_parameters(own, HEADS, "head.")
    assert (parameters["query_bias"] is not None) == biased
    x = random((2, TOKENS, CHANNELS))
    expected = []
    for tokens in x:
        normal = (tokens - tokens.mean(1, keepdims=True)) / np.sqrt(tokens.var(1, keepdims=True) + 1e-5)
        normal = normal * _SIM["norm.weight"] + _SIM["norm.bias"]
        eye = np.eye(CHANNELS)
        biases = [*(BIASES[:2] if biased else np.zeros((2, CHANNELS))), np.zeros(CHANNELS)]
        expected.append(_attention(normal, tokens.mean(0), [*WEIGHTS[:2], eye], biases, eye, 0))
    np.testing.assert_allclose(jaxpool.sim_pool(x, **parameters), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("message", "state", "heads"),
    [
        ("state must have norm.weight, norm.bias, q.weight, k.weight behind prefix=''", {}, 2),
        ("and no q_norm or k_norm", _SIM | {"q_norm.weight": OUT_BIAS}, 2),
        ("num_heads must divide the 4 features, got 3", _SIM, 3),
    ],
)
def test_mistakes_in_sim_pools_are_named(message, state, heads):
    with pytest.raises(ValueError, match=message):
        jaxpool.convert.sim_pool_parameters(state, heads)


@pytest.fixture
def timm_layers(monkeypatch):
    """timm's layers alone: its models import torchvision, of which its layers need the name of one class."""
    pytest.importorskip("torch", reason="PyTorch is no dependency; it is installed to compare")
    found = importlib.util.find_spec("timm")
    if found is None:
        pytest.skip("timm is no dependency; it is installed to compare")
    stubs = {name: types.ModuleType(name) for name in ("timm", "torchvision.ops.misc")}
    stubs["timm"].__path__ = found.submodule_search_locations
    stubs["torchvision.ops.misc"].FrozenBatchNorm2d = object
    stubs |= {name: types.ModuleType(name) for name in ("torchvision", "torchvision.ops")}
    for name, module in stubs.items():
        monkeypatch.setitem(sys.modules, name, module)
    return importlib.import_module("timm.layers")


@pytest.mark.parametrize("gamma", [None, 1.25])
@pytest.mark.parametrize("biased", [False, True])
def test_timm_agrees(biased, gamma, timm_layers):
    """Values and gradients, of pools with random weights."""
    import torch

    torch.manual_seed(0)
    pool = timm_layers.SimPool2d(CHANNELS, HEADS, qkv_bias=biased, gamma=gamma)
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter)
    smooth, x = timm_layers.LsePlus2d(r=2.5), random((3, 2, 3, CHANNELS))
    parameters = jaxpool.convert.sim_pool_parameters(
        {name: array.numpy() for name, array in pool.state_dict().items()}, HEADS
    )
    for theirs, ours in (
        (pool, lambda x: jaxpool.sim_pool(x, **parameters, gamma=gamma)),
        (smooth, lambda x: jaxpool.global_lse_pool(x, 2.5)),
    ):
        leaf = torch.from_numpy(x).requires_grad_()
        expected = theirs(leaf.permute(0, 3, 1, 2))
        torch.sin(expected).sum().backward()
        np.testing.assert_allclose(ours(x), expected.detach().numpy(), rtol=1e-4, atol=1e-4)
        slope = jax.grad(lambda x, ours=ours: jnp.sum(jnp.sin(ours(x))))(x)
        np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=1e-3, atol=1e-3)


# --------------------------------------------------------------------------------------------- sentences

_FIRST = np.array([[1, 1, 1, 0], [0, 1, 1, 1]])
_MODES = {
    "cls_token": reference.global_first_pool,
    "max_tokens": reference.global_max_pool,
    "mean_tokens": reference.global_avg_pool,
    "mean_sqrt_len_tokens": reference.global_sqrt_n_pool,
    "weightedmean_tokens": lambda x, where: reference.global_weighted_avg_pool(
        x, np.broadcast_to(np.arange(1.0, 5)[:, None], x.shape), where=where
    ),
    "lasttoken": reference.global_last_pool,
}


@pytest.mark.parametrize("mode", list(_MODES))
def test_sentence_modes(mode):
    x = random((2, 4, 3))
    found = jaxpool.convert.sentence_pool({f"pooling_mode_{mode}": True})(x, _FIRST)
    expected = _MODES[mode](x, where=_FIRST[..., None] == 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_sentence_modes_are_concatenated_in_their_order():
    x = random((2, 4, 3))
    config = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True, "include_prompt": True}
    found = jaxpool.convert.sentence_pool(config)(x, jnp.asarray(_FIRST, bool))
    assert found.shape == (2, 6)
    np.testing.assert_array_equal(found[:, :3], x[[0, 1], [0, 1]])


def test_a_sentence_needs_a_mode():
    with pytest.raises(ValueError, match=r"config must have one of pooling_mode_cls_token, .* that is true"):
        jaxpool.convert.sentence_pool({"pooling_mode_cls_token": False})
