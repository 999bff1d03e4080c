"""The parts of a report: records that check themselves, charts with the right points, and a page that nothing escapes from."""

import base64
import io
import re
import zlib
from html import unescape
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from report_sections import HOSTILE, RATE, every_page, tone

from ossicle.errors import ConfigError
from ossicle.runs.report import (
    Chart,
    Confusion,
    Histogram,
    Line,
    Link,
    Page,
    Sound,
    Sounds,
    Stream,
    Table,
    render,
    write_page,
)
from ossicle.runs.report.axes import Axis, label
from ossicle.runs.report.bars import bin_edges, bin_shares, draw_histogram
from ossicle.runs.report.lines import draw_lines, thin
from ossicle.runs.report.matrix import draw_confusion, per_class
from ossicle.runs.report.numbers import column_texts, shown, sort_key
from ossicle.runs.report.picture import palette, spectrogram_png
from ossicle.runs.report.sections import running_error


def svg(text):
    return ElementTree.fromstring(text)


def shapes(text, kind, of):
    return [one for one in svg(text).iter() if one.tag.endswith(kind) and of in one.get("class", "")]


def test_a_line_is_drawn_through_its_points_and_broken_where_one_is_missing():
    drawn = draw_lines(Chart("loss", [Line("loss", [0, 1, 2, 3, 4], [1.0, 2.0, None, 4.0, 3.0])]))
    pieces = [one.get("points").split() for one in shapes(drawn, "polyline", "line")]
    assert [len(piece) for piece in pieces] == [2, 2]
    heights = [float(point.split(",")[1]) for piece in pieces for point in piece]
    assert heights[0] > heights[1] > heights[3] > heights[2], "larger values must be higher up"
    assert "loss: 4 at 3" in drawn


@pytest.mark.parametrize("values", [[], [None], [float("nan"), float("inf")]])
def test_a_chart_of_nothing_says_so(values):
    assert "no value" in draw_lines(Chart("loss", [Line("loss", range(len(values)), values)]))
    assert "no value" in draw_histogram(Histogram("scores", {"a": values}))


@pytest.mark.parametrize("values", [[5.0], [0.0], [0.0, 0.0], [-3.0], [1e-9, 1e9], [1e300, -1e300]])
def test_any_finite_values_give_a_chart_within_its_picture(values):
    for drawn in (
        draw_lines(Chart("x", [Line("x", range(len(values)), values)])),
        draw_histogram(Histogram("x", {"x": values})),
    ):
        for one in svg(drawn).iter():
            for name in ("x", "x1", "x2", "cx"):
                assert -1 <= float(one.get(name, 0)) <= 361
            for name in ("y", "y1", "y2", "cy"):
                assert -1 <= float(one.get(name, 0)) <= 211


def test_a_wide_range_above_zero_gets_a_logarithmic_axis():
    powers = [10.0**-power for power in range(5)]
    heights = [float(p.split(",")[1]) for p in shapes(
        draw_lines(Chart("loss", [Line("loss", range(5), powers)])), "polyline", "line"
    )[0].get("points").split()]  # fmt: skip
    steps = np.diff(heights)
    assert np.allclose(steps, steps[0], atol=0.2)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.02, 0.97), (-3, 250), (1e-7, 3e-7), (12000, 29000), (5, 5.001)])
def test_ticks_are_few_round_and_inside(low, high):
    for axis in (Axis(low, high, 0, 100), Axis(max(low, 1e-3), max(high, 2e-3), 0, 100, log=True)):
        ticks = axis.ticks()
        assert 1 <= len(ticks) <= 7
        assert all(axis.low - 1e-9 * abs(axis.low) <= tick <= axis.high * (1 + 1e-9) + 1e-12 for tick in ticks)
        assert ticks == sorted(set(ticks))


def test_tick_labels_are_short():
    assert [label(v) for v in (0, 0.25, 1500, 29000, 2_500_000)] == ["0", "0.25", "1500", "29k", "2.5M"]


def test_a_long_line_keeps_its_peaks():
    values = [0.0] * 50_000
    values[31_234] = 9.0
    kept = thin([(float(x), y) for x, y in enumerate(values)])
    assert len(kept) <= 600 and (31_234.0, 9.0) in kept
    assert kept == sorted(kept)


def test_a_histogram_counts_every_value_once_and_tells_shares():
    edges = bin_edges(0.0, 1.0, 4)
    assert bin_shares([0.0, 0.2, 0.25, 0.6, 1.0], edges) == [0.4, 0.2, 0.2, 0.2]
    assert bin_shares([3.0, 3.0], bin_edges(3.0, 3.0, 40)) == [1.0]
    drawn = draw_histogram(Histogram("scores", {"odd": [1.0, 2.0, 3.0, float("inf")]}, bins=2, threshold=9.0))
    assert "odd: 2 of 3 from 2 to 3" in drawn and "threshold 9" in drawn


def test_a_streams_error_is_the_mean_of_the_last_few():
    assert running_error([1, 0, 1, 1, 0], 2) == [100.0, 50.0, 50.0, 100.0, 50.0]
    assert running_error([float("nan"), 1, 0], 2) == [None, 100.0, 50.0]
    chart = Stream("s", {"source": np.array([True, False])}, window=2, marks=[(1, "noise")]).chart()
    assert chart.lines[0].points == [(1.0, 100.0), (2.0, 50.0)]
    assert "noise, from 1 on" in draw_lines(chart)


