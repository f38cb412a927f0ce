"""Programs of JAX's own operations alone: which there are, what they compute, and what is lost."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from jax import lax
from jax.sharding import PartitionSpec as P

import jaxpool
import jaxpool.linen
import jaxpool.nnx
from jaxpool import _as_lax
from jaxpool._primitives._define import IN_LAX
from tests.cases import CASES, numbers, random
from tests.functions import FUNCTIONS
from tests.groups import GROUPS
from tests.programs import interpret


def _equations(program):
    """Those of a program and of all programs in it."""
    for equation in getattr(program, "jaxpr", program).eqns:
        yield equation
        for part in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_program):
            if _is_program(part):
                yield from _equations(part)


def _is_program(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def _operations(function, *arguments):
    return [equation.primitive for equation in _equations(jax.make_jaxpr(function)(*arguments))]


def _names(function, *arguments):
    return {primitive.name for primitive in _operations(function, *arguments)}


# --------------------------------------------------------------------------------------------- every function

GEOMETRIES = {case.name: case for case in CASES}
_ALL = [
    *((function, group) for group in reversed(GROUPS) for function in group.functions),
    *((function, GEOMETRIES["overlap"]) for function in FUNCTIONS),
]
ROWS = {function.name.partition(" ")[0]: (function, place) for function, place in _ALL}


@pytest.mark.parametrize(("function", "place"), ROWS.values(), ids=ROWS)
def test_there_are_no_operations_but_those_of_jax(function, place):
    def pool(inputs):
        return function.apply(inputs, *place.arguments, **place.options)

    inputs = numbers("ties", place.shape, "float32")
    assert not IN_LAX.keys() & set(_operations(jaxpool.as_lax(pool), inputs))
    assert not {"platform_index", "optimization_barrier"} & _names(jaxpool.as_lax(pool), inputs)
    results = interpret(lambda x: (pool(x), jaxpool.as_lax(pool)(x)), inputs, platform="tpu")
    for expected, got in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_a_program_with_pools_is_noticed():
    assert IN_LAX.keys() & set(_operations(lambda x: jaxpool.max_pool(x, (2,)), random((4, 1))))
    assert IN_LAX.keys() & set(
        _operations(jax.grad(lambda x: jaxpool.sum_pool(x, (2,)).sum()), random((4, 1)))
    )


# ---------------------------------------------------------------------------------------------- what they are

INPUTS = random((2, 9, 8, 3))
OWN = {
    "maxima": (lambda x: jaxpool.max_pool(x, (3, 3), (2, 2)), {"reduce_window_max"}),
    "minima": (lambda x: jaxpool.min_pool(x, (3, 3), window_dilation=(2, 2)), {"reduce_window_min"}),
    "sums": (lambda x: jaxpool.sum_pool(x, (3, 3), padding="SAME"), {"reduce_window_sum"}),
    "averages of adaptive bins of one size": (
        lambda x: jaxpool.adaptive_avg_pool(x, (3, 4)),
        {"reduce_window_sum", "broadcast_in_dim", "div"},
    ),
    "all": (jaxpool.global_min_pool, {"reduce_min", "broadcast_in_dim", "squeeze"}),
}


@pytest.mark.parametrize(("pool", "names"), OWN.values(), ids=OWN)
def test_operations_of_jax_on_windows(pool, names):
    assert _names(jaxpool.as_lax(pool), INPUTS) == names


def test_gradients_of_maxima_are_select_and_scatter():
    gradient = jaxpool.as_lax(jax.grad(lambda x: jnp.sum(jaxpool.max_pool(x, (3, 3), (2, 2)) ** 2)))
    assert "select_and_scatter" in _names(gradient, INPUTS)


GATHERS = {
    "bins that differ": lambda x: jaxpool.adaptive_avg_pool(x, (5, 3)),
    "users' own": lambda x: jnp.take(x, jnp.array([3, 12]), axis=1, mode="clip"),
}


def _asks_outside(function, monkeypatch):
    """Whether a gather of the function's program, in which there is no call, starts outside of the array."""
    program, outside = jax.make_jaxpr(function)(INPUTS), []

    def noted(equation, operands, replacements):
        if equation.primitive is lax.gather_p:
            array, starts = operands[0], np.asarray(operands[1])
            numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
            lasts = [array.shape[axis] - sizes[axis] for axis in numbers.start_index_map]
            outside.append(np.any(starts < 0) or np.any(starts > np.array(lasts)))
        return carry_out(equation, operands, replacements)

    carry_out = _as_lax._carry_out
    with monkeypatch.context() as patched:
        patched.setattr(_as_lax, "_carry_out", noted)
        _as_lax._evaluate(program, [INPUTS], {})
    assert outside
    return any(outside)


