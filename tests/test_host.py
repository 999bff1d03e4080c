"""Every way in which a plugin can fail leaves the others and the command line working."""

import json
import subprocess
import sys

import pytest

import ossicle
from ossicle import registry
from ossicle.errors import BrokenPluginError
from ossicle.host import Host
from ossicle.testing.fake_distributions import component_plugin

GOOD = component_plugin("vocoder", "good-voice", "good_impl:Voice")
IMPL = {"good_impl": "class Voice:\n    def __init__(self, pitch=1): self.pitch = pitch\n"}


def state_of(name: str):
    (status,) = [s for s in Host.discover().statuses if s.name == name]
    return status


def test_a_good_plugin_is_loaded_and_its_target_is_not_imported(site):
    site.add("good", GOOD, modules=IMPL)
    status = state_of("good")
    assert (status.state, status.cause, status.notes) == ("loaded", None, [])
    assert "good_impl" not in sys.modules
    assert ossicle.build("vocoder", "good-voice", pitch=3).pitch == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise RuntimeError('I am broken')", "I am broken"),
        ("def (", "SyntaxError"),
    ],
    ids=["import error", "exit", "exception", "syntax"],
)
def test_a_fault_at_import_breaks_the_plugin_alone(site, code, words):
    site.add("bad", code)
    site.add("good", GOOD, modules=IMPL)
    status = state_of("bad")
    assert status.state == "broken"
    assert words in status.cause
    assert state_of("good").state == "loaded"


def test_the_cause_names_the_place(site):
    site.add("bad", "x = 1\nraise ValueError('here')")
    assert "bad.py:2" in state_of("bad").cause


@pytest.mark.parametrize("target", ["no_such_module", "bad:no_such_object"])
def test_a_missing_entry_point_target_is_broken(site, target):
    site.add("bad", "x = 1", target=target)
    assert state_of("bad").state == "broken"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("no_such_impl:Voice", "no module no_such_impl"),
        ("good_impl:Vioce", "no attribute Vioce"),
        ("json.no_such:Voice", "no module json.no_such"),
        ("json:no_such_thing", "no attribute no_such_thing"),
    ],
)
def test_a_component_whose_target_does_not_exist_is_broken_without_importing_it(site, target, words):
    site.add("bad", component_plugin("vocoder", "v", target), modules=IMPL)
    status = state_of("bad")
    assert status.state == "broken"
    assert words in status.cause
    assert "good_impl" not in sys.modules


def test_a_hook_that_raises_breaks_its_plugin_and_hides_no_other(site):
    site.add(
        "bad",
        """
        from ossicle.plugin import hookimpl

        @hookimpl
        def ossicle_components():
            raise KeyError("oops")
        """,
    )
    site.add("good", GOOD, modules=IMPL)
    status = state_of("bad")
    assert status.state == "broken"
    assert "ossicle_components raised KeyError" in status.cause
    assert "good-voice" in ossicle.names("vocoder")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("@hookimpl\ndef ossicle_components(config): return []", "config"),
        ("@hookimpl\ndef ossicle_open_audio(path=None): return None", "default"),
        ("@hookimpl\ndef ossicle_components(**kwargs): return []", "kwargs"),
        ("@hookimpl\ndef ossicle_componets(): return []", "no hook ossicle_componets"),
        ("@hookimpl\ndef ossicle_components(): return [('vocoder', 'x', 'y:z')]", "not a Component"),
        ("@hookimpl\ndef ossicle_components(): return [Component('voccoder', 'x', 'y:Z')]", "voccoder"),
        ("@hookimpl\ndef ossicle_components(): return [Component('vocoder', 'X y', 'y:Z')]", "X y"),
        ("@hookimpl\ndef ossicle_components(): return [Component('vocoder', 'x', 'no target')]", "no target"),
        ("@hookimpl\ndef ossicle_components(): return [Component('vocoder', 'x', 'json:loads')] * 2", "twice"),
    ],
    ids=["argument", "default", "kwargs", "unknown hook", "no record", "kind", "name", "target", "twice"],
)
def test_a_bad_signature_or_record_is_rejected(site, code, words):
    site.add("bad", "from ossicle.plugin import Component, hookimpl\n\n" + code)
    status = state_of("bad")
    assert status.state == "rejected"
    assert words in status.cause


def test_another_contract_is_incompatible_and_not_imported(site):
    site.add("future", "raise SystemExit", group="ossicle.v2")
    status = state_of("future")
    assert status.state == "incompatible"
    assert "ossicle.v2" in status.cause and "ossicle.v1" in status.cause


def test_an_unmet_version_is_incompatible_and_not_imported(site):
    site.add("needy", "raise SystemExit", requires=("ossicle>=99",))
    status = state_of("needy")
    assert status.state == "incompatible"
    assert "99" in status.cause


