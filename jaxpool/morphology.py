"""Mathematical morphology by a structuring element: dilation, erosion, and what is composed of them."""

from jaxpool._ops.morphology import close as close
from jaxpool._ops.morphology import dilate as dilate
from jaxpool._ops.morphology import erode as erode
from jaxpool._ops.morphology import open as open
from jaxpool._ops.residues import black_hat as black_hat
from jaxpool._ops.residues import gradient as gradient
from jaxpool._ops.residues import top_hat as top_hat
