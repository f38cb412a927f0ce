"""Draws README's picture, `docs/figures/pools.png`: a photograph, six pools of it, and their gradients.

python docs/drawings/readme.py
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
from matplotlib.figure import Figure
from skimage.data import chelsea

import jaxpool

PHOTO = jaxpool.avg_pool(jnp.asarray(chelsea()[30:270, 120:360] / 255, jnp.float32), (2, 2), (2, 2))
POOLS = {
    "max_pool": lambda x: jaxpool.max_pool(x, (6, 6), (6, 6)),
    "avg_pool": lambda x: jaxpool.avg_pool(x, (6, 6), (6, 6)),
    "median_pool": lambda x: jaxpool.median_pool(x, (6, 6), (6, 6)),
    "max_blur_pool": lambda x: jaxpool.max_blur_pool(x, (6, 6), (6, 6), filter_size=7),
    "soft_pool": lambda x: jaxpool.soft_pool(x, (6, 6), (6, 6), temperature=0.1),
    "fractional_max_pool": lambda x: jaxpool.fractional_max_pool(jax.random.key(0), x, (6, 6), (20, 20)),
}


def main():
    with matplotlib.rc_context({"font.size": 8.5, "font.family": "sans-serif"}):
        figure = Figure(figsize=(11, 3.5), layout="constrained")
        axes = figure.subplots(2, len(POOLS) + 1)
        axes[0, 0].imshow(PHOTO)
        axes[0, 0].set_title("photograph")
        axes[1, 0].text(1, 0.5, "magnitude of\nthe gradient", ha="right", va="center")
        for column, (name, pool) in enumerate(POOLS.items(), start=1):
            gradient = jnp.abs(jax.grad(lambda x, pool=pool: jnp.sum(pool(x)))(PHOTO)).mean(-1)
            axes[0, column].imshow(pool(PHOTO))
            axes[0, column].set_title(name)
            axes[1, column].imshow(jnp.sqrt(gradient / gradient.max()), cmap="magma", vmin=0, vmax=1)
        for axis in axes.flat:
            axis.axis("off")
        figure.savefig(Path(__file__).parents[1] / "figures" / "pools.png", dpi=110)


if __name__ == "__main__":
    main()
