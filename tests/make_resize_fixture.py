"""Makes tests/data/resize_*.npy: a small picture and what PyTorch's antialiased bilinear makes of it.

    python tests/make_resize_fixture.py        (made with PyTorch 2)
"""
import pathlib

import numpy as np
import torch

DATA = pathlib.Path(__file__).parent / "data"
SIZES = [(8, 8), (40, 9), (5, 50), (13, 31), (1, 1)]


def main():
    x = np.random.default_rng(5).random((13, 19, 3))  # H, W, C
    np.save(DATA / "resize_x.npy", x)
    image = torch.from_numpy(x).permute(2, 0, 1)[None]
    for h, w in SIZES:
        y = torch.nn.functional.interpolate(image, size=(h, w), mode="bilinear", antialias=True)
        np.save(DATA / f"resize_{h}x{w}.npy", y[0].permute(1, 2, 0).contiguous().numpy())


main()
