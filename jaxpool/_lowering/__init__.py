"""How windowed reductions are carried out: one module of choices per platform, one per technique.

`cpu`, `gpu` and `tpu` hold the same six functions, each choosing a technique; `taps`, `phases` and `native`
are the techniques. Nothing here is differentiated: the rules live with the primitives.
"""

from jaxpool._lowering import cpu, gpu, tpu

# The module for each platform that JAX knows; `None` serves every other one, and eager evaluation.
PLATFORMS = {None: cpu, "cuda": gpu, "rocm": gpu, "tpu": tpu}
