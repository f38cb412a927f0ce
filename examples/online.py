"""Pools a recording chunk by chunk, as it would come in, and draws it beside what the whole of it gives.

    python examples/online.py                            # 10 ms at a time, windows of 100 ms
    python examples/online.py --chunk 2 --window 400     # as soon as possible, windows of 200 ms

The recording is of a nerve cell: 12,000 voltages across its membrane, 0.5 ms apart, from the package
matplotlib; nothing is downloaded. Streams know the largest, the smallest and the average of the last
voltages, and the mean and deviation of all so far; what rises far above these, where voltages lie far apart,
is a spike. Nothing that they keep grows. Ctrl-C ends the recording early.
"""

# First, because it says how to install what is missing.
from train_digits import BLUE, ORANGE, STYLE, at_least, make_folder, note_interrupts

# isort: split

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from jax import Array
from matplotlib.cbook import get_sample_data
from matplotlib.figure import Figure
from tqdm import tqdm

import jaxpool

INTERVAL = 0.5  # between two voltages, in ms
DEVIATIONS, RANGE = 2, 0.35  # above the mean, and of the last voltages, where there is a spike
POOLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "largest": (jaxpool.max_pool, {}),
    "smallest": (jaxpool.min_pool, {}),
    "average": (jaxpool.avg_pool, {"count_include_pad": False}),
}


def load_recording() -> np.ndarray:
    """The voltages, (12000, 1)."""
    return np.fromfile(get_sample_data("membrane.dat", asfileobj=False), np.float32)[:, None]


def pool_online(recording: np.ndarray, options: Any, interrupts: list) -> tuple[dict[str, Array], np.ndarray]:
    """What streams give, side by side, and how long each chunk took, in ms; until the end or an interrupt."""
    streams = {
        name: jaxpool.streaming(pool, window_shape=(options.window,), **arguments)
        for name, (pool, arguments) in POOLS.items()
    }
    streams["statistics"] = jaxpool.streaming(jaxpool.statistics_pool)

    @jax.jit
    def step(states: dict[str, Any], chunk: Array) -> tuple[dict[str, Array], dict[str, Any]]:
        steps = {name: stream.step(states[name], chunk) for name, stream in streams.items()}
        outputs = {name: output for name, (output, _) in steps.items()}
        mean, deviation = outputs.pop("statistics")
        outputs["threshold"] = jnp.full_like(chunk, mean + DEVIATIONS * deviation)
        return outputs, {name: state for name, (_, state) in steps.items()}

    states = {name: stream.init((), 1) for name, stream in streams.items()}
    chunks = recording[: len(recording) // options.chunk * options.chunk].reshape(-1, options.chunk, 1)
    jax.block_until_ready(step(states, chunks[0]))  # to compile it
    outputs, took = [], []
    with tqdm(total=min(len(chunks), options.chunks), unit=" chunks", smoothing=0) as progress:
        for chunk in chunks[: progress.total]:
            start = time.perf_counter()
            output, states = jax.block_until_ready(step(states, chunk))
            took.append(1000 * (time.perf_counter() - start))
            outputs.append(output)
            progress.update()
            if interrupts:
                break
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *outputs), np.array(took)


def pool_at_once(recording: np.ndarray, window: int) -> dict[str, Array]:
    """The same of a recording that is there as a whole."""
    return {
        name: pool(recording, (window,), padding="CAUSAL", **arguments)
        for name, (pool, arguments) in POOLS.items()
    }


def find_spikes(voltages: np.ndarray, streams: dict[str, np.ndarray]) -> np.ndarray:
    """Where voltages rise above the threshold."""
    above = (voltages > streams["threshold"]) & (streams["largest"] - streams["smallest"] > RANGE)
    return np.flatnonzero(above[1:] & ~above[:-1]) + 1


def draw(
    recording: np.ndarray, online: dict[str, Array], offline: dict[str, Array], took: np.ndarray, options: Any
) -> Figure:
    """The recording with its streams, those beside the pools of the whole, and the time that chunks took."""
    seconds = np.arange(len(recording)) * INTERVAL / 1000
    recording, streams = recording[:, 0], {name: np.asarray(values)[:, 0] for name, values in online.items()}
    spikes = find_spikes(recording, streams)
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(f"{len(took):,} chunks of {options.chunk * INTERVAL:g} ms, {len(spikes)} spikes")
    top, middle, bottom = figure.subplots(3, height_ratios=(3, 2, 2))

    top.plot(seconds, recording, color="black", linewidth=0.6, label="voltage")
    top.fill_between(seconds, streams["smallest"], streams["largest"], color=BLUE, alpha=0.2, linewidth=0)
    top.plot(
        seconds, streams["threshold"], color=ORANGE, label=f"mean + {DEVIATIONS} deviations of all so far"
    )
    top.plot(seconds[spikes], recording[spikes], "o", color=ORANGE, markersize=4, label="spike")
    top.set(title="As it came in", ylabel="voltage, as recorded", ylim=(None, recording.max() + 0.2))
    top.legend(frameon=False, loc="upper left", ncols=3)

    end = np.searchsorted(seconds, seconds[-1] / 4)
    for name in POOLS:
        middle.plot(seconds[:end], streams[name][:end], color=BLUE, linewidth=4, alpha=0.4)
        middle.plot(seconds[:end], np.asarray(offline[name])[:end, 0], color=ORANGE, linewidth=1)
    for color, width, label in ((BLUE, 4, "chunk by chunk"), (ORANGE, 1, "the whole at once")):
        middle.plot([], [], color=color, linewidth=width, label=label)
    title = f"Largest, average and smallest of {options.window * INTERVAL:g} ms, in the first quarter"
    middle.set(title=title, ylabel="voltage")
    middle.legend(frameon=False, loc="upper left")

    bottom.plot(
        np.arange(1, len(took) + 1) * options.chunk * INTERVAL / 1000, took, ".", color=BLUE, markersize=3
    )
    bottom.axhline(options.chunk * INTERVAL, color=ORANGE, label="until the next one comes")
    bottom.set(title="What a chunk took", xlabel="s", ylabel="ms", yscale="log")
    bottom.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0)
    return figure


def parse_arguments() -> argparse.Namespace:
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], formatter_class=style)
    parser.add_argument(
        "--chunk", type=at_least(1), default=20, metavar="N", help="voltages that come at once"
    )
    parser.add_argument(
        "--window", type=at_least(1), default=200, metavar="N", help="voltages that are pooled"
    )
    parser.add_argument("--chunks", type=at_least(1), default=math.inf, metavar="N", help="to stop after")
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help="for the picture")
    return parser.parse_args()


def main() -> None:
    options, recording = parse_arguments(), load_recording()
    if options.chunk > len(recording):
        sys.exit(f"--chunk: must be at most {len(recording)}, got {options.chunk}")
    make_folder(options.out)
    interrupts = note_interrupts()
    online, took = pool_online(recording, options, interrupts)
    recording = recording[: len(took) * options.chunk]
    offline = pool_at_once(recording, options.window)
    apart = max(float(jnp.abs(online[name] - offline[name]).max()) for name in POOLS)
    middle, late = np.quantile(took, [0.5, 0.99])
    read = f"{len(took):,} chunks of {options.chunk * INTERVAL:g} ms"
    each = f"{middle:.2f} ms each, 99% of them at most {late:.2f} ms"
    print(f"{'Interrupted. ' if interrupts else ''}{read} took {each}")
    print(f"From the pools of the whole recording they are {apart:.1g} apart at most")
    picture = options.out / "online.png"
    with matplotlib.rc_context(STYLE):
        draw(recording, online, offline, took, options).savefig(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    main()
