"""Programs of regions and segments, compiled for an H200 and a TPU v5e without either."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest

import jaxpool
from benchmarks.compile_only import PLATFORMS

if missing := " ".join(filter(None, (platform.missing() for platform in PLATFORMS))):
    pytest.skip(missing, allow_module_level=True)

each_platform = pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
_REGIONS = ("roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "crop_and_resize")


@each_platform
@pytest.mark.parametrize("name", _REGIONS)
def test_regions_compile_forward_and_backward(name, platform):
    images, boxes = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2, 12, 13, 16), (2, 9, 4)))

    def pool(images, boxes):
        return getattr(jaxpool, name)(images, boxes, (2, 2))

    def gradient(images, boxes):
        value, pullback = jax.vjp(pool, images, boxes)
        return value, pullback(value)

    platform.compile(gradient, images, boxes)
    # Forward, all samples of a bin are one kernel: beside weights and places it writes the result alone.
    forward = platform.compile(pool, images, boxes)
    assert " scatter(" not in forward.as_text()
    result = 4 * jax.eval_shape(pool, images, boxes).size
    if name in ("roi_align", "crop_and_resize"):
        assert forward.memory_analysis().temp_size_in_bytes <= 3 * result


@each_platform
@pytest.mark.parametrize("name", ["segment_sum_pool", "segment_max_pool"])
def test_segments_in_order_add_nothing_twice_to_one_place(name, platform):
    """Neither forward nor backward: no scatter but that of the rows where segments start and stop."""
    rows, ids = jax.ShapeDtypeStruct((200, 8), jnp.float32), jax.ShapeDtypeStruct((200,), jnp.int32)

    def gradient(rows, ids):
        pool = functools.partial(
            getattr(jaxpool, name), segment_ids=ids, num_segments=9, indices_are_sorted=True
        )
        value, pullback = jax.vjp(pool, rows)
        return value, pullback(value)

    text = platform.compile(gradient, rows, ids).as_text()
    scattered = re.findall(r"= (\S+) scatter\(", text)
    assert all(re.match(r"s32\[(1,)?9\]", found) for found in scattered)
    assert " sort(" not in text
