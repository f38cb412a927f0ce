"""What the drawings have in common: a forward and a backward pass over four windows."""

import matplotlib.pyplot as plt
from matplotlib.patches import Rectangle

X = [[1, 5, 0, 1], [4, 2, 0, 7], [6, 1, 8, 3], [0, 9, 5, 4]]
COLORS = ["#4477aa", "#ee8866", "#44aa77", "#aa4499"]
GRADIENTS = [[4, 8], [12, 4]]


def window_of(row, column):
    """The number of the 2 by 2 window that a cell of the input belongs to."""
    return row // 2 * 2 + column // 2


def draw(outputs, kept, gradient, backward, marked):
    """Draws both passes; `marked` says which cells of the input are shown in full color."""
    _, axes = plt.subplots(figsize=(5.8, 5.6))
    _grid(axes, 0, 0, X, "input", lambda r, c: (window_of(r, c), marked(r, c)))
    _grid(axes, 7, 1, outputs, "output", lambda r, c: (r * 2 + c, True))
    _arrow(axes, (4.3, 2), (6.7, 2), "forward")
    _arrow(axes, (8, 3.3), (8, 7.3), kept, style=":")
    _grid(axes, 0, 6.6, backward, "gradient of the input", lambda r, c: (window_of(r, c), marked(r, c)))
    _grid(axes, 7, 7.6, gradient, "gradient of the output", lambda r, c: (r * 2 + c, True), below=True)
    _arrow(axes, (6.7, 8.6), (4.3, 8.6), "backward")
    axes.set(xlim=(-0.2, 10.2), ylim=(11.2, -0.9), aspect="equal")
    axes.axis("off")


def _grid(axes, left, top, numbers, title, look, below=False):
    for r, row in enumerate(numbers):
        for c, number in enumerate(row):
            window, strong = look(r, c)
            color = COLORS[window]
            axes.add_patch(
                Rectangle(
                    (left + c, top + r), 1, 1, fc=color, alpha=0.9 if strong else 0.15, ec="white", lw=2
                )
            )
            axes.text(
                left + c + 0.5,
                top + r + 0.5,
                number,
                ha="center",
                va="center",
                color="white" if strong else "#333333",
                fontsize=12,
            )
    width, height = len(numbers[0]), len(numbers)
    axes.text(
        left + width / 2,
        top + height + 0.2 if below else top - 0.2,
        title,
        ha="center",
        va="top" if below else "bottom",
        fontsize=11,
    )


def _arrow(axes, start, end, label, style="-"):
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "linestyle": style, "lw": 1.5})
    (x, y), (u, v) = start, end
    if y == v:
        axes.text((x + u) / 2, y - 0.2, label, ha="center", va="bottom", fontsize=11)
    else:
        axes.text(x - 0.3, (y + v) / 2, label, ha="right", va="center", fontsize=11)
