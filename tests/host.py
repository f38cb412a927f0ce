"""One of several hosts that pool an array together; run by test_meshes.py.

python host.py ADDRESS HOSTS NUMBER FILE

Writes what its devices hold of the result and of the gradient, and where in the whole arrays that is.
"""

import os
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

import jaxpool
from jaxpool.sharding import spatial

SHAPE = (2, 16, 8, 3)
SPEC = P(None, "x", "y")


def pool(inputs):
    return jaxpool.max_pool(inputs, (3, 3), (1, 1), "SAME", return_indices=True)


def results(function, inputs):
    """The values, their indices, and the gradient of a sum of squares."""
    gradient = jax.grad(lambda x: jnp.sum(function(x)[0] ** 2))(inputs)
    return *function(inputs), gradient


def main(address, hosts, number, path):
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, int(hosts), int(number))
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(jax.sharding.AxisType.Auto,) * 2)
    inputs = np.random.RandomState(0).permutation(np.prod(SHAPE)).reshape(SHAPE).astype(np.float32)
    placed = jax.make_array_from_callback(SHAPE, NamedSharding(mesh, SPEC), lambda index: inputs[index])
    split = spatial(pool, mesh=mesh, spec=SPEC)
    pieces = {}
    for name, array in zip(
        ("values", "indices", "gradient"), jax.jit(results, static_argnums=0)(split, placed), strict=True
    ):
        for shard in array.addressable_shards:
            starts = [part.start or 0 for part in shard.index]
            pieces["-".join(map(str, (name, *starts)))] = np.asarray(shard.data)
    np.savez(path, **pieces)


if __name__ == "__main__":
    main(*sys.argv[1:])
