"""The spectrogram of bench_rows in librosa and in torchaudio, on one thread, clip after clip.

    spectrogram.py [--clips 32] [--seconds 2]

Clips are 3 s of noise at 16 kHz; the parameters are those of kernels/spectrogram/spectrogram.h.
Prints one line of JSON for each peer: the median of clips_per_s over rounds of all clips, and by
how many dB its results differ from librosa's in float64. A peer that cannot be imported is reported
as absent, with the reason.
"""
import os

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):  # read when they are imported
    os.environ[f"{library}_NUM_THREADS"] = "1"

import argparse
import json
import time

import numpy as np

RATE, SAMPLES, N_FFT, HOP, MELS, FMAX, TOP_DB, AMIN = 16000, 48000, 1024, 256, 128, 8000, 80, 1e-10


def librosa_peer():
    import librosa

    def log_mel(clip):
        mel = librosa.feature.melspectrogram(
            y=clip, sr=RATE, n_fft=N_FFT, hop_length=HOP, window="hann", center=True,
            pad_mode="constant", power=2.0, n_mels=MELS, fmin=0, fmax=FMAX, dtype=clip.dtype)
        return librosa.power_to_db(mel, ref=np.max, amin=AMIN, top_db=TOP_DB)

    return librosa.__version__, log_mel


def torchaudio_peer():
    import torch
    import torchaudio

    torch.set_num_threads(1)
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=RATE, n_fft=N_FFT, hop_length=HOP, f_min=0, f_max=FMAX, n_mels=MELS, power=2,
        norm="slaney", mel_scale="slaney", center=True, pad_mode="constant")
    to_db = torchaudio.transforms.AmplitudeToDB("power", top_db=TOP_DB)

    def log_mel(clip):
        with torch.inference_mode():
            db = to_db(mel(torch.from_numpy(clip)))
            return (db - db.max()).numpy()

    return f"{torchaudio.__version__} (PyTorch {torch.__version__})", log_mel


def clips_per_s(log_mel, clips, seconds):
    """The median over rounds, as many as fit into `seconds` after a first one that is not timed."""
    rates, start = [], None
    while start is None or time.perf_counter() - start < seconds or len(rates) < 3:
        begin = time.perf_counter()
        for clip in clips:
            log_mel(clip)
        if start is None:
            start = time.perf_counter()
        else:
            rates.append(len(clips) / (time.perf_counter() - begin))
    return float(np.median(rates))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2)
    args = parser.parse_args()
    numbers = np.random.default_rng(1)
    clips = (numbers.random((args.clips, SAMPLES)) - 0.5).astype(np.float32)
    expected = None
    for name, make in (("librosa", librosa_peer), ("torchaudio", torchaudio_peer)):
        try:
            version, log_mel = make()
        except Exception as error:  # an installation that does not fit together says so in many ways
            print(json.dumps({"peer": name, "absent": f"{type(error).__name__}: {error}"}))
            continue
        if name == "librosa":
            expected = log_mel(clips[0].astype(np.float64))
        line = {"peer": name, "version": version, "threads": 1, "clips": args.clips,
                "clips_per_s": clips_per_s(log_mel, clips, args.seconds)}
        if expected is not None:
            line["greatest_difference_db"] = float(np.abs(log_mel(clips[0]) - expected).max())
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
