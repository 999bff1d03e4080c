"""`check_plugin` and `plugins check`: each planted fault is named with what mends it, and a sound plugin has none."""

import json

import pytest
from new_plugins import put_on_site

from ossicle.errors import UnknownNameError
from ossicle.plugin import KINDS
from ossicle.testing import check_plugin, parametrize_plugin
from ossicle.testing.fake_distributions import component_plugin

HOUSE = ("ossicle>=0.1",)
VOICE = {"voice_impl": "class Voice:\n    pass\n"}
RECORDS = component_plugin("vocoder", "planted-voice", "voice_impl:Voice").replace("\n        ", "\n")


def failed(outcomes):
    return {o["check"]: o for o in outcomes if o["status"] == "failed"}


@pytest.fixture
def check(run_json):
    """Run `plugins check`: returns (exit code, what failed by check)."""

    def call(*names):
        code, reports = run_json("plugins", "check", *names)
        return code, failed([outcome for report in reports for outcome in report["outcomes"]])

    return call


@pytest.mark.parametrize(
    ("code", "settings", "name", "words"),
    [
        ("raise RuntimeError('out of order')", {}, "imports", "out of order"),
        ("import os; os._exit(7)", {}, "imports", "code 7"),
        ("import numpy\n" + RECORDS, {}, "imports lightly", "numpy"),
        ("print('hello')\n" + RECORDS, {}, "prints nothing", "hello"),
        (RECORDS, {"requires": ("ossicle>=99",)}, "takes this ossicle", "99"),
        (RECORDS, {"group": "ossicle.v2"}, "is written for this contract", "ossicle.v2"),
        (RECORDS.replace("components()", "components(config)"), {}, "hooks take what they are given", "config"),
        (RECORDS.replace("yield", "raise ValueError('tired')\n    yield"), {}, "hooks return", "tired"),
        (RECORDS.replace("'vocoder'", "'voccoder'"), {}, "records are sound", "voccoder"),
        (RECORDS.replace("Voice'", "Vioce'"), {}, "targets exist", "Vioce"),
        (RECORDS, {"requires": ()}, "requires ossicle", "dependencies"),
        (RECORDS, {"licence": None}, "names its licence", "names none"),
        (RECORDS.replace('"A fake"', '""'), {}, "describes its components", "planted-voice"),
        (RECORDS.replace("planted-voice", "istftnet"), {}, "shares no name", "ossicle-istftnet"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
)
def test_each_fault_of_an_entry_point_is_named_with_what_mends_it(site, code, settings, name, words):
    # os._exit ends any interpreter that imports it: here the plugin is left out, and looked at in a process of its own.
    deadly = "_exit" in code
    site.add("planted", "x = 1" if deadly else code, modules=VOICE, **{"requires": HOUSE, **settings})
    if deadly:
        check_plugin("planted", components=False)
        (site.folder / "planted.py").write_text(code)
    found = failed([outcome.as_dict() for outcome in check_plugin("planted", components=False)])
    assert list(found) == [name]
    assert words in found[name]["detail"] and found[name]["hint"]


@pytest.mark.parametrize(
    ("kind", "change", "name"),
    [
        ("vocoder", ("length=samples)", "length=samples).unsqueeze(1)"), "gives float32 samples"),
        ("vocoder", ("return torch.istft(", "return torch.rand(1) * torch.istft("), "same input, same output"),
        ("ssl-method", ("logits_u.detach()", "logits_u"), "guesses carry no gradient"),
        ("vocoder", ("pitch_hz: float = 110.0", "pitch_hz: float = 0.0"), "can be built"),
        ("adapter", ("self.var.copy_(", "(lambda given: None)("), "resets to the bit"),
        ("outlier-detector", ("return np.sqrt(", "return -np.sqrt("), "higher is stranger"),
    ],
    ids=["shape", "chance", "gradient", "settings", "reset", "sign"],
)
def test_each_fault_of_a_component_is_named_with_what_mends_it(site, tmp_path, check, run, kind, change, name):
    put_on_site(site, tmp_path / "planted", "planted", kind, change=change)
    code, found = check("planted")
    assert code == 5 and name in found
    code, out, _ = run("plugins", "check", "planted")
    assert code == 5
    assert f"FAIL  {kind}/planted: {name}: {found[name]['detail']}" in out and f"do: {found[name]['hint']}" in out


def test_a_name_that_two_strangers_share_is_the_fault_of_both(site, check):
    for name in ("first", "second"):
        site.add(name, RECORDS, modules=VOICE, requires=HOUSE)
    for name, other in (("first", "second"), ("second", "first")):
        _, found = check(name, "--kind", "kernel")
        assert other in found["shares no name"]["detail"] and f"{name}/NAME" in found["shares no name"]["hint"]


def test_a_house_plugin_keeps_a_name_that_a_stranger_takes(site):
    site.add("taker", RECORDS.replace("planted-voice", "istftnet"), modules=VOICE, requires=HOUSE)
    assert not [o for o in check_plugin("ossicle-istftnet", components=False) if o.status == "failed"]


def test_a_plugin_that_is_left_out_is_not_checked(site, run_json, monkeypatch):
    site.add("planted", RECORDS, modules=VOICE)
    monkeypatch.setenv("OSSICLE_DISABLE", "planted")
    code, (report,) = run_json("plugins", "check", "planted")
    assert code == 0 and [(o["check"], o["status"]) for o in report["outcomes"]] == [("is enabled", "skipped")]


def test_what_cannot_be_built_is_skipped_with_the_reason(site, run):
    modules = {"data_impl": "class Data:\n    def __init__(self, folder): pass\n"}
    site.add("planted", component_plugin("dataset", "planted", "data_impl:Data"), modules=modules, requires=HOUSE)
    code, out, _ = run("plugins", "check", "planted")
    assert code == 0
    assert "skip  dataset/planted: can be built: it cannot be built without folder" in out and "example" in out


def test_an_example_that_is_not_there_is_a_fault(site, check):
    records = RECORDS.replace('"A fake"', '"A fake", example="voice_impl:small"')
    site.add("planted", records, modules=VOICE, requires=HOUSE)
    code, found = check("planted")
    assert code == 5 and "small" in found["can be built"]["detail"]


def test_expectations_are_handed_on(site, tmp_path):
    put_on_site(site, tmp_path / "planted", "planted", "vocoder")
    wrong = check_plugin("planted", expected={"vocoder/planted": {"sample_rate": 44100}})
    assert [o.check for o in wrong if o.status == "failed"] == ["declares what is expected"]


def test_kinds_can_be_chosen_and_the_first_fault_can_end_it(site, tmp_path, run_json):
    put_on_site(site, tmp_path / "planted", "planted", "vocoder", change=("return torch.istft(", "return -1 + 0 * ("))
    code, (report,) = run_json("plugins", "check", "planted", "--kind", "kernel")
    assert code == 0 and not [o for o in report["outcomes"] if o["component"]]
    code, (report,) = run_json("plugins", "check", "planted", "-x")
    assert code == 5 and report["failed"] == 1 and report["outcomes"][-1]["status"] == "failed"
    assert report["outcomes"][-1]["component"] == "planted"


def test_quiet_says_nothing_of_what_is_fine(site, tmp_path, run):
    put_on_site(site, tmp_path / "planted", "planted", "mixer")
    assert run("plugins", "check", "planted", "--quiet") == (0, "", "")


def test_an_unknown_plugin_or_kind_is_an_error(site, run):
    code, _, err = run("plugins", "check", "ossicle-istfnet")
    assert code == 5 and "ossicle-istftnet" in err
    code, _, err = run("plugins", "check", "--kind", "vocodr")
    assert code == 5 and "vocoder" in err
    with pytest.raises(UnknownNameError, match="no plugin"):
        check_plugin("nobody")


def test_every_plugin_is_checked_where_none_is_named(site, monkeypatch, run_json):
    monkeypatch.setenv("OSSICLE_PLUGINS", "planted")
    site.add("planted", "raise RuntimeError('out of order')", requires=HOUSE)
    code, reports = run_json("plugins", "check")
    assert code == 5 and {"planted"} == {r["name"] for r in reports if r["failed"]} and len(reports) > 1


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"vocoder", "ssl-method", "adapter"}))
def test_what_plugins_new_writes_passes_untouched(site, tmp_path, kind):  # the others: test_new_plugin_installs.py
    put_on_site(site, tmp_path / "fresh", "fresh-one", kind)
    outcomes = check_plugin("fresh-one")
    assert [o for o in outcomes if o.status == "failed"] == []
    assert len({o.check for o in outcomes if o.component == "fresh-one" and o.status == "passed"}) >= 12


def test_one_test_for_the_plugin_and_one_for_each_component():
    mark = parametrize_plugin("ossicle-outliers").args
    assert [case.id for case in mark[1]] == [
        "ossicle-outliers", "outlier-detector/autoencoder", "outlier-detector/mod", "outlier-detector/knn",
        "outlier-detector/pyod", "kernel/neighbor-shortlist", "kernel/reconstruction-score",
    ]  # fmt: skip


def test_a_fault_fails_the_test_that_stands_for_it(site, tmp_path):
    put_on_site(site, tmp_path / "planted", "planted", "mixer", change=("share * (y", "2 * share * (y"))
    plugin, component = (case.values[0] for case in parametrize_plugin("planted").args[1])
    plugin()
    with pytest.raises(AssertionError, match="labels"):
        component()


def test_outcomes_are_plain_data():
    outcomes = check_plugin("ossicle-unmix-tns", components=False)
    assert json.loads(json.dumps([o.as_dict() for o in outcomes]))[0]["kind"] == "plugin"
    assert not [o for o in outcomes if o.status != "passed"]