def test_a_requirement_of_an_extra_does_not_count(site):
    site.add("good", GOOD, requires=("ossicle>=99 ; extra == 'future'",), modules=IMPL)
    assert state_of("good").state == "loaded"


def test_printing_is_kept_off_the_streams_and_noted(site, capfd):
    site.add("chatty", "print('hello from afar')\n" + GOOD.replace("\n        ", "\n"), modules=IMPL)
    status = state_of("chatty")
    assert status.state == "loaded"
    assert any("hello from afar" in note for note in status.notes)
    assert capfd.readouterr() == ("", "")


def test_a_heavy_import_is_noted(site):
    site.add("heavy", "import numpy\n" + GOOD.replace("\n        ", "\n"), modules=IMPL)
    script = (
        f"import sys; sys.path.insert(0, {str(site.folder)!r}); import ossicle; "
        "print([(s.state, s.notes) for s in ossicle.plugins() if s.name == 'heavy'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "'loaded'" in done.stdout and "imports numpy" in done.stdout


def test_the_same_entry_name_twice_loads_both(site):
    site.add("first", component_plugin("vocoder", "one", "good_impl:Voice"), entry="same", modules=IMPL)
    site.add("second", component_plugin("vocoder", "two", "good_impl:Voice"), entry="same")
    assert {"one", "two"} <= set(ossicle.names("vocoder"))


def test_the_same_component_twice_loads_both_under_qualified_names(site):
    site.add("first", component_plugin("vocoder", "same", "good_impl:Voice"), modules=IMPL)
    site.add("second", component_plugin("vocoder", "same", "good_impl:Voice"))
    names = ossicle.names("vocoder")
    assert "first/same" in names and "second/same" in names and "same" not in names
    assert "first/same" in " ".join(state_of("first").notes)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OSSICLE_PLUGINS", "", {"first": "disabled", "second": "disabled"}),
        ("OSSICLE_PLUGINS", "first", {"first": "loaded", "second": "disabled"}),
        ("OSSICLE_DISABLE", "first, other", {"first": "disabled", "second": "loaded"}),
        ("OSSICLE_DISABLE", "", {"first": "loaded", "second": "loaded"}),
    ],
)
def test_plugins_are_chosen_by_environment(site, monkeypatch, variable, value, expected):
    site.add("first", component_plugin("vocoder", "one", "good_impl:Voice"), modules=IMPL)
    site.add("second", component_plugin("vocoder", "two", "good_impl:Voice"))
    monkeypatch.setenv(variable, value)
    states = {s.name: s.state for s in Host.discover().statuses}
    assert {name: states[name] for name in expected} == expected


def test_debug_lets_a_fault_through(site, monkeypatch):
    site.add("bad", "raise RuntimeError('look here')")
    monkeypatch.setenv("OSSICLE_DEBUG", "1")
    with pytest.raises(RuntimeError, match="look here"):
        Host.discover()


def test_a_target_that_fails_on_first_use_breaks_its_plugin_then(site):
    site.add("late", component_plugin("vocoder", "late", "late_impl:Voice"), modules={"late_impl": "Voice = 1 / 0"})
    assert state_of("late").state == "loaded"
    with pytest.raises(BrokenPluginError, match="late") as caught:
        ossicle.get("vocoder", "late")
    assert "ZeroDivisionError" in str(caught.value)
    (status,) = [s for s in ossicle.plugins() if s.name == "late"]
    assert status.state == "broken"


def test_hooks_with_arguments_are_asked_one_by_one(site):
    listener = """
        from ossicle.plugin import hookimpl

        @hookimpl
        def ossicle_run_event(event):
            {body}
    """
    site.add("bad", listener.format(body="raise RuntimeError('deaf')"))
    site.add("good", listener.format(body="return event['step']"))
    host = Host.discover()
    assert [(s.name, answer) for s, answer in host.call("ossicle_run_event", event={"step": 7})] == [("good", 7)]
    assert [s.state for s in host.statuses if s.name == "bad"] == ["broken"]


def test_a_status_is_plain_data(site):
    site.add("good", GOOD, modules=IMPL)
    record = json.loads(json.dumps(state_of("good").as_dict()))
    assert record["name"] == "good" and record["version"] == "1.0" and record["state"] == "loaded"
    assert record["components"] == ["vocoder/good-voice"]


def test_plugins_that_read_other_sound_are_asked_when_libsndfile_cannot(site, tmp_path):
    from ossicle.audio.files import read

    site.add(
        "reader",
        """
        from ossicle.plugin import hookimpl

        @hookimpl
        def ossicle_open_audio(path):
            return ([[0.0, 0.5]], 8000) if path.suffix == ".odd" else None
        """,
    )
    registry.reset()
    (tmp_path / "a.odd").write_text("not a sound that libsndfile knows")
    clip = read(tmp_path / "a.odd")
    assert clip.sample_rate == 8000 and clip.samples.tolist() == [[0.0, 0.5]]
