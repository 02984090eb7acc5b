"""Makes tests/data/spectrogram_*.npy: short synthetic clips and what librosa makes of them.

    python tests/make_librosa_fixture.py        (made with librosa 0.11, NumPy 2)

The clips are drawn here, seeded; no recording is used. Spectrograms are computed in float64 and
stored as float32 (half a unit in the last place of 80 dB is 4e-6 dB).
"""
import pathlib

import librosa
import numpy as np

RATE, SAMPLES = 16000, 4100  # not a multiple of any hop
DATA = pathlib.Path(__file__).parent / "data"


def chirp(t):
    """A sine from 60 Hz to 7.9 kHz: most of the picture lies near the floor."""
    span = t[-1]
    return 0.7 * np.sin(2 * np.pi * (60 * t + (7900 - 60) * t**2 / (2 * span)))


def noise(t):
    return 0.1 * np.random.default_rng(1).standard_normal(t.size)


def voice(t):
    """Pulses at 140 Hz that glide to 180, through three decaying resonances."""
    phase = np.cumsum((140 + 160 * t) / RATE)
    x = np.diff(np.floor(phase), prepend=0.0)
    for hertz, width in ((700, 80), (1220, 90), (2600, 120)):
        radius = np.exp(-np.pi * width / RATE)
        a, b = 2 * radius * np.cos(2 * np.pi * hertz / RATE), -radius * radius
        y = np.zeros(t.size + 2)
        for i in range(t.size):
            y[i + 2] = x[i] + a * y[i + 1] + b * y[i]
        x = y[2:]
    return 0.8 * x / np.abs(x).max()


def click(t):
    """Near silence, below amin for the most part, and one sample that is not."""
    x = 1e-6 * np.random.default_rng(2).standard_normal(t.size)
    x[1500] = 0.3
    return x


def log_mel(x, top_db, **parameters):
    mel = librosa.feature.melspectrogram(
        y=x.astype(np.float64), sr=RATE, window="hann", center=True, pad_mode="constant",
        fmin=0, dtype=np.float64, **parameters)
    return librosa.power_to_db(mel, ref=np.max, amin=1e-10, top_db=top_db)


def main():
    t = np.arange(SAMPLES) / RATE
    clips = np.stack([make(t) for make in (chirp, noise, voice, click)]).astype(np.float32)
    DATA.mkdir(exist_ok=True)
    np.save(DATA / "spectrogram_clips.npy", clips)
    # With power 1 a dB is twice as much: 40 dB reach as deep as 80 do with power 2, which is as deep
    # as float32 can see.
    sets = {
        "default": dict(n_fft=1024, hop_length=256, n_mels=128, fmax=8000, power=2.0, top_db=80),
        "other": dict(n_fft=512, hop_length=160, n_mels=64, fmax=6000, power=1.0, top_db=40),
    }
    for name, parameters in sets.items():
        result = np.stack([log_mel(x, **parameters) for x in clips]).astype(np.float32)
        np.save(DATA / f"spectrogram_{name}.npy", result)
        print(name, result.shape, result.min(), result.max())


main()
