import jax
import jax.numpy as jnp
import numpy as np
from skimage.data import chelsea

import jaxpool

photo = jnp.asarray(chelsea()[30:270, 120:360] / 255, jnp.float32)
photo = jaxpool.avg_pool(photo, (2, 2), (2, 2))

key = jax.random.key(0)
values, indices = jaxpool.max_pool(photo, (6, 6), (6, 6), return_indices=True)
disk = np.hypot(*np.ogrid[-3:4, -3:4]) < 3.5
size = photo.shape[:2]
boxes = jnp.array([[15.0, 15.0, 105.0, 90.0]])  # from the left and the top to the right and the bottom
stripes = jnp.arange(120) % 60 // 5  # of five columns, in the left and the right half alike
light = photo.mean((0, 2))  # of each column
gate = jnp.full((6, 6), 0.1)  # more light in a window, more of its maximum
logits = -20.0 * photo.mean(-1, keepdims=True)  # the darker a pixel, the more it counts
bright = photo.mean(-1, keepdims=True) > 0.5
query = 10.0 * jnp.array([-1.0, 2.0, -1.0])  # green, which is the color of the eyes
colors = jnp.array([[0.9, 0.8, 0.7], [0.4, 0.3, 0.3], [0.1, 0.1, 0.1]])
nearest = -20.0 * jnp.sum(colors**2, 1)  # and with it 40 times the colors: to the nearest of them
eye, out = jnp.eye(3)[:, None], jnp.eye(3)[None]  # one head that projects nothing
turned, out4 = jnp.eye(3, 4)[None, :, None].repeat(3, 0), jnp.eye(4, 3)[None]  # the same, in pairs
