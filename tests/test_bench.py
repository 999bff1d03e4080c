"""`ossicle bench`: figures for every vocoder in the registry."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.testing.fake_distributions import component_plugin


@pytest.fixture(autouse=True)
def fake_voice(site, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    site.add("plugin-fake", component_plugin("vocoder", "fake", "fake_voice:FakeVoice"))


@pytest.fixture
def references(tmp_path):
    folder = tmp_path / "refs"
    folder.mkdir()
    t = np.arange(11025) / 22050
    for i in range(3):
        soundfile.write(folder / f"{i}.wav", 0.2 * np.sin(2 * np.pi * (200 + 50 * i) * t), 22050)
    return folder


def test_vocoders_side_by_side(run_json, references, tmp_path):
    code, result = run_json(
        "bench",
        "vocode",
        "--reference",
        references,
        "--vocoder",
        "fake",
        "--vocoder",
        "fake:loud=0.02",
        "--measures",
        "mel_l1,mrstft",
        "-o",
        tmp_path / "r.json",
    )
    assert code == 0 and result["files"] == 3 and set(result["vocoders"]) == {"fake", "fake:loud=0.02"}
    summary = result["vocoders"]["fake"]
    rows = [r["figures"]["mel_l1"] for r in result["rows"] if r["vocoder"] == "fake"]
    assert summary["mel_l1"]["mean"] == pytest.approx(np.mean(rows)) and summary["mel_l1"]["n"] == 3
    assert summary["mel_l1"]["sd"] == pytest.approx(np.std(rows, ddof=1))
    assert summary["times_real_time"] > 0 and result["environment"]["cpu"]
    assert json.loads((tmp_path / "r.json").read_text())["vocoders"] == result["vocoders"]
    page = (tmp_path / "r.html").read_text("utf-8")
    for title in ("Quality", "Quality against speed", "Speed", "Sounds", "File by file", "Command", "Environment"):
        assert f"<h2>{title}</h2>" in page
    # Three originals, and what each of both vocoders made of them.
    assert page.count("<audio") == 9 and "loss-mel L1 ↓" in page


def test_the_table_is_for_people(run, references):
    code, out, _ = run(
        "bench", "vocode", "--reference", references, "--vocoder", "fake", "--measures", "mel_l1", "--limit", "1"
    )
    assert code == 0 and "loss-mel L1 ↓" in out and "fake" in out and "±" in out


def test_what_cannot_be_measured_has_a_reason(run_json, references):
    soundfile.write(references / "0.wav", np.zeros(11025), 22050)
    code, result = run_json(
        "bench", "vocode", "--reference", references / "0.wav", "--vocoder", "fake", "--measures", "stoi,mel_l1"
    )
    summary = result["vocoders"]["fake"]
    assert code == 0 and "stoi" not in summary and "mel_l1" in summary
    assert any("silent" in reason for reason in summary["not_measured"])


def test_a_bad_file_does_not_stop_the_others(run_json, references):
    (references / "1.wav").write_text("spoiled")
    code, result = run_json("bench", "vocode", "--reference", references, "--vocoder", "fake", "--measures", "mel_l1")
    assert code == 3 and result["failed"] == 1 and result["files"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--measures", "loudness"), 2, "loudness"),
        (("--vocoder", "fake:loud"), 2, "KEY=VALUE"),
        (("--vocoder", "fake:volume=3"), 2, "volume"),
        (("--vocoder", "nobody"), 5, "nobody"),
    ],
)
def test_nonsense_is_refused(run, references, arguments, code, words):
    got, _, err = run("bench", "vocode", "--reference", references, "--vocoder", "fake", *arguments)
    assert got == code and words in err


@pytest.mark.parametrize("what", ["vocode", "kernels"])
def test_a_result_is_not_written_over_by_its_page(run, what, tmp_path):
    code, _, err = run("bench", what, "-o", tmp_path / "r.html")
    assert code == 2 and "cannot be called" in err and not (tmp_path / "r.html").exists()


def test_kernels_are_timed_or_the_reason_is_stated(run_json, site, tmp_path):
    site.add(
        "fast",
        component_plugin("kernel", "twice", "twice_kernel:Twice"),
        modules={
            "twice_kernel": """
                import torch

                class Twice:
                    op, tolerance = "twice", 1e-6
                    def reference(self, x): return x * 2
                    def accelerated(self, x): return x + x
                    def supports(self, device, dtype): return device == "cpu"
                    def samples(self): return [("four", (torch.ones(4),))]
            """
        },
    )
    code, result = run_json("bench", "kernels", "--device", "cpu", "--rounds", 3, "-o", tmp_path / "k.json")
    assert code == 0
    page = (tmp_path / "k.html").read_text("utf-8")
    assert "<h2>Kernels</h2>" in page and "twice" in page
    rows = {row["kernel"]: row for row in result["rows"]}
    assert rows["twice"]["accelerated_s"] > 0 and rows["twice"]["reason"] is None
    if "istft-head" in rows:
        assert rows["istft-head"]["accelerated_s"] is None and "cpu" in rows["istft-head"]["reason"]


def test_speed_alone_needs_no_sound(run_json):
    code, result = run_json("bench", "vocode", "--vocoder", "fake", "--seconds", "0.5", "--rounds", "2")
    row = result["speed"][0]
    assert code == 0 and result["vocoders"] == {} and row["name"] == "fake"
    assert row["times_real_time"] == pytest.approx(row["seconds_of_sound"] / row["median_s"])
    assert row["first_sample_s"] is None and row["peak_memory_mib"] is None


def test_a_peer_is_timed_beside_ours_and_the_threads_stay(run_json, monkeypatch):
    import torch

    from ossicle.cli import bench_peers

    def build():
        torch.set_num_threads(7)
        return bench_peers.Peer(lambda mel: mel.repeat_interleave(100, 2)[:, 0], 40, 8000, 100)

    monkeypatch.setitem(bench_peers.PEERS, "strange", (build, "a peer"))
    code, result = run_json(
        "bench", "vocode", "--vocoder", "fake", "--peer", "strange", "--seconds", "0.5", "--rounds", "2", "--threads", "1"
    )  # fmt: skip
    assert code == 0 and [row["name"] for row in result["speed"]] == ["fake", "peer strange"]
    assert torch.get_num_threads() == 1


def test_a_peer_that_is_not_there_is_named(run, monkeypatch):
    from ossicle.cli import bench_peers

    def missing():
        raise ImportError("No module named 'strange'")

    monkeypatch.setitem(bench_peers.PEERS, "strange", (missing, "a peer"))
    assert run("bench", "vocode", "--vocoder", "fake", "--peer", "nobody")[0] != 0
    code, _, err = run("bench", "vocode", "--vocoder", "fake", "--peer", "strange")
    assert code == 5 and "pip install strange" in err


def test_a_picture_of_quality_against_speed(run, tmp_path):
    soundfile.write(tmp_path / "a.wav", 0.1 * np.sin(np.arange(22050) / 20), 22050)
    code, out, _ = run(
        "bench", "vocode", "--reference", tmp_path / "a.wav", "--vocoder", "fake", "--measures", "mel_l1",
        "--seconds", "0.5", "--rounds", "1", "--figure", tmp_path / "q.svg",
    )  # fmt: skip
    assert code == 0 and "tone (dB)" in out
    from xml.etree import ElementTree

    texts = [e.text for e in ElementTree.parse(tmp_path / "q.svg").iter() if e.text]
    assert "fake" in texts and "times real time" in texts
    code, _, err = run("bench", "vocode", "--vocoder", "fake", "--rounds", "1", "--seconds", "0.2", "--figure", "x.svg")
    assert code == 2 and "no quality to draw" in err
