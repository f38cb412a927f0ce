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
from tests.frameworks import installed

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


# -------------------------------------------------------------------------------- transformers and sentences


def _images(transformers, family, torch):
    """A vision model of random weights, with patches of one pixel in a square of four."""
    config = getattr(transformers, f"{family}VisionConfig")(
        hidden_size=8,
        intermediate_size=12,
        num_attention_heads=HEADS,
        num_hidden_layers=1,
        patch_size=1,
        **({"num_patches": 4} if family == "Siglip2" else {"image_size": 2}),
    )
    model = getattr(transformers, f"{family}VisionModel")(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("family", ["Siglip", "Siglip2"])
def test_transformers_agrees_with_attention(family):
    """The head of a whole model, which normalises what has been pooled and adds two layers."""
    torch, transformers = installed("torch"), installed("transformers")
    torch.manual_seed(0)
    model, inputs, where = _images(transformers, family, torch), torch.randn(2, 3, 2, 2), None
    arguments = {"pixel_values": inputs}
    if family == "Siglip2":
        where = np.array([[1, 1, 0, 1], [0, 1, 1, 0]])
        shapes, mask = torch.tensor([[2, 2], [2, 2]]), torch.from_numpy(where)
        patches = inputs.flatten(2).mT
        arguments = {"pixel_values": patches, "pixel_attention_mask": mask, "spatial_shapes": shapes}
    with torch.no_grad():
        outputs = model(**arguments)
        state = {name: array.numpy() for name, array in model.state_dict().items()}
        prefix = next(name for name in state if name.endswith("probe")).removesuffix("probe")
        parameters = jaxpool.convert.attention_pool_parameters(state, HEADS, prefix)
        mask = None if where is None else where[..., None] == 1
        pooled = jaxpool.attention_pool(outputs.last_hidden_state.numpy(), **parameters, where=mask)
        pooled = torch.from_numpy(np.array(pooled))
        head = model.get_submodule(prefix.removesuffix("."))
        found = pooled + head.mlp(head.layernorm(pooled))
    np.testing.assert_allclose(found, outputs.pooler_output, rtol=1e-4, atol=1e-4)


def test_transformers_agrees_with_the_first_token():
    """That of an image's class, and of a text the first that ends it."""
    torch, transformers = installed("torch"), installed("transformers")
    torch.manual_seed(0)
    model = _images(transformers, "CLIP", torch)
    with torch.no_grad():
        outputs = model(torch.randn(2, 3, 2, 2))
        pooled = np.array(jaxpool.global_first_pool(outputs.last_hidden_state.numpy()))
        found = model.get_submodule(
            next(name for name, _ in model.named_modules() if name.endswith("post_layernorm"))
        )(torch.from_numpy(pooled))
        np.testing.assert_allclose(found, outputs.pooler_output, rtol=1e-5, atol=1e-5)
        config = transformers.CLIPTextConfig(
            vocab_size=9, hidden_size=8, num_attention_heads=2, num_hidden_layers=1, eos_token_id=8
        )
        ids = torch.tensor([[1, 8, 8, 8], [2, 3, 4, 8]])
        outputs = transformers.CLIPTextModel(config).eval()(ids)
    ends = ids.numpy()[..., None] == 8
    pooled = jaxpool.global_first_pool(outputs.last_hidden_state.numpy(), where=ends)
    np.testing.assert_allclose(pooled, outputs.pooler_output, rtol=1e-6)


_PADDED = np.array([[1, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 1, 1, 1, 0]])
_WEIGHTS = np.maximum(np.arange(1.0, 6) - _PADDED.argmax(1, keepdims=True), 0)[..., None]
_MODES = {
    "cls": reference.global_first_pool,
    "max": reference.global_max_pool,
    "mean": reference.global_avg_pool,
    "mean_sqrt_len_tokens": reference.global_sqrt_n_pool,
    "weightedmean": lambda x, where: reference.global_weighted_avg_pool(
        x, np.broadcast_to(_WEIGHTS, x.shape), where=where
    ),
    "lasttoken": reference.global_last_pool,
}


@pytest.mark.parametrize("mode", list(_MODES))
def test_sentence_modes(mode):
    x = random((5, 5, 3))
    found = jaxpool.convert.sentence_pool({"pooling_mode": mode})(x, _PADDED)
    expected = _MODES[mode](x, where=_PADDED[..., None] == 1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("prompt", [0, 2])
@pytest.mark.parametrize("mode", [*_MODES, tuple(_MODES)], ids=str)
def test_sentence_transformers_agrees(mode, prompt):
    """Values and gradients, with padding on both sides; without elements a mean is 0."""
    torch = installed("torch")
    modules = installed("sentence_transformers.sentence_transformer.modules")
    pooling = modules.Pooling(3, pooling_mode=mode, include_prompt=not prompt)
    mask = np.concatenate([_PADDED, np.zeros((1, 5), int)]) if mode in ("mean", "lasttoken") else _PADDED
    mask = mask[[0, 1, 4]] if prompt else mask  # of the others nothing would be left
    x, features = random((len(mask), 5, 3)), {"prompt_length": prompt}
    leaf = torch.from_numpy(x).requires_grad_()
    features |= {"token_embeddings": leaf, "attention_mask": torch.from_numpy(mask)}
    expected = pooling(features)["sentence_embedding"]
    torch.sin(expected).sum().backward()
    config = {name: getattr(pooling, name) for name in ("pooling_mode", "include_prompt")}

    def ours(x):
        return jaxpool.convert.sentence_pool(config)(x, mask, prompt_length=prompt)

    np.testing.assert_allclose(ours(x), expected.detach().numpy(), rtol=1e-6, atol=1e-6)
    slope = jax.grad(lambda x: jnp.sum(jnp.sin(ours(x))))(x)
    np.testing.assert_allclose(slope, leaf.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_layers_are_averaged_as_sentence_transformers_does():
    torch = installed("torch")
    modules = installed("sentence_transformers.sentence_transformer.modules")
    layers, weights = random((3, 2, 4, 5)), np.float32([1, 3])
    pooling = modules.WeightedLayerPooling(5, 2, 1, torch.from_numpy(weights))
    features = {"all_layer_embeddings": [torch.from_numpy(layer) for layer in layers]}
    expected = pooling(features)["token_embeddings"].numpy()
    found = jaxpool.global_weighted_avg_pool(layers[1:], weights[:, None, None, None], 0)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("config", "modes"),
    [
        ({}, ["mean"]),
        ({"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": False}, ["mean"]),
        ({"pooling_mode_lasttoken": True, "pooling_mode_cls_token": True}, ["cls", "lasttoken"]),
        (
            {f"pooling_mode_{name}": True for name in ("weightedmean_tokens", "max_tokens")},
            ["max", "weightedmean"],
        ),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ["mean_sqrt_len_tokens"]),
        ({"pooling_mode": ["lasttoken", "cls"], "pooling_mode_max_tokens": True}, ["lasttoken", "cls"]),
    ],
)
def test_sentence_modes_are_read_and_concatenated_in_their_order(config, modes):
    x = random((5, 5, 3))
    found = jaxpool.convert.sentence_pool(config)(x, _PADDED.astype(bool))
    expected = [_MODES[mode](x, where=_PADDED[..., None] == 1) for mode in modes]
    np.testing.assert_allclose(found, np.concatenate(expected, -1), rtol=1e-6)


@pytest.mark.parametrize("modes", ["average", [], ["cls", "average"]])
def test_modes_that_sentences_have_not_are_named(modes):
    with pytest.raises(ValueError, match="pooling_mode of config must have modes of cls, max"):
        jaxpool.convert.sentence_pool({"pooling_mode": modes})
