"""Collectives are counted right, on programs for CPU devices; picture and document show the figures."""

# ruff: noqa: E402 - what may be missing is asked for first

import json
import math
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec

image = pytest.importorskip("matplotlib.image", reason="the benchmark draws with matplotlib")
pytest.importorskip("rich", reason="the benchmark's tables and progress bar are rich's")

import jaxpool
from benchmarks import compile_only, scaling
from benchmarks.compiled import BOTH, FORWARD, program
from benchmarks.contenders import jaxpool_pool
from benchmarks.scaling import Halo, Layout, describe, halo_cells, image_pool
from benchmarks.traffic import Traffic, traffic

ROOT = pathlib.Path(__file__).parents[1]
ROWS = Layout("rows", (1, 4, 1, 1))


def _compiled(function, sharding, out_sharding, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding) for shape in shapes]
    return jax.jit(function, out_shardings=out_sharding).lower(*arguments).compile().as_text()


def _sharding(layout):
    return layout.sharding(jax.devices()[: math.prod(layout.chips)])


# ---- collectives and their bytes


@pytest.mark.parametrize(
    ("chips", "window", "axes"),
    [
        ((4, 1, 1, 1), (3, 1), 0),
        ((1, 1, 1, 4), (3, 1), 0),
        ((1, 4, 1, 1), (2, 2), 1),
        ((1, 4, 1, 1), (7, 1), 1),
        ((1, 2, 4, 1), (3, 2), 2),
    ],
    ids=str,
)
def test_a_split_pool_receives_the_halo_of_the_geometry(chips, window, axes):
    size, stride = window
    case, layout = image_pool("avg_pool", (4, 16, 24, 4), size, stride), Layout("", chips)
    sharding = _sharding(layout)
    pool = jaxpool.sharding.spatial(jaxpool_pool(case), mesh=sharding.mesh, spec=sharding.spec)
    sides = sum(end > 0 for end in (case.padding[0][0], size - stride - case.padding[0][0]))
    for step, passes in ((FORWARD, 1), (BOTH, 2)):
        function, *arguments = program(pool, case, step)
        found = traffic(_compiled(function, sharding, sharding, *(x.shape for x in arguments)))
        permutes = passes * axes * sides
        assert found.collectives == ({"collective-permute": permutes} if permutes else {})
        assert found.received_bytes == 4 * halo_cells(case, chips, step)


def test_the_halo_of_a_geometry_worked_out_by_hand():
    three = image_pool("max_pool", (2, 8, 12, 5), 3, 1)
    assert halo_cells(three, (1, 1, 1, 1)) == 0
    assert halo_cells(three, (1, 4, 1, 1)) == 2 * (1 + 1) * 12 * 5
    assert halo_cells(three, (1, 2, 1, 1)) == 2 * 1 * 12 * 5
    assert halo_cells(three, (1, 4, 3, 1)) == 2 * (2 * 4 + 2 * (2 + 2)) * 5
    assert halo_cells(image_pool("max_pool", (2, 8, 12, 5), 3, 2), (1, 4, 1, 1)) == 2 * 1 * 12 * 5


def test_an_all_gather_brings_what_the_others_have():
    sharding = _sharding(ROWS)
    text = _compiled(lambda x: x, sharding, NamedSharding(sharding.mesh, PartitionSpec()), (2, 8, 3, 5))
    assert traffic(text) == Traffic({"all-gather": 1}, 4 * 2 * 6 * 3 * 5)


def test_other_collectives_count_their_results():
    sharding = _sharding(ROWS)
    everywhere = NamedSharding(sharding.mesh, PartitionSpec())
    total = jax.shard_map(
        lambda x: lax.psum(x, "rows"), mesh=sharding.mesh, in_specs=sharding.spec, out_specs=PartitionSpec()
    )
    assert traffic(_compiled(total, sharding, everywhere, (2, 8, 3, 5))) == Traffic(
        {"all-reduce": 1}, 4 * 2 * 2 * 3 * 5
    )


