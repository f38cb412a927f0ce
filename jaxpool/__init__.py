"""Pooling for JAX: complete, exact and fast."""

from jaxpool._ops.adaptive import adaptive_avg_pool as adaptive_avg_pool
from jaxpool._ops.adaptive import adaptive_max_pool as adaptive_max_pool
from jaxpool._ops.general import pool as pool
from jaxpool._ops.max_min import max_pool as max_pool
from jaxpool._ops.max_min import min_pool as min_pool
from jaxpool._ops.random import fractional_avg_pool as fractional_avg_pool
from jaxpool._ops.random import fractional_max_pool as fractional_max_pool
from jaxpool._ops.random import stochastic_pool as stochastic_pool
from jaxpool._ops.rank import median_pool as median_pool
from jaxpool._ops.rank import quantile_pool as quantile_pool
from jaxpool._ops.smooth import logsumexp_pool as logsumexp_pool
from jaxpool._ops.smooth import lp_pool as lp_pool
from jaxpool._ops.smooth import soft_pool as soft_pool
from jaxpool._ops.spread import std_pool as std_pool
from jaxpool._ops.spread import var_pool as var_pool
from jaxpool._ops.sum_avg import avg_pool as avg_pool
from jaxpool._ops.sum_avg import sum_pool as sum_pool
from jaxpool._ops.unpool import avg_unpool as avg_unpool
from jaxpool._ops.unpool import max_unpool as max_unpool
from jaxpool._ops.whole import global_avg_pool as global_avg_pool
from jaxpool._ops.whole import global_logsumexp_pool as global_logsumexp_pool
from jaxpool._ops.whole import global_lp_pool as global_lp_pool
from jaxpool._ops.whole import global_max_pool as global_max_pool
from jaxpool._ops.whole import global_min_pool as global_min_pool
from jaxpool._ops.whole import global_sum_pool as global_sum_pool
from jaxpool._window import output_shape as output_shape
