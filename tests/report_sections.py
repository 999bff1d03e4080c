"""Sections of every kind, small and with names that a careless page would choke on, for tests of the report."""

import numpy as np

from ossicle.runs import report

HOSTILE = '<script>alert("x")</script>&"\'>'
RATE = 8000


def tone(hz, seconds=0.5):
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def every_section():
    draw = np.random.default_rng(0)
    steps = list(range(0, 1000, 10))
    loss = [3 * np.exp(-step / 300) + 0.01 for step in steps]
    return [
        report.Text("Warnings", ["few labels", HOSTILE], notice=True),
        report.Facts(
            "Results",
            {"error, %": 8.25, "clips": 12345, HOSTILE: HOSTILE, "log": report.Link("1.2 KiB", "metrics.jsonl")},
        ),
        report.Curves(
            "Curves",
            [
                report.Chart("loss", [report.Line("loss", steps, loss)]),
                report.Chart(
                    "error",
                    [report.Line("net", steps, loss), report.Line(HOSTILE, steps, [None, float("nan"), *loss[2:]])],
                ),
            ],
        ),
        report.Stream(
            "Error over time",
            {"source": draw.random(400) < 0.4, "unmix-tns": draw.random(400) < 0.2},
            window=50,
            marks=[(0, "clean"), (200, "white noise")],
        ),
        report.Confusion(
            "Confusion", ["dog", HOSTILE, "a rather long name of a class"], [[9, 1, 0], [0, 5, 5], [0, 0, 10]]
        ),
        report.Histogram(
            "Scores",
            {"normal": draw.normal(0, 1, 300).tolist(), "odd": [*draw.normal(4, 1, 30), float("nan")]},
            threshold=2.5,
        ),
        report.Sounds(
            "Sounds",
            {
                "clip one": [report.Sound("original", tone(440), RATE), report.Sound("synthesis", tone(445), RATE)],
                "long clip": [report.Sound("original", tone(440, 2.5), RATE)],
            },
        ),
        report.Table("Rows", ("name", "value"), [("b", 10.5), ("a", 9.25), (HOSTILE, None), ("c", 100.0)]),
        report.Figure(
            "Picture",
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>',
            "a square",
        ),
        report.Text("Command", ["How it was run."], code="python run.py --out 'a b' && echo " + "long" * 60),
    ]


def every_page(**fields):
    return report.Page("A run", every_section(), "what it was", {"error, %": 8.25, "clips": 12345}, **fields)
