"""CPU time of the commands that people wait for: user plus system seconds of a whole process, in a warm cache.

Run: python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement

COMMANDS = (["--help"], ["plugins", "list"], ["info"])
RESULT = Path(__file__).parent / "results" / "startup.json"


def cpu_seconds(words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Bytecode must be cached for a warm start, whatever the surroundings say.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ossicle = str(Path(sys.executable).with_name("ossicle"))
    subprocess.run([ossicle, *words], check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {" ".join(words): [] for words in COMMANDS}
    for words in COMMANDS:
        cpu_seconds(words)
    for _ in range(rounds):
        for words in COMMANDS:
            times[" ".join(words)].append(cpu_seconds(words))
    medians = {name: round(statistics.median(values), 4) for name, values in times.items()}
    result = {"cpu_seconds_median": medians, "rounds": rounds, "environment": describe()}
    write_measurement(RESULT, result, title="Start-up, measured")
    print(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
