"""The benchmark: data and splits, streams in small, the table of a recipe from nothing to figures."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

import ossicle
from ossicle.audio.clip_cache import ClipCache
from ossicle.audio.log_mel import LogMelSettings
from ossicle.errors import ConfigError, InputError
from ossicle.runs.folder import RunFolder
from ossicle.runs.report.record import read_record
from ossicle_unmix_tns.drift.claims import CORRELATED, check_claims
from ossicle_unmix_tns.drift.data import Clips, find_windows, split_clips
from ossicle_unmix_tns.drift.evaluate import run_stream
from ossicle_unmix_tns.drift.figures import draw_lines
from ossicle_unmix_tns.drift.recipe import adapter_settings, run
from ossicle_unmix_tns.drift.report import ResultTable, read_protocols, write_results, write_table
from ossicle_unmix_tns.drift.rows import COLUMNS, Row, by_seed, corrupted, read_rows
from ossicle_unmix_tns.drift.side_by_side import SideBySide
from ossicle_unmix_tns.drift.table import main as print_table
from ossicle_unmix_tns.streams.protocol import CLEAN, StreamProtocol

RECIPES = Path(__file__).parents[3] / "recipes"
DOMAINS = (CLEAN, ("gain", 5), ("pitch", 5))


@dataclass(frozen=True)
class Record:
    path: Path
    label: int
    fold: int = 0
    split: str = ""
    speaker: str = ""


@pytest.fixture(scope="module")
def network():
    """A network whose labels depend on every clip and on every statistic."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * 12 * 5, 3)).eval()


@pytest.fixture(scope="module")
def heard():
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 3
    inputs = {d: torch.randn(48, 1, 16, 9, generator=draw) * (at + 1) + at for at, d in enumerate(DOMAINS)}
    return inputs, labels


def test_official_test_clips_are_never_trained_on():
    records = [
        Record(Path(f"{label}_{who}_{take}.wav"), label, split="test" if take < 2 else "train", speaker=who)
        for label in (0, 1)
        for who in ("ann", "bob")
        for take in range(8)
    ]
    parts = split_clips(records, {"test_takes": 3, "tune_takes": 2})
    assert {name: len(found) for name, found in parts.items()} == {"train": 12, "tune": 8, "test": 12}
    assert all(i in parts["test"] for i, record in enumerate(records) if record.split == "test")
    assert sorted(i for found in parts.values() for i in found) == list(range(len(records)))


def test_official_lists_split_where_a_data_set_has_them():
    records = [
        Record(Path(f"{at}.wav"), 0, split=split) for at, split in enumerate(("train", "test", "valid", "train"))
    ]
    assert split_clips(records, {"official": True}) == {"train": [0, 3], "tune": [2], "test": [1]}


def test_folds_split_where_there_are_folds_and_an_empty_part_is_told():
    records = [Record(Path(f"{fold}.wav"), 0, fold=fold) for fold in range(1, 6)]
    parts = split_clips(records, {"test_folds": [4, 5], "tune_folds": [3]})
    assert parts == {"train": [0, 1], "tune": [2], "test": [3, 4]}
    with pytest.raises(ConfigError, match="tune"):
        split_clips(records, {"test_folds": [4, 5], "tune_folds": [9]})


def test_windows_leave_silence_out_and_are_cut_from_what_a_corruption_gives():
    samples = np.zeros((2, 1000), np.int16)
    samples[0, 200:500], samples[1] = 9000, 500
    clips = Clips([Record(Path("a"), 1), Record(Path("b"), 0)], ["x", "y"], ClipCache(samples, {}, 1000), {})
    front_end = LogMelSettings(sample_rate=1000, n_fft=64, hop_length=32, n_mels=4, n_samples=250)
    windows = find_windows(clips, [0, 1], front_end, hop=250)
    assert windows.clip.tolist() == [0, 0, 1, 1, 1, 1]
    assert windows.start.tolist() == [0, 250, 0, 250, 500, 750]
    assert windows.label.tolist() == [1, 1, 0, 0, 0, 0]
    rows, cut = windows.cut(clips.cache.waves(torch.tensor([1])), [1])
    assert rows.tolist() == [2, 3, 4, 5] and cut.shape == (4, 250)


def test_a_stream_starts_every_domain_anew_and_counts_by_domain(network, heard):
    inputs, labels = heard
    protocol = StreamProtocol(order="dirichlet-small", domains=DOMAINS, batch_size=24)
    together = run_stream(network, "rbn", {"rate": 0.5}, protocol, inputs, labels)
    for result, domain in zip(together, DOMAINS, strict=True):
        alone = StreamProtocol(order="dirichlet-small", domains=(domain,), batch_size=24)
        assert run_stream(network, "rbn", {"rate": 0.5}, alone, inputs, labels) == [result]
        assert result.windows == 48 and np.mean(result.over_stream) == pytest.approx(result.error)


