"""Sections that a recipe added stay with the run: kept, checked when they are read, and shown side by side."""

import base64
import json
import re

import numpy as np
import pytest
from report_sections import HOSTILE, RATE, every_section, tone

from ossicle.runs import report
from ossicle.runs.folder import RunFolder
from ossicle.runs.report.record import read_record
from ossicle.runs.report.stored import SECTIONS, read_sections, store_sections
from ossicle.runs.report.together import together


def make_run(path, sections=None, **fields):
    RunFolder.create(path, {"recipe": {"summary": "cats and dogs"}})
    report.write_report(path, sections, **fields)
    return path


def titles(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


def body(html):
    return re.sub(r"<style>.*?</style>", "", html[html.index("<main>") : html.index("</main>")], flags=re.DOTALL)


def test_every_kind_of_section_comes_back_as_it_was(tmp_path):
    store_sections(tmp_path, every_section())
    found = read_sections(tmp_path / SECTIONS)
    assert found.faults == ()
    direct, stored = (report.render(report.Page("p", sections)) for sections in (every_section(), found.sections))
    # Sixteen bits of a sound are sixteen bits again; its picture was drawn from more than sixteen.
    picture = re.compile('data:image/png;base64,[^"]+')
    assert picture.sub("", body(stored)) == picture.sub("", body(direct))
    assert len(picture.findall(body(stored))) == 3


def test_a_later_report_has_what_the_recipe_added(run, tmp_path):
    folder = make_run(tmp_path / "run", every_section(), title="Odd ones")
    first = (folder / "report.html").read_text("utf-8")
    assert "Scores" in titles(first) and "<h1>Odd ones</h1>" in first
    assert run("report", folder, "--force")[0] == 0
    assert (folder / "report.html").read_text("utf-8") == first
    # A report without sections keeps those that are there; an empty list takes them away.
    report.write_report(folder)
    assert "Scores" in titles((folder / "report.html").read_text("utf-8"))
    report.write_report(folder, [])
    html = (folder / "report.html").read_text("utf-8")
    assert "Scores" not in titles(html) and "<h1>Odd ones</h1>" in html


def test_what_is_no_number_stays_out_of_the_json(tmp_path):
    sections = [
        report.Table("T", ("a",), [[float("nan")], [np.float32(0.5)], [np.int64(3)], [True]]),
        report.Stream("S", {"m": np.array([1.0, np.nan, 0.0])}),
        report.Histogram("H", {"g": [1.0, float("inf")]}),
    ]
    path = store_sections(tmp_path, sections)
    document = json.loads(path.read_text("utf-8"), parse_constant=lambda name: pytest.fail(name))
    assert document["sections"][0]["rows"] == [[None], [0.5], [3], [True]]
    direct, stored = (report.render(report.Page("p", found)) for found in (sections, read_sections(path).sections))
    assert body(stored) == body(direct)


def test_of_long_and_many_sounds_no_more_is_kept_than_is_shown(tmp_path):
    clips = {f"clip {number}": [report.Sound("original", tone(440, 3), RATE)] for number in range(4)}
    store_sections(tmp_path, [report.Sounds("Sounds", clips, seconds=1.0, limit=2)])
    (found,) = read_sections(tmp_path / SECTIONS).sections
    assert list(found.clips) == ["clip 0", "clip 1"] and len(found.clips["clip 0"][0].samples) == RATE
    assert "the first 2 of 4 clips" in found.note and "the first 1 seconds" in found.note


def test_a_sound_that_cannot_be_shown_is_named_each_time(tmp_path):
    folder = make_run(tmp_path / "run", [report.Sounds("Sounds", {"c": [report.Sound("odd", np.zeros((2, 9)), RATE)]})])
    assert "the sound &#39;odd&#39; cannot be shown" in (folder / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Expecting value"),
        (b'{"format": "ossicle-report-sections", "version": 1, "sections": [{"kind": "text", "ti', "Unterminated"),
        (b"[1, 2]", "no file of the format"),
        (b'{"sections": []}', "no file of the format"),
        (b'{"format": "ossicle-report-sections", "version": 2, "sections": []}', "its version is 2"),
        (b'{"format": "ossicle-report-sections", "version": 1}', "no list of sections"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_a_damaged_file_is_named_and_the_run_is_shown(content, why, tmp_path):
    folder = make_run(tmp_path / "run", every_section())
    (folder / SECTIONS).write_bytes(content)
    html = report.write_report(folder).read_text("utf-8")
    assert "Configuration" in titles(html) and f"{SECTIONS} cannot be read" in html and why in html


def text(**fields):
    return {"kind": "text", "title": "whole", **fields}


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ("text", "it has no fields"),
        ({"kind": "script", "title": "t"}, "its kind is 'script'"),
        ({"kind": "text"}, "text has no title"),
        (text(onload="x"), "onload, which is not known"),
        (text(title=3), "title: int is not str"),
        (text(notice=1), "notice: int is not bool"),
        ({"kind": "facts", "title": "t", "items": [1]}, "items: list is not dict"),
        ({"kind": "facts", "title": "t", "items": {"a": {"text": "x", "href": "javascript:alert(1)"}}}, "cannot link"),
        ({"kind": "table", "title": "t", "columns": ["a"], "rows": [[1, 2]]}, "a row of 2 cells"),
        ({"kind": "table", "title": "t", "columns": ["a"], "rows": [[[1]]]}, "list is not str"),
        ({"kind": "confusion", "title": "t", "labels": ["a"], "counts": [[-1]]}, "below zero"),
        ({"kind": "histogram", "title": "t", "groups": {"a": ["x"]}}, "groups: str is not int"),
        ({"kind": "histogram", "title": "t", "groups": {"a": [1]}, "bins": True}, "bins: bool is not int"),
        ({"kind": "stream", "title": "t", "errors": {"a": [0]}, "window": 0}, "window of 0"),
        ({"kind": "stream", "title": "t", "errors": {"a": [0]}, "marks": [[1]]}, "marks"),
        ({"kind": "curves", "title": "t", "charts": [{"title": "c", "lines": [{"name": "l"}]}]}, "line has no x, y"),
        ({"kind": "figure", "title": "t", "alt": "a", "picture": {"png": "%%"}}, "picture"),
        ({"kind": "sounds", "title": "t", "clips": {"a": [{"label": "l", "data": "AAAA"}]}}, "left out"),
        ({"kind": "sounds", "title": "t", "clips": {"a": [{"label": "l", "data": "/etc/passwd!"}]}}, "clips"),
    ],
)
def test_a_section_that_is_wrong_is_left_out_by_number_and_the_others_are_shown(section, why, tmp_path):
    folder = make_run(tmp_path / "run")
    document = {"format": "ossicle-report-sections", "version": 1, "sections": [section, text(paragraphs=["hello"])]}
    (folder / SECTIONS).write_text(json.dumps(document))
    found = read_record(folder)
    assert [one.title for one in found.stored.sections] == ["whole"]
    (fault,) = found.faults
    assert fault.startswith(f"{SECTIONS}: section 1 is left out") and why in fault
    assert "whole" in titles(report.write_report(folder).read_text("utf-8"))


def test_a_folder_from_elsewhere_runs_nothing_and_asks_for_nothing(tmp_path):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">{HOSTILE}</svg>'
    document = {
        "format": "ossicle-report-sections",
        "version": 1,
        "title": HOSTILE,
        "sections": [
            text(title=HOSTILE, paragraphs=[HOSTILE], code=HOSTILE),
            {"kind": "figure", "title": "f", "alt": HOSTILE, "picture": svg},
            {"kind": "facts", "title": "l", "items": {"up": {"text": "x", "href": "../../elsewhere"}}},
        ],
    }
    (tmp_path / SECTIONS).write_text(json.dumps(document))
    html = report.write_report(tmp_path).read_text("utf-8")
    assert "alert(1)" not in html and "<script>alert" not in html
    assert base64.b64encode(svg.encode()).decode() in html


def test_a_stored_sound_is_not_longer_than_a_page_takes(tmp_path):
    store_sections(tmp_path, [report.Sounds("s", {"c": [report.Sound("l", tone(9, 61), RATE)]}, seconds=100)])
    found = read_sections(tmp_path / SECTIONS)
    assert found.sections == () and "61 s long" in found.faults[0]


def test_sections_of_one_title_share_a_table_or_a_chart(tmp_path):
    def of(error):
        line = report.Line("ours", [1, 2], [error, error])
        return [
            report.Facts("Facts", {"error": error}),
            report.Table("Rows", ("name", "value"), [["a", error]]),
            report.Curves("Curves of it", [report.Chart("part", [line])]),
            report.Stream("Stream", {"ours": [0, 1]}, marks=[(1, "noise")]),
            report.Histogram("Scores", {"all": [error, 1.0]}),
            report.Sounds(
                "Heard", {"c": [report.Sound("original", tone(440), RATE), report.Sound("made", tone(error), RATE)]}
            ),
            report.Text("Said", [str(error)]),
        ]

    for name, error in (("one", 10.0), ("two", 20.0)):
        make_run(tmp_path / name, of(error))
    found = together({name: read_record(tmp_path / name).stored.sections for name in ("one", "two")})
    facts, rows, curves, stream, scores, heard, *said = found
    assert facts.columns == ("name", "one", "two") and facts.rows == [["error", 10.0, 20.0]]
    assert rows.rows == [["one", "a", 10.0], ["two", "a", 20.0]]
    assert [line.name for line in curves.charts[0].lines] == ["one: ours", "two: ours"]
    assert list(stream.errors) == ["one: ours", "two: ours"]
    assert list(scores.groups) == ["one: all", "two: all"]
    assert [sound.label for sound in heard.clips["c"]] == ["original", "one: made", "two: made"]
    assert [one.title for one in said] == ["Said: one", "Said: two"]


def test_what_cannot_share_a_chart_stands_run_after_run():
    many = {f"method {number}": [0, 1] for number in range(9)}
    different = {"one": [report.Table("Rows", ("a",), [])], "two": [report.Table("Rows", ("b",), [])]}
    found = together({"one": [report.Stream("S", many)], "two": [report.Stream("S", many)]})
    assert [one.title for one in found] == ["S: one", "S: two"]
    assert [one.title for one in together(different)] == ["Rows: one", "Rows: two"]
    assert [one.title for one in together({"one": [report.Text("T"), report.Text("T")]})] == ["T: one", "T: one"]


def test_runs_side_by_side_show_what_their_recipes_added(run, tmp_path):
    for name in ("one", "two"):
        make_run(tmp_path / name, every_section())
    assert run("report", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "both.html")[0] == 0
    found = titles((tmp_path / "both.html").read_text("utf-8"))
    assert {"Rows", "Scores", "Confusion: one", "Confusion: two", "Picture: two"} <= set(found)
    assert found.count("Commands") == 1