@pytest.mark.parametrize("function", GATHERS.values(), ids=GATHERS)
def test_gathers_ask_for_nothing_outside(function, monkeypatch):
    assert not _asks_outside(jaxpool.as_lax(function), monkeypatch)
    np.testing.assert_allclose(jaxpool.as_lax(function)(INPUTS), function(INPUTS), rtol=1e-6, atol=1e-6)


def test_a_gather_from_outside_is_noticed(monkeypatch):
    assert _asks_outside(GATHERS["users' own"], monkeypatch)


# ----------------------------------------------------------------------------------- programs within programs


def _pooled(x):
    return jaxpool.max_pool(x, (3, 3), (1, 1), "SAME") + jaxpool.avg_pool(x, (3, 3), padding="SAME")


@jax.custom_jvp
def _custom_jvp(x):
    return _pooled(x)


_custom_jvp.defjvp(lambda primals, tangents: (_pooled(*primals), tangents[0]))


@jax.custom_vjp
def _custom_vjp(x):
    return _pooled(x)


_custom_vjp.defvjp(lambda x: (_pooled(x), None), lambda _, cotangent: (cotangent,))

NESTED = {
    "jit": jax.jit(_pooled),
    "checkpoint": jax.checkpoint(_pooled),
    "custom_jvp": _custom_jvp,
    "custom_vjp": _custom_vjp,
    "scan": lambda x: lax.scan(lambda carry, row: (carry + 1, jax.jit(_pooled)(row)), 0, x),
    "while": lambda x: lax.fori_loop(0, jnp.int32(x.shape[0]), lambda _, x: _pooled(x), x),
    "cond": lambda x: lax.cond(x.sum() > 0, _pooled, jnp.negative, x),
    "switch in scan": lambda x: lax.scan(
        lambda number, row: (number + 1, lax.switch(number, [_pooled, jnp.negative], row)), 0, x
    ),
    "vmap": jax.vmap(_pooled),
    "gradient": jax.grad(lambda x: jnp.sum(_pooled(x) ** 2)),
    "tangent": lambda x: jax.jvp(_pooled, (x,), (x,)),
    "second order": lambda x: jax.jvp(jax.grad(lambda x: jnp.sum(_pooled(x) ** 3)), (x,), (x,)),
    "gradient of jit of checkpoint": jax.grad(lambda x: jnp.sum(jax.jit(jax.checkpoint(_pooled))(x) ** 2)),
}


@pytest.mark.parametrize("function", NESTED.values(), ids=NESTED)
def test_programs_within_programs(function):
    translated = jaxpool.as_lax(function)
    assert not IN_LAX.keys() & set(_operations(translated, INPUTS))
    expected, got = function(INPUTS), jax.jit(translated)(INPUTS)
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, lambda f: lambda x: jax.jit(jax.vmap(f))(x)])
def test_it_is_a_function_like_others(transform):
    pool = functools.partial(jaxpool.max_pool, window_shape=(2, 2))
    np.testing.assert_array_equal(transform(jaxpool.as_lax(pool))(INPUTS), pool(INPUTS))