def test_a_continual_stream_carries_over_what_a_single_one_forgets(network, heard):
    inputs, labels = heard
    found = {
        setting: run_stream(
            network,
            "rbn",
            {"rate": 0.9},
            StreamProtocol(order="iid", domains=DOMAINS[::-1], batch_size=16, setting=setting),
            inputs,
            labels,
        )
        for setting in ("single", "continual")
    }
    assert found["single"][0] == found["continual"][0]
    assert found["single"] != found["continual"]


def test_a_frozen_adapter_does_not_care_what_came_before(network, heard):
    inputs, labels = heard
    orders = [StreamProtocol(order=order, batch_size=8, domains=(CLEAN,)) for order in ("iid", "sorted")]
    one, other = (run_stream(network, "unmix-tns", {}, p, inputs, labels, frozen=True)[0].error for p in orders)
    assert one == other
    source = run_stream(network, "source", {}, orders[0], inputs, labels)
    assert run_stream(network, "rbn", {"rate": 0.9}, orders[0], inputs, labels, frozen=True) == source
    assert run_stream(network, "rbn", {"rate": 0.9}, orders[0], inputs, labels) != source


def test_a_mixed_stream_hears_each_clip_in_its_own_domain(network, heard):
    inputs, labels = heard
    mixed = StreamProtocol(order="iid", domains=DOMAINS, batch_size=10, setting="mixed")
    apart = StreamProtocol(order="iid", domains=DOMAINS, batch_size=10)
    found, wanted = (run_stream(network, "source", {}, p, inputs, labels) for p in (mixed, apart))
    assert [r.error for r in found] == [r.error for r in wanted]


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(
    ("adapter", "settings"), [("rbn", {"rate": 0.05}), ("unmix-tns", {}), ("unmix-tns", {"preset": "paper"})]
)
def test_domains_side_by_side_give_what_they_give_one_by_one(network, heard, adapter, settings, batch_size):
    inputs, _ = heard
    worker = ossicle.build("adapter", adapter, **settings)
    copies = SideBySide(worker.adapt(network), len(DOMAINS))
    alone = [worker.adapt(network) for _ in DOMAINS]
    with torch.no_grad():
        for start in range(0, 24, batch_size):
            rows = slice(start, start + batch_size)
            found = copies(torch.stack([inputs[d][rows] for d in DOMAINS]))
            wanted = torch.stack([one(inputs[d][rows]) for one, d in zip(alone, DOMAINS, strict=True)])
            assert torch.allclose(found, wanted, atol=1e-4)


def make_digits(folder):
    (folder / "recordings").mkdir(parents=True)
    draw = np.random.default_rng(0)
    for digit in range(10):
        for take in range(4):
            at = np.arange(2400) / 8000
            tone = 0.3 * np.sin(2 * np.pi * (250 + 300 * digit) * at) + 0.01 * draw.standard_normal(len(at))
            soundfile.write(folder / "recordings" / f"{digit}_ann_{take}.wav", tone, 8000)
    return folder


def test_a_recipe_fills_its_table_and_goes_on_where_it_ended(tmp_path, capsys):
    data, out = make_digits(tmp_path / "fsdd"), tmp_path / "run"
    argv = ["--data", str(data), "--out", str(out), "--smoke", "--seeds", "0,1", "--quiet", "--adapters"]
    streams = ["--streams", "dirichlet,dirichlet-one"]
    assert run(RECIPES / "fsdd" / "drift", [*argv, "source,tbn", *streams]) == 0
    first = read_rows(out / "results.csv")
    # Four held-out corruptions and clean sound; tbn needs a batch.
    assert len(first) == 2 * 5 * (2 + 1) and {row.windows for row in first} == {10}
    known = read_protocols(out / "protocols.json")
    assert {row.protocol for row in first} == set(known) and {p.seed for p in known.values()} == {2020, 2021}
    assert run(RECIPES / "fsdd" / "drift", [*argv, "source,unmix-tns", "--resume", *streams]) == 0
    rows = read_rows(out / "results.csv")
    assert rows[: len(first)] == first and len(rows) == len(first) + 2 * 2 * 5
    summary = (out / "summary.csv").read_text("utf-8").splitlines()
    assert summary[0].startswith("stream,batch_size,adapter") and len(summary) == 1 + 5
    figures = {path.name for path in out.glob("*.svg")}
    assert {"error-over-stream-dirichlet.svg", "error-against-batch-size.svg"} <= figures
    html = (out / "report.html").read_text("utf-8")
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles[:4] == ["Errors", "Claims", "Error over the stream", "Error against delta and batch size"]
    assert {"By corruption: dirichlet", "By corruption: dirichlet-one", "Corruptions", "Command"} <= set(titles)
    # One clip as it is and through four corruptions.
    assert html.count("<audio") == html.count('alt="mel spectrogram') == 5 and "spoken digits" in html
    assert not re.findall(r'src="(?!data:)', html)
    assert run(RECIPES / "fsdd" / "drift", [*argv, "source", *streams]) == 2  # a run is there, and --resume is not


