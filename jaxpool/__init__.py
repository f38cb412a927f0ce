"""Pooling for JAX: complete, exact and fast."""

from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.sum_avg import avg_pool as avg_pool
from jaxpool._ops.sum_avg import sum_pool as sum_pool
from jaxpool._window import output_shape as output_shape
