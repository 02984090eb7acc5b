"""Duet and its peers on one machine: one table of medians and ratios.

Every program is a process of its own, with few steps. In each round all of them run once, one after
the other, so that what else the machine does meets all alike. A cell of the table is the median over
rounds of the processes' medians, with the least and the greatest beside it; a peer counts with the
best of its variants. A peer that is absent, or fails, is a line that says so.

A virtual machine is not the same at all times. So before every program it is measured what the
machine can do just then (bench_machine); the table says how fast memory was, the JSON all of it.

PyTorch gets all cores, and malloc is told to keep what it has been given back, without which every
large tensor is mapped and cleared anew.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "bench" / "peers"
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "17179869184", "MALLOC_TRIM_THRESHOLD_": "17179869184",
               "MALLOC_TOP_PAD_": "268435456"}
OURS = "Duet"
VARIANTS = {"train": ["eager", "channels_last", "compile", "channels_last+compile"],
            "infer": ["eager", "channels_last", "compile", "channels_last+compile", "jit",
                      "channels_last+jit"]}


class Failure(Exception):
    """Why a program gave no result."""


def run(command, environment, timeout):
    """Output and wall time in s of a process."""
    begin = time.perf_counter()
    with subprocess.Popen(command, env={**os.environ, **environment}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            output, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure(f"not done after {timeout} s") from None
    if process.returncode != 0:
        said = [line for line in errors.splitlines() if line.strip()]
        raise Failure(said[-1] if said else f"exit status {process.returncode}")
    return output, time.perf_counter() - begin


class Program:
    """What fills a cell: `read(output, wall_s)` makes a list of {peer, variant, value, peak_bytes} or
    of {peer, absent}; value is in the cell's unit."""

    def __init__(self, cell, peer, command, read, environment=None, repeats=1):
        self.cell, self.peer, self.command, self.read = cell, peer, [str(c) for c in command], read
        self.environment, self.repeats = environment or {}, repeats
        self.failed = None

    def once(self, timeout):
        walls = []
        for _ in range(self.repeats):
            output, wall = run(self.command, self.environment, timeout)
            walls.append(wall)
        try:
            return self.read(output, statistics.median(walls))
        except (ValueError, KeyError, IndexError) as error:
            raise Failure(f"its output cannot be read: {error}") from None

    def shell(self):
        return shlex.join([f"{k}={v}" for k, v in self.environment.items()] + self.command)


def last_line(output):
    return json.loads(output.strip().splitlines()[-1])


def read_step(peer, variant=""):
    def read(output, _):
        step = last_line(output)
        return [{"peer": peer, "variant": variant, "value": step["median_s"],
                 "peak_bytes": step["peak_bytes"]}]

    return read


def read_wall(peer):
    return lambda _, wall: [{"peer": peer, "variant": "", "value": wall}]


def read_spectrograms(peer):
    def read(output, _):
        lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
        return [{"peer": f"{line['peer']} ({peer})", "absent": line["absent"]} if "absent" in line else
                {"peer": f"{line['peer']} {line['version']}", "variant": "",
                 "value": 1 / line["clips_per_s"]} for line in lines]

    return read


def read_rows(folder, clips):
    def read(output, _):
        rows = json.loads((folder / "rows.json").read_text())["rows"]
        return [{"peer": OURS, "variant": rows[0]["row"], "value": rows[0]["median_s"] / clips}]

    return read


def version_of(python):
    """The name of an interpreter's PyTorch; a Failure where it has none."""
    output, _ = run([python, "-c", "import torch; print(torch.__version__)"], {}, 120)
    return f"PyTorch {output.strip()}"


