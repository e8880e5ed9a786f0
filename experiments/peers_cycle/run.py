"""Cycle times of this planner and of pytorch_mppi, side by side on one machine in one run."""

import argparse
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import scene
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--runs", type=int, default=10, help="calls per case and round")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--out", type=Path, default=Path("out/peers"))
    parser.add_argument("--peers-venv", type=Path, default=Path("out/peers-venv"))
    options = parser.parse_args()

    python = environment(options.peers_venv)
    path = scene.write(options.out)
    load = os.getloadavg()[0]
    # both libraries take as many threads as they may use cores
    chosen = sorted(os.sched_getaffinity(0))[-options.threads :]
    os.sched_setaffinity(0, chosen)
    servers, hello = {}, {}
    for name, interpreter in (("ours", sys.executable), ("peer", str(python))):
        servers[name] = subprocess.Popen(
            [interpreter, str(HERE / f"{name}.py"), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello[name] = json.loads(servers[name].stdout.readline() or "null")
        if hello[name] is None:
            sys.exit(f"{name}.py did not start")
    cases = [(name, case) for name in servers for case in hello[name]["cases"]]
    times, cpu = {case: [] for case in cases}, {case: [] for case in cases}
    for done in range(options.rounds):
        print(f"round {done + 1} of {options.rounds}", file=sys.stderr)
        for name, case in cases:
            servers[name].stdin.write(f"{case} {options.runs}\n")
            servers[name].stdin.flush()
            answer = json.loads(servers[name].stdout.readline())
            times[name, case] += answer["ms"]
            cpu[name, case].append(answer["cpu"])
    for server in servers.values():
        server.stdin.close()
        server.wait()
    report(options, hello, times, cpu, load)


def environment(folder: Path) -> Path:
    """The peer's interpreter, installed on first use (several GB)."""
    python = folder.absolute() / "bin" / "python"
    ready = folder / ".installed"
    if not ready.exists():
        venv.create(folder, with_pip=True)
        requirements = str(HERE / "requirements.txt")
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
        ready.touch()
    return python


def report(options, hello, times, cpu, load) -> None:
    table = Table("who", "what", "size", "median ms", "p99", "fastest", "CPU ms")
    rows = []
    for (name, case), measured in sorted(times.items(), key=lambda item: item[0][1].split(":")[1]):
        what, size = case.split(":")
        row = {
            "who": {"ours": "astro_jax", "peer": "pytorch_mppi"}[name],
            "what": what.replace("_", " "),
            "size": size,
            "median_ms": float(np.median(measured)),
            "p99_ms": float(np.percentile(measured, 99)),
            "fastest_ms": float(np.min(measured)),
            "cpu_ms": float(np.median(cpu[name, case])),
        }
        rows.append(row)
        figures = [f"{value:.2f}" for key, value in row.items() if key.endswith("_ms")]
        table.add_row(row["who"], row["what"], size, *figures)
    Console().print(table)
    print(f"load average {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    for name in hello:
        for case, error in hello[name]["broken"].items():
            print(f"{name} {case} does not work here: {error}")
    content = {
        "rows": rows,
        "load": [load, os.getloadavg()[0]],
        "cores": len(os.sched_getaffinity(0)),
        "versions": {name: said["versions"] for name, said in hello.items()},
        "broken": {name: said["broken"] for name, said in hello.items()},
        "calls": options.rounds * options.runs,
    }
    path = options.out / f"peers_cycle_{options.threads}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
