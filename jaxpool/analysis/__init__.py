"""What downsampling does to a function: how it bears shifts and noise, how far it sees, and what it costs.

The functions take any callable: a pool, a network, a classifier.
"""

from jaxpool.analysis._cost import Cost as Cost
from jaxpool.analysis._cost import cost as cost
from jaxpool.analysis._receptive_field import Layer as Layer
from jaxpool.analysis._receptive_field import ReceptiveField as ReceptiveField
from jaxpool.analysis._receptive_field import receptive_field as receptive_field
from jaxpool.analysis._stability import Stability as Stability
from jaxpool.analysis._stability import by_distance as by_distance
from jaxpool.analysis._stability import noise_robustness as noise_robustness
from jaxpool.analysis._stability import shift_consistency as shift_consistency