def test_trees_and_keywords():
    def function(inputs, *, scale):
        return {"max": jaxpool.max_pool(inputs["x"], (2, 2)) * scale, "none": None}

    got = jaxpool.as_lax(function)({"x": INPUTS}, scale=2.0)
    assert got.keys() == {"max", "none"}
    np.testing.assert_array_equal(got["max"], 2 * jaxpool.max_pool(INPUTS, (2, 2)))
    assert jaxpool.as_lax(function).__name__ == "function"


@pytest.mark.parametrize(
    "model",
    [
        nnx.Sequential(
            nnx.Conv(3, 4, (3, 3), rngs=nnx.Rngs(0)), nnx.relu, jaxpool.nnx.MaxPool((2, 2), (2, 2))
        ),
        jaxpool.nnx.StochasticPool((2, 2), deterministic=True),
    ],
    ids=["network", "random, but deterministic"],
)
def test_nnx_modules(model):
    np.testing.assert_allclose(jaxpool.as_lax(model)(INPUTS), model(INPUTS), rtol=1e-5, atol=1e-5)


def test_linen_modules():
    model = linen.Sequential([linen.Conv(4, (3, 3)), jaxpool.linen.AvgPool((2, 2), (2, 2))])
    variables = model.init(jax.random.key(0), INPUTS)
    got = jaxpool.as_lax(model.apply)(variables, INPUTS)
    np.testing.assert_allclose(got, model.apply(variables, INPUTS), rtol=1e-5, atol=1e-5)


def test_what_is_split_by_hand_is_refused():
    mesh = jax.make_mesh((2,), ("batch",), (jax.sharding.AxisType.Auto,))
    pool = jax.shard_map(_pooled, mesh=mesh, in_specs=P("batch"), out_specs=P("batch"))
    with pytest.raises(NotImplementedError, match=r"inside of jax\.shard_map"):
        jaxpool.as_lax(pool)(INPUTS)


# ------------------------------------------------------------------------------------------------ derivatives

TIED = numbers("ties", (2, 9, 8, 3), "float32")


def _loss(x, **options):
    return jnp.sum(jnp.sin(jaxpool.max_pool(x, (3, 3), (1, 1), "SAME", **options)))


@pytest.mark.parametrize("options", [{}, {"window_dilation": (2, 2)}], ids=["dense", "dilated"])
@pytest.mark.parametrize("inputs", [TIED, np.where(TIED > 1, np.float32(np.nan), TIED)], ids=["ties", "nan"])
def test_derivatives_that_are_taken_inside_are_ours(inputs, options):
    gradient = jax.grad(functools.partial(_loss, **options))
    np.testing.assert_allclose(jaxpool.as_lax(gradient)(inputs), gradient(inputs), rtol=1e-6, atol=1e-6)


def test_derivatives_that_are_taken_outside_are_those_of_jax():
    got = jax.grad(jaxpool.as_lax(_loss))(TIED)
    np.testing.assert_allclose(got, jax.grad(_loss)(TIED), rtol=1e-6, atol=1e-6)
    with pytest.raises(NotImplementedError, match="dilation"):
        jax.grad(jaxpool.as_lax(functools.partial(_loss, window_dilation=(2, 2))))(TIED)


# ---------------------------------------------------------------------------------------- formats of programs


@pytest.mark.parametrize("translate", [lambda f: f, jaxpool.as_lax], ids=["pools", "lax"])
def test_export_for_every_platform_and_any_batch(translate):
    """As without: what `jax.export` keeps is StableHLO, which has our operations in it already."""

    def function(x):
        adaptive = jaxpool.adaptive_avg_pool(x, (5, 3))
        return jaxpool.lp_pool(jaxpool.max_pool(x, (3, 3), (2, 2)), (2, 2)), adaptive

    (batch,) = jax.export.symbolic_shape("batch")
    inputs = jax.ShapeDtypeStruct((batch, *INPUTS.shape[1:]), jnp.float32)
    exported = jax.export.export(jax.jit(translate(function)), platforms=("cpu", "cuda", "tpu"))(inputs)
    loaded = jax.export.deserialize(exported.serialize())
    for got, expected in zip(loaded.call(INPUTS), function(INPUTS), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
