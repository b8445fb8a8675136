"""How long it takes to start, beside `import boto3`, measured in turns in one run.

uv run python tests/benchmarks/start_up.py                # prints the table
uv run python tests/benchmarks/start_up.py --write        # and writes docs/performance.md
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
COMMAND = "uv run python tests/benchmarks/start_up.py --write"
NOTHING = "the interpreter alone"
PEER = "import boto3"
SUBJECTS = {
    NOTHING: ["-c", "pass"],
    PEER: ["-c", "import boto3"],
    "import crossmarket": ["-c", "import crossmarket"],
    "from crossmarket import Market": ["-c", "from crossmarket import Market"],
    "crossmarket --help": ["-m", "crossmarket", "--help"],
}


def measure(rounds: int) -> dict[str, float]:
    """Return the median milliseconds of each subject; a round has every subject once, so that all share the noise."""
    taken: dict[str, list[float]] = {name: [] for name in SUBJECTS}
    for turn in range(rounds + 1):
        for name, words in SUBJECTS.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first round only warms the file cache
                taken[name].append((time.perf_counter() - begun) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}


def table(medians: dict[str, float]) -> str:
    """Return the figures as a Markdown table; ratios leave the interpreter's own start out."""
    bare = medians[NOTHING]
    peer = medians[PEER] - bare
    rows = ["| what | median, ms | without the interpreter, ms | ratio to `import boto3` |", "|---|---:|---:|---:|"]
    for name, median in medians.items():
        own = median - bare
        ratio = "" if name == NOTHING else f"{own / peer:.2f}"
        rows.append(f"| `{name}` | {median:.0f} | {own:.0f} | {ratio} |")
    return "\n".join(rows)


def page(figures: str, rounds: int) -> str:
    """Return the page of the documentation."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux, Python {platform.python_version()}"
    versions = ", ".join(f"{name} {version(name)}" for name in ("crossmarket", "boto3", "pydantic", "typer"))
    return f"""# Performance

What is claimed about speed is measured here, beside a peer, in one run. Measure it on your own machine with:

```console
$ {COMMAND}
```

## Start-up

`import crossmarket` loads no cloud SDK, no HTTP client and no database driver: each is loaded when it is first used.
Medians of {rounds} rounds, each subject once a round in a new process, with compiled bytecode in place.

{figures}

Measured on {machine}; {versions}.
"""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    arguments = parser.parse_args()
    result = table(measure(arguments.rounds))
    print(result)
    if arguments.write:
        PAGE.write_text(page(result, arguments.rounds), encoding="utf-8")