def test_corruptions_that_follow_each_other_are_drawn_one_after_the_other(tmp_path, network, heard):
    inputs, labels = heard
    table = ResultTable(tmp_path)
    RunFolder.create(tmp_path, {})
    protocol = StreamProtocol(order="iid", domains=DOMAINS[1:], batch_size=16, setting="continual")
    table.add(0, "source", "continual", protocol, run_stream(network, "source", {}, protocol, inputs, labels))
    write_results(tmp_path, table, print)
    (curves,) = [one for one in read_record(tmp_path).stored.sections if one.title == "Error over the stream"]
    (chart,) = curves.charts
    assert chart.marks == [(1, "gain 5"), (9, "pitch 5")] and len(chart.lines[0].y) == 16
    assert chart.lines[0].y[:8] == pytest.approx(table.rows[0].over_stream)


def test_a_gradual_stream_is_drawn_over_its_severities(tmp_path, network, heard):
    _, labels = heard
    inputs = {("gain", severity): torch.randn(48, 1, 16, 9) for severity in range(1, 6)}
    table = ResultTable(tmp_path)
    RunFolder.create(tmp_path, {})
    protocol = StreamProtocol(order="iid", domains=(("gain", 5),), batch_size=16, setting="gradual")
    table.add(0, "source", "gradual", protocol, run_stream(network, "source", {}, protocol, inputs, labels))
    write_results(tmp_path, table, print)
    (curves,) = [one for one in read_record(tmp_path).stored.sections if one.title == "Error over the stream"]
    assert curves.charts[0].lines[0].x == [1, 2, 3, 4, 5]
    assert curves.charts[0].lines[0].y == [pytest.approx(row.error) for row in table.rows]


def test_a_run_without_a_stream_says_so(tmp_path):
    RunFolder.create(tmp_path, {})
    write_results(tmp_path, ResultTable(tmp_path), print)
    assert "No stream has been measured" in (tmp_path / "report.html").read_text("utf-8")