class Table:
    """The programs in the order in which they run, and the cells in the order of the table."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.programs, self.cells, self.absent = [], [], []
        pythons = []
        for python in args.python or ["python3"]:
            try:
                pythons.append((python, version_of(python)))
            except Failure as error:
                pythons.append((python, None))
                self.absent.append({"cell": "", "peer": f"PyTorch ({python})", "why": str(error)})
            except OSError as error:
                self.absent.append({"cell": "", "peer": python, "why": error.strerror})
        steps = [("train", args.batch)] + [("infer", batch) for batch in args.infer_batch]
        for mode, batch in steps:
            if mode not in args.only:
                continue
            what = "training step" if mode == "train" else "inference"
            self.steps(f"{what}, batch {batch}", mode, batch, pythons)
        if "spectrogram" in args.only:
            self.spectrograms(pythons)
        if "start" in args.only and args.model:
            self.start(pythons)

    def add(self, *program, **options):
        self.programs.append(Program(*program, **options))
        if self.programs[-1].cell not in self.cells:
            self.cells.append(self.programs[-1].cell)

    def steps(self, cell, mode, batch, pythons):
        args = self.args
        common = ["--mode", mode, "--preset", args.preset, "--batch", batch, "--steps", args.steps,
                  "--threads", args.threads]
        self.add(cell, OURS, [args.build / "bin/bench_step", *common, "--json"], read_step(OURS))
        for python, version in pythons:
            if not version:
                continue
            for variant in args.variants or VARIANTS[mode]:
                if variant not in VARIANTS[mode]:
                    continue
                self.add(cell, version,
                         [python, PEERS / "torch_step.py", *common, "--variant", variant],
                         read_step(version, variant), environment=KEEP_MEMORY)

    def spectrograms(self, pythons):
        cell, clips = "spectrogram of a clip, one thread", 32
        self.add(cell, OURS,
                 [self.args.build / "bin/bench_rows", "--threads", 1, "--batch", clips, "--filter",
                  "^spectrogram", "--json", self.folder / "rows.json"],
                 read_rows(self.folder, clips))
        for python, version in pythons:
            self.add(cell, python, [python, PEERS / "spectrogram.py", "--clips", clips],
                     read_spectrograms(version or python), environment=KEEP_MEMORY)

    def start(self, pythons):
        """The peers are given the network's inputs ready-made, and need neither decode nor transform."""
        cell, (model, face, voice) = "from start to answer", self.args.model
        infer = [self.args.build / "bin/infer_mm", model, "--face", face, "--voice", voice]
        try:
            run([str(c) for c in infer] + ["--dump-inputs", str(self.folder)], {}, self.args.timeout)
        except (Failure, OSError) as error:
            sys.exit(f"compare.sh: no answer to time: {error}")
        self.add(cell, OURS, infer, read_wall(OURS), repeats=5)
        for python, version in pythons:
            if version:
                self.add(cell, version, [python, ROOT / "tests/duet_torch.py", model, self.folder],
                         read_wall(version), environment=KEEP_MEMORY, repeats=5)

    def moment(self):
        """What the machine can do now."""
        command = [self.args.build / "bin/bench_machine", "--threads", str(self.args.threads)]
        try:
            return last_line(run(command, {}, self.args.timeout)[0])
        except (Failure, OSError) as error:
            sys.exit(f"compare.sh: nothing measures the machine: {error}")

    def run(self):
        """All results, each with its cell and round and what the machine could do then."""
        results = []
        for number in range(self.args.rounds):
            for program in self.programs:
                if program.failed:
                    continue
                print(f"round {number + 1}: {program.cell}: {program.shell()}", file=sys.stderr)
                moment = self.moment()
                try:
                    found = program.once(self.args.timeout)
                except (Failure, OSError) as error:
                    program.failed = str(error)
                    variant = program.command[-1] if "--variant" in program.command else ""
                    self.absent.append({"cell": program.cell, "why": str(error),
                                        "peer": f"{program.peer} {variant}".strip()})
                    continue
                for one in found:
                    missing = {"cell": program.cell, "peer": one["peer"], "why": one.get("absent")}
                    if "absent" not in one:
                        results.append({"cell": program.cell, "round": number, **one, **moment})
                    elif missing not in self.absent:
                        self.absent.append(missing)
        return results


def summarise(results):
    """For each cell and peer its best variant: value, least, greatest, peak_bytes, and the median of
    what memory could do before; beside a peer's the ratios, its value and memory over ours."""
    groups = {}
    for one in results:
        groups.setdefault((one["cell"], one["peer"], one["variant"]), []).append(one)
    best = {}
    for (cell, peer, variant), rounds in groups.items():
        values = [one["value"] for one in rounds]
        peaks = [one["peak_bytes"] for one in rounds if "peak_bytes" in one]
        row = {"cell": cell, "peer": peer, "variant": variant, "value": statistics.median(values),
               "least": min(values), "greatest": max(values), "rounds": len(values),
               "peak_bytes": statistics.median(peaks) if peaks else None,
               "bytes_per_s": statistics.median(one["bytes_per_s"] for one in rounds)}
        if (cell, peer) not in best or row["value"] < best[cell, peer]["value"]:
            best[cell, peer] = row
    for (cell, peer), row in best.items():
        ours = best.get((cell, OURS))
        if ours and peer != OURS:
            row["ratio"] = row["value"] / ours["value"]
            if row["peak_bytes"] and ours["peak_bytes"]:
                row["memory_ratio"] = row["peak_bytes"] / ours["peak_bytes"]
    return list(best.values())


def between(results, name, scale):
    """From which to which number a measurement of the machine went."""
    values = [scale * one[name] for one in results]
    return f"{min(values):.0f} to {max(values):.0f}"


