"""Names lead to components, or to an error that helps."""

import pytest

import ossicle
from ossicle.errors import AmbiguousNameError, ConfigError, InvalidRecordError, UnknownNameError
from ossicle.plugin import Check, Command, Component, Recipe
from ossicle.recipes import find_recipe, find_recipes
from ossicle.registry import default_registry
from ossicle.testing.fake_distributions import component_plugin

HOUSE = "The ossicle authors"
IMPL = {"impl": "class Voice:\n    def __init__(self, pitch=1): self.pitch = pitch\n\nclass Other(Voice): pass\n"}


def test_an_unknown_name_lists_close_ones_and_broken_plugins(site):
    site.add("good", component_plugin("vocoder", "good-voice", "impl:Voice"), modules=IMPL)
    site.add("bad", "raise RuntimeError('out of order')")
    with pytest.raises(UnknownNameError) as caught:
        ossicle.get("vocoder", "god-voice")
    assert "good-voice" in caught.value.hint
    assert "out of order" in caught.value.why


def test_an_unknown_kind_lists_the_kinds():
    with pytest.raises(UnknownNameError, match="vocodr") as caught:
        ossicle.names("vocodr")
    assert "vocoder" in caught.value.hint


def test_a_shared_bare_name_is_ambiguous_and_qualified_ones_work(site):
    site.add("first", component_plugin("vocoder", "same", "impl:Voice"), modules=IMPL)
    site.add("second", component_plugin("vocoder", "same", "impl:Other"))
    with pytest.raises(AmbiguousNameError) as caught:
        ossicle.get("vocoder", "same")
    assert "first/same" in caught.value.hint and "second/same" in caught.value.hint
    assert ossicle.get("vocoder", "second/same").__name__ == "Other"


def test_a_first_party_plugin_keeps_the_bare_name(site):
    site.add("third", component_plugin("vocoder", "same", "impl:Other"), modules=IMPL)
    site.add("ossicle-house", component_plugin("vocoder", "same", "impl:Voice"), author=HOUSE)
    assert ossicle.get("vocoder", "same").__name__ == "Voice"
    assert ossicle.get("vocoder", "third/same").__name__ == "Other"
    assert {"same", "third/same"} <= set(ossicle.names("vocoder"))


def test_names_are_a_sorted_list_of_strings(site, monkeypatch):
    monkeypatch.setenv("OSSICLE_PLUGINS", "dist-a,dist-b,dist-c")
    for name in ("b", "a", "c"):
        site.add(f"dist-{name}", component_plugin("mixer", name, "impl:Voice"), modules=IMPL)
    assert ossicle.names("mixer") == ["a", "b", "c"]


def test_the_only_component_of_a_kind_is_its_default(site, monkeypatch):
    monkeypatch.setenv("OSSICLE_PLUGINS", "one")
    site.add("one", component_plugin("mixer", "only", "impl:Voice"), modules=IMPL)
    assert default_registry().default("mixer") == "only"


def test_without_any_component_there_is_no_default(site, monkeypatch):
    monkeypatch.setenv("OSSICLE_PLUGINS", "")
    with pytest.raises(UnknownNameError, match="no default mixer"):
        default_registry().default("mixer")


def test_an_unknown_setting_names_the_known_ones(site):
    site.add("good", component_plugin("vocoder", "v", "impl:Voice"), modules=IMPL)
    with pytest.raises(ConfigError) as caught:
        ossicle.build("vocoder", "v", picth=2)
    assert "picth" in str(caught.value) and "pitch" in caught.value.hint


def test_a_fault_inside_a_component_comes_through_as_it_is(site):
    site.add(
        "good",
        component_plugin("vocoder", "v", "fragile:Voice"),
        modules={"fragile": "class Voice:\n    def __init__(self): raise TypeError('inside')\n"},
    )
    with pytest.raises(TypeError, match="inside"):
        ossicle.build("vocoder", "v")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Component("vocoder", "Upper", "m:A"),
        lambda: Component("no-kind", "a", "m:A"),
        lambda: Component("vocoder", "a", "m.A"),
        lambda: Command("a b", "m:A"),
        lambda: Recipe("no-slash", "folder"),
        lambda: Recipe("a/b", ""),
        lambda: Check("", "m:A"),
    ],
)
def test_records_refuse_fields_that_make_no_sense(make):
    with pytest.raises(InvalidRecordError):
        make()


def test_recipes_come_from_folders_and_plugins(site, tmp_path, monkeypatch):
    folder = tmp_path / "recipes" / "mydata" / "task"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text('[recipe]\nsummary = "mine"\n')
    monkeypatch.chdir(tmp_path)
    site.add(
        "packaged",
        """
        from ossicle.plugin import Recipe, hookimpl

        @hookimpl
        def ossicle_recipes():
            yield Recipe("other/task", "packaged_recipes:other/task", "theirs")
        """,
        modules={"packaged_recipes.__init__": ""},
    )
    found = {r.name: (r.summary, r.source) for r in find_recipes(default_registry())}
    assert found["mydata/task"] == ("mine", "folder")
    assert found["other/task"] == ("theirs", "packaged")
    with pytest.raises(UnknownNameError, match="mydata/tsk") as caught:
        find_recipe(default_registry(), "mydata/tsk")
    assert "mydata/task" in caught.value.hint
