"""The same for the pages' sections of sequences, segments and descriptors."""

import numpy as np

from tests.cases import distinct
from tests.migration_rows import Row, vary


def _tokens(names):
    """A mask with padding at either end, positions and logits."""
    length = names["spatial"][0]
    m = np.stack([np.arange(length) < length - 4, np.arange(length) > 0])
    return {
        "m": m,
        "w": np.arange(1, length + 1, dtype=np.float32)[:, None],
        "a": np.sin(3 * names["x"]),
    }


def _descriptors(names):
    """Sketches of three channels, as matrices too; and four centers with a kernel and biases."""
    h, s = np.array([3, 0, 6, 0, 5, 6]), np.float32([1, -1, -1, 1, 1, -1])
    p, q = np.split(np.eye(7, dtype=np.float32)[h] * s[:, None], 2)
    c, w, b = (distinct(shape, np.float32) for shape in ((4, 3), (3, 4), (4,)))
    return {"f": 7, "h": h, "s": s, "p": p, "q": q, "c": c, "w": w, "b": b}


def _ids(names):
    """The segments of eleven rows: five, of which one is empty, or four; and where the four start."""
    five, four = np.array([0, 0, 1, 1, 1, 3, 3, 3, 3, 4, 4]), np.array([0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3])
    return {"i": five if names["empty"] else four, "ptr": np.array([0, 2, 5, 9, 11])}


SEGMENTS = [Row((1,), [{"empty": empty}], _ids) for empty in (True, False)]
# JAX 0.10 halves gradients of segment_max where it is interpreted, as the rows are.
EXTREMES = Row((1,), [{"empty": True, "gradient": False}], _ids)
DESCRIPTORS = Row((1,), derived=_descriptors)
TOKENS = Row((1,), derived=_tokens)

ROWS = {
    "Sequences": {
        "torch.take_along_dim(x, m.int().argmax(1)[:, None, None], 1)[:, 0]": TOKENS,
        "torch.take_along_dim(x, x.shape[1] - 1 - m.flip(1).int().argmax(1)[:, None, None], 1)[:, 0]": TOKENS,
        "x.masked_fill(~m[..., None], -torch.inf).amax(1)": TOKENS,
        "torch.sum(x * m[..., None], 1) / m.sum(1, True)": TOKENS,
        "torch.sum(x * m[..., None], 1) / m.sum(1, True).sqrt()": TOKENS,
        "torch.sum(x * w * m[..., None], 1) / torch.sum(w * m[..., None], 1)": TOKENS,
        "x.gather(1, x.topk(n, 1)[1].sort(1)[0])": Row((1,), vary(n=(1, 4))),
        "torch.cat([x.mean(1), x.std(1, unbiased=False)], 1)": TOKENS,
        "torch.cat([(a.softmax(1) * x).sum(1), ((a.softmax(1) * x**2).sum(1) - (a.softmax(1) * x).sum(1) "
        "** 2).sqrt()], 1)": TOKENS,
        "x.var(1)": TOKENS,
        "x.std(1)": TOKENS,
        "x.quantile(0.3, 1)": TOKENS,
        "torch.sum(x.softmax(1) * x, 1)": TOKENS,
    },
    "jax.ops": {
        "ops.segment_sum(x[0], i, 5)": SEGMENTS[0],
        "ops.segment_max(x[0], i, 5)": EXTREMES,
        "ops.segment_min(x[0], i, 5)": EXTREMES,
    },
    "jraph": {
        "jraph.segment_sum(x[0], i, 5)": SEGMENTS[0],
        "jraph.segment_mean(x[0], i, 5)": SEGMENTS[0],
        "jraph.segment_max(x[0], i, 5)": EXTREMES,
        "jraph.segment_min(x[0], i, 5)": EXTREMES,
        "jraph.segment_variance(x[0], i, 5)": SEGMENTS[0],
        "jraph.segment_softmax(x[0], i, 5)": SEGMENTS[0],
    },
    "PyTorch Geometric": dict.fromkeys(
        (
            "aggr.SumAggregation()(x[0], i)",
            "aggr.SumAggregation()(x[0], ptr=ptr)",
            "aggr.MeanAggregation()(x[0], i)",
            "aggr.MaxAggregation()(x[0], i)",
            "aggr.MinAggregation()(x[0], i)",
            "aggr.VarAggregation()(x[0], i)",
            "aggr.StdAggregation()(x[0], i)",
            "aggr.SoftmaxAggregation()(x[0], i)",
            "aggr.SortAggregation(2)(x[0], i)",
            "utils.softmax(x[0], i)",
            'utils.scatter(x[0], i, 0, 4, "mean")',
            'utils.segment(x[0], ptr, "max")',
        ),
        SEGMENTS[1],
    ),
    "Descriptors": {
        "torch.stack([row.mT.cov(correction=0) for row in x])": DESCRIPTORS,
        'torch.einsum("bnc,bnd->bcd", x, x) / x.shape[1]': DESCRIPTORS,
        "torch.fft.irfft(torch.mean(torch.fft.rfft(x @ p) * torch.fft.rfft(x @ q), 1), f)": DESCRIPTORS,
        'F.normalize(F.normalize(torch.einsum("bnk,bnkc->bkc", F.softmax(x @ w + b, -1), x[:, :, None] - c), '
        "dim=-1).flatten(1))": DESCRIPTORS,
    },
}