def machine():
    """What was measured on: name of the processor, cores, versions, date, commit."""
    facts = {"machine": platform.machine(), "date": datetime.date.today().isoformat(),
             "system": platform.platform(), "cores": len(os.sched_getaffinity(0))}
    for line in output_of(["lscpu"], {"LC_ALL": "C"}).splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("Model name", "CPU family", "Model", "L3 cache"):
            facts[name.strip().lower()] = value.strip()
        elif name.strip() == "Flags":
            flags = value.split()
            facts["vectors"] = next((said for flag, said in (("avx512f", "AVX-512"), ("avx2", "AVX2"))
                                     if flag in flags), "SSE2")
    git = ["git", "-C", str(ROOT), "-c", f"safe.directory={ROOT}"]
    facts["commit"] = output_of([*git, "rev-parse", "--short=12", "HEAD"]).strip()
    if facts["commit"] and output_of([*git, "status", "--porcelain", "--untracked-files=no"]).strip():
        facts["commit"] += " and changes"
    return facts


def output_of(command, environment=None):
    try:
        return run(command, environment or {}, 60)[0]
    except (Failure, OSError):
        return ""


def show(rows, cells, absent):
    """The table, in Markdown."""
    lines = ["| | | ms | least to greatest | ratio | peak memory, GB | ratio | memory did, GB/s |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    for cell in cells:
        first = cell
        for row in sorted((r for r in rows if r["cell"] == cell),
                          key=lambda r: (r["peer"] != OURS, r["value"])):
            name = f"{row['peer']} {row['variant']}".strip()
            peak = f"{row['peak_bytes'] * 1e-9:.2f}" if row["peak_bytes"] else ""
            ratio, memory = (f"{row[k]:.2f}" if k in row else "" for k in ("ratio", "memory_ratio"))
            ms = [f"{1e3 * row[k]:.4g}" for k in ("value", "least", "greatest")]
            lines.append(f"| {first} | {name} | {ms[0]} | {ms[1]} to {ms[2]} | {ratio} | {peak} "
                         f"| {memory} | {row['bytes_per_s'] * 1e-9:.0f} |")
            first = ""
    lines += [""] if absent else []
    for one in absent:
        where = f"{one['cell']}: " if one["cell"] else ""
        lines.append(f"- absent: {where}{one['peer']}: {one['why']}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="bench/compare.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="paper-64", help="the network (paper-64)")
    parser.add_argument("--batch", type=int, default=32, help="pairs in a training step (32)")
    parser.add_argument("--infer-batch", type=int, nargs="+", default=[1, 32],
                        help="pairs that are answered at once (1 32)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5, help="that each process times (5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="of the steps (all cores)")
    parser.add_argument("--python", action="append", metavar="INTERPRETER",
                        help="of the peers; may be given several times (python3)")
    parser.add_argument("--variants", nargs="+", metavar="VARIANT",
                        help="PyTorch's, of which the best counts (all that torch_step.py has in f32)")
    parser.add_argument("--only", nargs="+", default=["train", "infer", "spectrogram", "start"],
                        choices=["train", "infer", "spectrogram", "start"])
    parser.add_argument("--model", nargs=3, metavar=("MODEL", "FACE", "VOICE"),
                        help="also time from start to answer, for this pair")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    parser.add_argument("--timeout", type=float, default=900, help="s, of one process (900)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="also write all results")
    args = parser.parse_args()
    if args.rounds < 1:
        parser.error("--rounds is at least 1")
    with tempfile.TemporaryDirectory() as folder:
        table = Table(args, pathlib.Path(folder))
        facts = machine()
        results = table.run()
    rows = summarise(results)
    print(", ".join(f"{name}: {value}" for name, value in facts.items()))
    print(f"{args.preset}, {args.threads} threads, f32, {args.rounds} rounds of {args.steps} steps; a "
          f"ratio is a peer's time or memory over Duet's\n")
    print(show(rows, table.cells, table.absent))
    if results:
        print(f"\nBefore the programs the machine did {between(results, 'flops', 1e-9)} GFLOP/s and "
              f"{between(results, 'bytes_per_s', 1e-9)} GB/s, and a cache line went from core to core "
              f"and back in {between(results, 'round_trip_s', 1e9)} ns.")
    if args.json:
        args.json.write_text(json.dumps({
            "machine": facts, "preset": args.preset, "threads": args.threads, "rounds": args.rounds,
            "steps": args.steps, "command": shlex.join(["bench/compare.sh", *sys.argv[1:]]),
            "commands": [program.shell() for program in table.programs], "rows": rows,
            "absent": table.absent, "results": results}, indent=1) + "\n")
    ours = {row["cell"] for row in rows if row["peer"] == OURS}
    return 0 if ours == set(table.cells) else 1


if __name__ == "__main__":
    sys.exit(main())
