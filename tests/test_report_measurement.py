"""A measurement's page: tables of what its JSON holds, whatever that is, with the command and the machine of each part."""

import json
import re

from ossicle.runs.environment import describe
from ossicle.runs.report import write_measurement
from ossicle.runs.report.measurement import measurement_sections


def shapes(result):
    return [
        (type(one).__name__, one.title, len(getattr(one, "rows", getattr(one, "items", ()))))
        for one in measurement_sections(result)
    ]


def test_the_page_lies_beside_the_json_and_shows_it(tmp_path):
    result = {"rounds": 3, "rows": [{"n": 10, "s": {"ours": 0.5}}], "environment": describe()}
    path = write_measurement(tmp_path / "speed.json", result, title="Speed <1>")
    html = (tmp_path / "speed.html").read_text("utf-8")
    assert path == tmp_path / "speed.json" and json.loads(path.read_text("utf-8"))["rows"] == result["rows"]
    assert re.findall(r"<h2>(.*?)</h2>", html) == ["Measured", "rows", "Command", "Environment"]
    assert "<h1>Speed &lt;1&gt;</h1>" in html and "s ours" in html


def test_tables_of_single_values_are_rows_of_one():
    result = {"vocoders": {"a": {"snr": 1.0}, "b": {"snr": 2.0, "tone": None}}}
    assert shapes(result) == [("Table", "vocoders", 2)]
    (table,) = measurement_sections(result)
    assert table.columns == ["", "snr", "tone"] and list(table.rows) == [["a", 1.0, None], ["b", 2.0, None]]


def test_many_names_and_few_rows_stand_upright():
    (table,) = measurement_sections({"rows": [{"net": f"n{at}", **{f"m{m}": m for m in range(30)}} for at in (1, 2)]})
    assert table.columns == ["", "n1", "n2"] and len(table.rows) == 30 and table.rows[4] == ["m4", 4, 4]


def test_each_part_has_its_own_command():
    part = {"rows": [{"a": 1}], "environment": {"command": "python a.py", "cores": 2}}
    assert shapes({"one": part, "two": part}) == [
        ("Table", "one, rows", 1),
        ("Table", "two, rows", 1),
        ("Text", "Command", 0),
        ("Facts", "Environment", 1),
        ("Text", "Command", 0),
        ("Facts", "Environment", 1),
    ]


def test_a_result_of_any_shape_gives_a_page(tmp_path):
    for number, result in enumerate(
        ({}, {"a": []}, {"a": {}}, {"a": [[1, 2], [3]]}, {"a": [{}, {}]}, {"a": None}, {"a": {"b": {"c": {"d": 1}}}})
    ):
        write_measurement(tmp_path / f"{number}.json", result, title="t")
        assert (tmp_path / f"{number}.html").read_text("utf-8").endswith("</html>")
