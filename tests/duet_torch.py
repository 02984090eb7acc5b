"""Duet's model in PyTorch: duet_torch.py [MODEL DIR]… prints its answer to --dump-inputs DIR."""
import json, sys, tomllib
from collections import OrderedDict
import numpy as np, torch
from torch import nn

def block(i, o, net):
    conv = lambda i: nn.Conv2d(i, o, 3, padding=1, bias=not net["batch_norm"])
    norm = lambda: nn.BatchNorm2d(o, net["bn_eps"]) if net["batch_norm"] else nn.Identity()
    return nn.Sequential(OrderedDict(conv1=conv(i), norm1=norm(), relu1=nn.ReLU(), conv2=conv(o),
                                     norm2=norm(), relu2=nn.ReLU(), pool=nn.MaxPool2d(2)))

class TwoStream(nn.Module):
    def __init__(self, path):
        super().__init__()
        data = np.fromfile(path, np.uint8)
        start = 8 + int(data[:8].view("<u8")[0])
        header = json.loads(data[8:start].tobytes())
        config = tomllib.loads(header.pop("__metadata__")["duet.config"])
        net, rgb = config["network"], config["front_end"]["spectrogram_style"] == "rgb"
        self.streams = ["face", "voice"] if net["stream"] == "both" else [net["stream"]]
        for s in self.streams:
            w = [3 if s == "face" or rgb else 1, *net["widths"]]
            blocks = {f"block{i + 1}": block(w[i], w[i + 1], net) for i in range(4)}
            setattr(self, s, nn.Sequential(OrderedDict(blocks)))
        w = [len(self.streams) * net["widths"][3] * (net["size"] // 16) ** 2, *net["head"], 3]
        self.head = nn.ModuleDict({f"fc{i}": nn.Linear(w[i - 1], w[i]) for i in range(1, len(w))})
        values = lambda t: data[start:][slice(*t["data_offsets"])].view("<f4").reshape(t["shape"])
        self.load_state_dict({name: torch.tensor(values(t)) for name, t in header.items()})
    def forward(self, **inputs):
        x = torch.cat([getattr(self, s)(inputs[s]) for s in self.streams], 1).flatten(1)
        for name, layer in self.head.items(): x = layer(x if name == "fc1" else x.relu())
        return x.softmax(1)

if __name__ == "__main__":
    for path, folder in zip(sys.argv[1::2], sys.argv[2::2]):
        model = TwoStream(path).eval()
        inputs = {s: torch.tensor(np.load(f"{folder}/{s}.npy"))[None] for s in model.streams}
        print(*model(**inputs)[0].tolist())
