"""The pages of the kinds: each has its checks, and the component that it shows passes them."""

import re
from pathlib import Path

import pytest

from ossicle.testing import check_component, checks_of
from ossicle.testing.common import common_checks

PAGES = Path(__file__).parents[1] / "docs" / "kinds"
SHOWN = {
    "vocoder": "Buzz",
    "kernel": "Softsign",
    "ssl-method": "PseudoLabel",
    "backbone": "MelPerceptron",
    "dataset": "Birds",
    "augmentation": "Gain",
    "mixer": "TimeCutMix",
}


def shown(kind):
    """Run a page's Python and return what it shows."""
    (code,) = re.findall(r"```python\n(.*?)```", (PAGES / f"{kind}.md").read_text("utf-8"), re.DOTALL)
    space = {"__name__": "shown"}
    exec(compile(code, f"{kind}.md", "exec"), space)
    return space[SHOWN[kind]]


@pytest.fixture
def make(tmp_path):
    for species in ("crow", "wren"):
        for tape in ("07", "10", "11"):
            (tmp_path / f"{species}-{tape}-1.wav").touch()
    network = shown("backbone")
    return {
        "ssl-method": lambda method: method(lambda seed: network(4, seed=seed), classes=4),
        "backbone": lambda backbone: backbone(4),
        "dataset": lambda dataset: dataset(tmp_path),
    }


@pytest.mark.parametrize("kind", SHOWN)
def test_what_a_page_shows_passes_the_checks_of_its_kind(kind, make):
    target = shown(kind)
    outcomes = check_component(kind, lambda: make.get(kind, lambda build: build())(target))
    assert [outcome for outcome in outcomes if outcome.status == "failed"] == []


@pytest.mark.parametrize("kind", SHOWN)
def test_a_page_names_every_check(kind):
    page = " ".join((PAGES / f"{kind}.md").read_text("utf-8").split())
    common = {check.name for check in common_checks(list)}
    for check in checks_of(kind):
        assert check.name in common or check.name in page, f"{kind}.md says nothing of: {check.name}"