def test_a_confusion_matrix_shows_counts_and_classes_tell_their_mistakes():
    matrix = Confusion("c", ["cat", "dog", "owl"], [[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    drawn = draw_confusion(matrix)
    assert [t.text for t in shapes(drawn, "text", "count")] == ["8", "2", "10"]
    assert "cat answered as dog: 2 of 10 (20.0 %)" in drawn
    rows = per_class(matrix).rows
    assert rows[0] == ["cat", 10, 8, 0.8, 1.0, 2 * 8 / 18, "dog (2)"]
    assert rows[1] == ["dog", 10, 10, 1.0, 10 / 12, 20 / 22, None]
    assert rows[2] == ["owl", 0, 0, None, None, None, None]


def test_a_matrix_of_many_classes_has_counts_in_its_tips_alone():
    size = 50
    drawn = draw_confusion(Confusion("c", [f"class {i}" for i in range(size)], np.eye(size, dtype=int).tolist()))
    assert not shapes(drawn, "text", "count") and "class 7 answered as class 7: 1 of 1" in drawn


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Confusion("c", ["a", "b"], [[1, 2]]), "does not fit its 2 labels"),
        (lambda: Confusion("c", ["a"], [[-1]]), "below zero"),
        (lambda: Table("t", ["a", "b"], [[1]]), "a row of 1 cells"),
        (lambda: Line("l", [1, 2], [1]), "2 places and 1 values"),
        (lambda: Stream("s", {}, window=0), "window of 0"),
        (lambda: Histogram("h", {}, bins=0), "0 bins"),
        (lambda: Link("x", "javascript:alert(1)"), "cannot link"),
        (lambda: Link("x", "https://example.org"), "cannot link"),
        (lambda: Link("x", "//example.org"), "cannot link"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_numbers_are_written_for_people():
    assert [shown(v) for v in (0.123456, 1234567, 1e-7, None, float("nan"), True, np.float32(0.5), "")] == [
        "0.1235", "1\u202f234\u202f567", "1.000e-07", "–", "–", "yes", "0.5", "–",
    ]  # fmt: skip
    assert column_texts([0.5, 0.25, None, 1.0]) == ["0.5000", "0.2500", "–", "1.0000"]
    assert column_texts([17.25, 8, "a"]) == ["17.25", "8", "a"]
    assert [sort_key(v) for v in (np.int64(3), None, float("nan"), "b")] == ["3.0", "", "", "b"]


def test_a_picture_is_a_png_of_the_mels_size_with_low_frequencies_at_its_foot():
    mel = np.full((80, 33), -11.5)
    mel[0] = 2.0
    data = spectrogram_png(mel)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (33, 80)
    start = data.index(b"IDAT")
    length = int.from_bytes(data[start - 4 : start], "big")
    lines = np.frombuffer(zlib.decompress(data[start + 4 : start + 4 + length]), np.uint8).reshape(80, 34)
    assert (lines[-1, 1:] == 255).all() and (lines[:-1, 1:] == 0).all()


def test_long_pictures_are_narrowed_and_colours_get_lighter_all_the_way():
    data = spectrogram_png(np.zeros((4, 5001)))
    assert int.from_bytes(data[16:20], "big") <= 800
    lightness = palette().astype(float) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > -1).all() and lightness[-1] - lightness[0] > 200


def test_sounds_are_inside_the_page_and_what_was_cut_is_told():
    clips = {f"clip {i}": [Sound("original", tone(440, 3.0), RATE)] for i in range(4)}
    page = render(Page("p", [Sounds("Sounds", clips, seconds=1.0, limit=2)]))
    sounds = re.findall(r'data:audio/(?:flac|wav);base64,([^"]+)', page)
    heard = [soundfile.read(io.BytesIO(base64.b64decode(sound))) for sound in sounds]
    assert [(wave.shape, rate) for wave, rate in heard] == [((RATE,), RATE)] * 2
    assert np.abs(heard[0][0] - tone(440, 1.0)).max() < 1e-4
    assert "the first 2 of 4 clips, the first 1 seconds of longer sounds" in page and "3.0 s" in page


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(0), "cannot be shown"),
        (np.zeros((2, 100)), "cannot be shown"),
        (np.full(100, np.nan), "are not numbers"),
    ],
)
def test_a_sound_that_cannot_be_played_is_named_and_the_others_play(samples, words):
    clips = {"clip": [Sound("bad", samples, RATE), Sound("good", tone(440), RATE)]}
    page = render(Page("p", [Sounds("Sounds", clips)]))
    assert page.count("<audio") == 1 and words in page


@pytest.mark.parametrize("samples", [np.zeros(1), np.zeros(RATE), np.ones(100)])
def test_one_sample_silence_and_full_scale_can_be_shown(samples):
    assert render(Page("p", [Sounds("s", {"c": [Sound("x", samples, RATE)]})])).count("<audio") == 1


def test_every_kind_of_section_is_on_the_page_once(tmp_path):
    page = every_page()
    html = write_page(tmp_path / "r.html", page).read_text("utf-8")
    for section in page.sections:
        assert html.count(f"<h2>{section.title}</h2>") == 1
    assert "1 left out" in html  # The score that is no number.
    error = 100 * np.mean(page.sections[3].errors["source"])
    assert f"source {error:.4g} %" in html and "white noise from 200" in html


def test_names_cannot_become_markup_and_nothing_leads_off_the_page():
    html = render(every_page())
    assert HOSTILE not in html and "<script>alert" not in html and html.count("<script>") == 1
    outside = re.findall(r"""(?:src|href|action)=["']?(?!data:|#)([^"'\s>]+)""", html)
    assert outside == ["metrics.jsonl"]
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in unescape(html)


def test_sections_of_one_title_have_anchors_of_their_own():
    html = render(Page("p", [Table("Rows", ["a"], []), Table("Rows", ["a"], [[1]])]))
    assert 'id="rows"' in html and 'id="rows-2"' in html
