"""A maximum over windows of 2 by 2, forward and backward."""

import numpy as np
from drawings.grids import GRADIENTS, X, draw, window_of

x = np.array(X)
windows = x.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)
index = windows.argmax(1)


def picked(row, column):
    return index[window_of(row, column)] == row % 2 * 2 + column % 2


gradient = np.array(GRADIENTS)
backward = [[gradient[r // 2, c // 2] if picked(r, c) else 0 for c in range(4)] for r in range(4)]
kept = "kept: which element was picked,\n" + ", ".join(map(str, index))
draw(windows.max(1).reshape(2, 2), kept, gradient, backward, picked)
