"""The paper's network in PyTorch, timed as bench_step times Duet's: the peer of bench/compare.sh.

    torch_step.py --mode train|infer --variant VARIANT [--preset paper-64] [--batch 32]
                  [--steps 5] [--warmup 2] [--threads 2] [--device cpu]

A step begins with the network's inputs, so that PyTorch is spared the spectrograms and the
augmentation which Duet's step holds. Variants: eager, channels_last, compile (from PyTorch 2 on), jit
(frozen and optimised, for inference alone), channels_last+compile and channels_last+jit, each also
with "-bf16" behind it (autocast). Prints one line of JSON.
"""
import argparse
import json
import resource
import time

import torch
from torch import nn

SIZES = {"paper-64": 64, "paper": 128, "paper-224": 224}
VERSION = tuple(int(part) for part in torch.__version__.split(".")[:2])
WIDTHS, HEAD, DROPOUT, L2, LR = (64, 128, 256, 512), (4096, 2048, 1024), 0.3, 1e-4, 3e-4


def stream(channels):
    layers = []
    for width in WIDTHS:
        for inputs in (channels, width):
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
                       nn.ReLU(inplace=True)]
        layers += [nn.MaxPool2d(2), nn.Dropout(DROPOUT)]
        channels = width
    return nn.Sequential(*layers)


class TwoStream(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.face, self.voice = stream(3), stream(1)
        widths, layers = (2 * WIDTHS[-1] * (size // 16) ** 2, *HEAD), []
        for inputs, outputs in zip(widths, widths[1:]):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True), nn.Dropout(DROPOUT)]
        self.head = nn.Sequential(*layers, nn.Linear(HEAD[-1], 3))

    def forward(self, face, voice):
        return self.head(torch.cat([self.face(face), self.voice(voice)], 1).flatten(1))


def optimizer(model, device):
    kernels = [p for p in model.parameters() if p.dim() == 4]
    others = [p for p in model.parameters() if p.dim() != 4]
    groups = [{"params": kernels, "weight_decay": 2 * L2}, {"params": others}]
    # For the CPU there is a fused one since 2.4; earlier ones fail at the first step.
    fused = device.type == "cuda" or VERSION >= (2, 4)
    return torch.optim.Adam(groups, lr=LR, **({"fused": True} if fused else {}))


def parse_variant(parser, args):
    """The parts of a variant's name before "-bf16", and whether that is there."""
    kinds, _, bf16 = args.variant.partition("-")
    kinds = set(kinds.split("+"))
    if not kinds <= {"eager", "channels_last", "compile", "jit"} or bf16 not in ("", "bf16"):
        parser.error(f"there is no variant {args.variant}")
    if {"compile", "jit"} <= kinds or ("jit" in kinds and args.mode == "train"):
        parser.error(f"variant {args.variant} does not fit --mode {args.mode}")
    if "compile" in kinds and VERSION < (2, 0):
        parser.error(f"PyTorch {torch.__version__} has no torch.compile")
    return kinds, bool(bf16)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=["train", "infer"], default="train")
    parser.add_argument("--variant", default="eager")
    parser.add_argument("--preset", choices=SIZES, default="paper-64")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    kinds, bf16 = parse_variant(parser, args)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    device, size = torch.device(args.device), SIZES[args.preset]
    layout = torch.channels_last if "channels_last" in kinds else torch.contiguous_format
    model = TwoStream(size).to(device).to(memory_format=layout)
    inputs = [torch.rand(args.batch, channels, size, size, device=device)
              .contiguous(memory_format=layout) for channels in (3, 1)]
    labels = (torch.arange(args.batch, device=device) % 3).long()
    cast = lambda: torch.autocast(device.type, torch.bfloat16, enabled=bf16)
    phases = {}

    if args.mode == "train":
        model.train()
        adam, loss_of = optimizer(model, device), nn.CrossEntropyLoss()
        forward = torch.compile(model) if "compile" in kinds else model

        def step():
            times = [now()]
            with cast():
                loss = loss_of(forward(*inputs).float(), labels)
            times.append(now())
            loss.backward()
            times.append(now())
            adam.step()
            adam.zero_grad(set_to_none=True)
            loss.detach().item()
            times.append(now())
            for phase, begin, end in zip(("forward", "backward", "update"), times, times[1:]):
                phases.setdefault(phase, []).append(end - begin)
    else:
        model.eval()
        with torch.no_grad(), cast():
            if "jit" in kinds:
                frozen = torch.jit.freeze(torch.jit.trace(model, inputs))
                forward = torch.jit.optimize_for_inference(frozen)
            else:
                forward = torch.compile(model) if "compile" in kinds else model

        def step():
            with torch.no_grad(), cast():
                forward(*inputs).softmax(1).cpu()

    def now():
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(args.warmup):
        step()
    phases.clear()
    seconds = []
    for _ in range(args.steps):
        begin = now()
        step()
        seconds.append(now() - begin)
    median = lambda values: sorted(values)[len(values) // 2]
    print(json.dumps({
        "peer": f"PyTorch {torch.__version__} {args.variant}", "mode": args.mode,
        "preset": args.preset, "batch": args.batch, "threads": args.threads,
        "median_s": median(seconds), "min_s": min(seconds), "max_s": max(seconds),
        "phases": {name: median(values) for name, values in phases.items()},
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))


if __name__ == "__main__":
    main()