def test_collectives_inside_several_kernels_count_once():
    text = """
  %param = f32[4,56]{1,0} parameter(0)
  %all.1 = f32[16,56]{1,0} all-gather(%param), channel_id=1, frontend_attributes={chain_id="0"}
  %all.2 = f32[16,56]{1,0} all-gather(%param), channel_id=1, frontend_attributes={chain_id="0"}
  %all.3 = f32[16,56]{1,0} all-gather(%param), channel_id=2, frontend_attributes={is_spmd_generated="true"}
  %all.4 = f32[16,56]{1,0} all-gather(%param), channel_id=2, frontend_attributes={is_spmd_generated="true"}
"""
    assert traffic(text) == Traffic({"all-gather": 3}, 3 * 4 * 12 * 56)


def test_asynchronous_collectives_count_once():
    """As the compiler for TPUs writes them. Chip 1 receives two slabs, the others one."""
    text = """
  %slab = bf16[16,1,56]{2,1,0:T(8,128)S(1)} fusion(%param), kind=kLoop, calls=%computation
  %up = (bf16[16,1,56]{2,1,0}, bf16[16,1,56]{2,1,0}, u32[]{:S(2)}, u32[]{:S(2)}) @start
  %up.done = bf16[16,1,56]{2,1,0} collective-permute-done(%up)
  %down = bf16[16,1,56]{2,1,0} collective-permute(%slab), channel_id=2, source_target_pairs={{1,0},{2,1}}
  %all = (bf16[16,1,56]{2,1,0}, bf16[16,3,56]{2,1,0}) all-gather-start(%slab), dimensions={1}
  ROOT %all.done = bf16[16,3,56]{2,1,0} all-gather-done(%all)
""".replace("@start", "collective-permute-start(%slab), channel_id=1, source_target_pairs={{0,1},{1,2}}")
    slab = 2 * 16 * 56
    assert traffic(text) == Traffic({"collective-permute": 2, "all-gather": 1}, 2 * slab + 2 * slab)
    assert describe(traffic(text)) == "1 all-gather, 2 permutes"
    assert describe(traffic("")) == "none"


# ---- the picture, the command and the document


def test_the_picture_is_not_blank(tmp_path):
    scaling.draw([Halo(13, 64, "rows and columns", 4096, 1680, 1680)], tmp_path / "scaling.png")
    pixels = image.imread(tmp_path / "scaling.png")
    assert min(pixels.shape[:2]) > 200
    assert np.ptp(pixels[..., :3]) > 0.5


def test_without_a_compiler_the_command_says_so(monkeypatch, capsys):
    monkeypatch.setitem(compile_only._HAS, "libtpu", lambda: False)
    with pytest.raises(SystemExit):
        scaling.main([])
    assert "libtpu" in capsys.readouterr().out


@pytest.fixture(scope="module")
def recorded():
    return json.loads((ROOT / "benchmarks/results/scaling.json").read_text())


def test_recorded_programs_receive_the_halo_alone(recorded):
    for row in recorded["rows"]:
        sent = row["programs"]["spatial"]["traffic"]
        assert set(sent["collectives"]) <= {"collective-permute"}
        assert sent["received_bytes"] == row["halo_bytes"]
    assert all(halo["cells"] == halo["compiled_cells"] for halo in recorded["halos"])


def test_the_document_has_the_recorded_figures(recorded):
    """Its table of what is sent, by layout and pass, for the case with all contenders."""
    (case,) = map(str, scaling.QUICK_CASES)
    expected = {}
    for row in recorded["rows"]:
        if row["case"] == case:
            sent = [Traffic(**row["programs"][name]["traffic"]) for name in scaling.CONTENDERS]
            expected[row["layout"], row["step"]] = list(map(_cell, sent))
    assert len(expected) == 2 * len(scaling.LAYOUTS)
    document = (ROOT / "docs/scaling.md").read_text()
    (table,) = (table for table in re.findall(r"(?:^\|.*\n)+", document, re.MULTILINE) if "| both |" in table)
    lines = [[text.strip() for text in line.strip("|\n").split("|")] for line in table.splitlines()]
    assert {(layout, step): cells for layout, step, *cells in lines[2:]} == expected


def _cell(sent):
    return describe(sent) + (f", {sent.received_bytes / 1e3:,.0f} kB" if sent.collectives else "")