def make_words(folder):
    """Speech Commands in small: two words, an official list each for testing and validation."""
    at = np.arange(16000) / 16000
    for number, word in enumerate(("no", "yes")):
        (folder / word).mkdir(parents=True)
        for take in range(8):
            tone = 0.3 * np.sin(2 * np.pi * (300 + 500 * number) * at) * (1 + 0.1 * take)
            soundfile.write(folder / word / f"{take:08x}_nohash_0.wav", tone, 16000)
    for name, takes in (("testing", (0, 1, 2)), ("validation", (3,))):
        lines = [f"{word}/{take:08x}_nohash_0.wav" for word in ("no", "yes") for take in takes]
        (folder / f"{name}_list.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_speech_commands_go_the_same_way(tmp_path):
    recipe, out = RECIPES / "speech_commands" / "drift", tmp_path / "run"
    argv = ["--data", str(make_words(tmp_path / "words")), "--out", str(out), "--smoke", "--seeds", "0", "--quiet"]
    assert run(recipe, [*argv, "--adapters", "source,unmix-tns", "--streams", "dirichlet"]) == 0
    rows = read_rows(out / "results.csv")
    assert {row.adapter for row in rows} == {"source", "unmix-tns"} and {row.windows for row in rows} == {6}


def test_tuning_hears_other_clips_through_held_out_corruptions(tmp_path):
    data, out = make_digits(tmp_path / "fsdd"), tmp_path / "run"
    argv = ["--data", str(data), "--out", str(out), "--smoke", "--seeds", "0", "--quiet", "--tune"]
    assert run(RECIPES / "fsdd" / "drift", [*argv, "--adapters", "source", "--streams", "dirichlet"]) == 0
    assert {row.corruption for row in read_rows(out / "results.csv")} == {
        "clean",
        "pink-noise",
        "resample",
        "bit-depth",
        "dropout",
    }


@pytest.mark.parametrize("wrong", [["--adapters", "magic"], ["--streams", "wild"], ["--seeds", "one"]])
def test_a_recipe_refuses_what_it_does_not_know(tmp_path, wrong):
    assert run(RECIPES / "fsdd" / "drift", ["--data", str(tmp_path), "--out", str(tmp_path / "run"), *wrong]) == 2


def test_a_recipe_names_missing_data(tmp_path):
    code = run(RECIPES / "esc10" / "drift", ["--data", str(tmp_path), "--out", str(tmp_path / "run")])
    assert code == InputError.exit_code


def test_settings_go_by_batch_size_and_seed():
    chosen = {
        "component": "rbn",
        "rate": 0.1,
        "seeded": True,
        "smallest_batch": 2,
        "by_batch_size": {"1": {"rate": 0.01}},
    }
    assert adapter_settings(chosen, "mine", 64, 3) == ("rbn", {"rate": 0.1, "seed": 3})
    assert adapter_settings(chosen, "mine", 1, 3) == ("rbn", {"rate": 0.01, "seed": 3})
    assert adapter_settings({}, "tbn", 64, 0) == ("tbn", {})


def test_means_go_over_domains_within_a_seed(tmp_path, network, heard):
    inputs, labels = heard
    table = ResultTable(tmp_path)
    protocol = StreamProtocol(order="iid", domains=DOMAINS)
    results = run_stream(network, "source", {}, protocol, inputs, labels)
    table.add(0, "source", "iid", protocol, results)
    assert by_seed(read_rows(tmp_path / "results.csv"), adapter="source", stream="iid", choose=corrupted) == [
        pytest.approx(np.mean([r.error for r in results[1:]]), abs=1e-3)
    ]


def test_a_chart_names_its_lines_and_escapes_them():
    text = draw_lines({"a<b": [(1, 10.0), (64, 20.0)]}, title="t", x="batch size", y="error", log=True)
    assert "a&lt;b" in text and text.startswith("<svg") and text.rstrip().endswith("</svg>")


def make_rows(errors):
    """A table of (adapter, stream): {corruption: error}."""
    return [
        Row(0, stream, 64, adapter, name, 0 if name == "clean" else 5, 10, error, (), "")
        for (adapter, stream), found in errors.items()
        for name, error in found.items()
    ]


def test_claims_are_told_with_their_figures_whether_they_hold_or_not():
    good = {
        ("source", "dirichlet"): {"clean": 5.0, "gain": 60.0, "pitch": 40.0},
        ("unmix-tns", "dirichlet"): {"clean": 5.5, "gain": 20.0, "pitch": 30.0},
        ("source", "iid"): {"clean": 5.0},
        ("unmix-tns-still", "iid"): {"clean": 4.5},
        ("unmix-tns", "iid"): {"gain": 22.0, "pitch": 32.0},
        ("tbn", "iid"): {"gain": 20.0, "pitch": 30.0},
        ("tbn", "dirichlet"): {"gain": 60.0, "pitch": 60.0},
        ("rbn", "dirichlet"): {"gain": 30.0, "pitch": 35.0},
    }
    assert all(claim["holds"] for claim in check_claims(make_rows(good)).values())
    assert len(check_claims(make_rows(good))) == 5  # nothing is said of batch 1, which was not run
    bad = good | {
        ("unmix-tns", "dirichlet"): {"clean": 6.5, "gain": 33.0, "pitch": 41.0},
        ("unmix-tns-still", "iid"): {"clean": 6.5},
    }
    claims = check_claims(make_rows(bad))
    assert not any(claim["holds"] for claim in claims.values())
    assert claims["better than source on 80 % of the corruptions"]["not_better"] == ["pitch"]


def test_a_table_has_means_over_corruptions_their_spread_and_the_least_in_bold(tmp_path, capsys):
    errors = {("source", stream): {"clean": 5.0, "gain": 60.0, "pitch": 40.0} for stream in (*CORRELATED, "iid")}
    errors |= {("unmix-tns", stream): {"clean": 6.0, "gain": 20.0, "pitch": 30.0} for stream in (*CORRELATED, "iid")}
    rows = make_rows(errors | {("tbn", "dirichlet"): {"clean": 9.0, "gain": 70.0, "pitch": 70.0}})
    other = [replace(row, seed=1, error=row.error + 2) for row in rows if row.adapter == "unmix-tns"]
    write_table(tmp_path / "results.csv", COLUMNS, [row.cells() for row in [*rows, *other]])
    assert print_table([str(tmp_path / "results.csv")]) == 0
    head, _, source, own, tbn = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()
    )
    assert head == ["adapter", "clean, dirichlet", *CORRELATED, "correlated", "iid"]
    assert source == ["source", "**5.0**", "50.0", "50.0", "50.0", "50.0", "50.0"]
    assert own == ["unmix-tns", "7.0 ± 1.4", *["**26.0 ± 1.4**"] * 5]
    assert tbn == ["tbn", "9.0", "70.0", "", "", "", ""]
    assert print_table([str(tmp_path / "results.csv"), "--streams", "iid"]) == 0
    assert "| adapter | clean, iid | iid |" in capsys.readouterr().out
