"""`plugins new`: names are held to what pip and Python take, nothing is written over, and what is written is clean."""

import subprocess
import sys

import pytest

from ossicle.cli.scaffold import derive_names, write_package
from ossicle.errors import UsageError
from ossicle.plugin import KINDS
from ossicle.toml import read_toml


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_a_package_into_a_folder_of_its_name(here, run):
    code, out, err = run("plugins", "new", "My.Vocoder", "--kind", "vocoder")
    assert code == 0
    written = {str(path.relative_to(here)) for path in here.rglob("*") if path.is_file()}
    assert written == set(out.splitlines()) == {
        f"my-vocoder/{name}"
        for name in (
            "pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/test.yml",
            "src/my_vocoder/__init__.py", "src/my_vocoder/plugin.py", "src/my_vocoder/vocoder.py",
            "tests/test_plugin.py", "tests/test_vocoder.py",
        )
    }  # fmt: skip
    assert "cd my-vocoder" in err and "pip install -e" in err and "plugins check my-vocoder" in err


def test_what_was_written_is_data_too(here, run_json):
    code, found = run_json("plugins", "new", "ossicle-shine", "--kind", "mixer", "-o", "elsewhere")
    assert code == 0 and (here / "elsewhere" / "pyproject.toml").is_file()
    assert (found["name"], found["module"], found["component"]) == ("ossicle-shine", "ossicle_shine", "shine")
    assert "src/ossicle_shine/mixer.py" in found["files"]


def test_author_and_summary_go_where_they_belong(here, run):
    words = ("--author", 'Ann "Bee" Cé <ann@example.org>', "--summary", 'Says "ah"')
    assert run("plugins", "new", "my-voice", "--kind", "vocoder", *words)[0] == 0
    project = read_toml(here / "my-voice" / "pyproject.toml")["project"]
    assert project["authors"] == [{"name": 'Ann "Bee" Cé', "email": "ann@example.org"}]
    assert project["description"] == 'Says "ah"' and project["dependencies"][0].startswith("ossicle>=")
    assert 'Ann "Bee" Cé' in (here / "my-voice" / "LICENSE").read_text("utf-8")
    assert "'Says \"ah\"'," in (here / "my-voice" / "src" / "my_voice" / "plugin.py").read_text("utf-8")


@pytest.mark.parametrize(
    "name", ["", "-x", "x-", "a b", "ü", "x/y", "../x", "a" * 41, "9lives", "class", "json", "Ossicle"]
)
def test_names_that_pip_or_python_would_not_take_are_refused(name):
    with pytest.raises(UsageError, match="cannot be a plugin's name"):
        derive_names(name)


@pytest.mark.parametrize(
    ("name", "taken"), [("pytest", "distribution"), ("ossicle-istftnet", "distribution"), ("yaml", "module")]
)
def test_names_that_are_taken_are_refused(here, run, name, taken):
    if name == "yaml":
        pytest.importorskip("yaml")
    code, _, err = run("plugins", "new", name, "--kind", "vocoder")
    assert code == 5 and f"a {taken} named" in err and not list(here.iterdir())


def test_a_folder_with_something_in_it_is_left_alone_unless_forced(here, run):
    (here / "mine").mkdir()
    (here / "mine" / "README.md").write_text("precious")
    code, _, err = run("plugins", "new", "my-voice", "--kind", "vocoder", "-o", "mine")
    assert code == 2 and "--force" in err and (here / "mine" / "README.md").read_text() == "precious"
    assert run("plugins", "new", "my-voice", "--kind", "vocoder", "-o", "mine", "--force")[0] == 0
    assert "precious" not in (here / "mine" / "README.md").read_text()
    assert run("plugins", "new", "my-voice", "--kind", "vocoder", "-o", "mine/README.md")[0] == 2


@pytest.mark.parametrize("words", [("--summary", "two\nlines"), ("--author", "x" * 200), ("--summary", " ")])
def test_what_does_not_fit_a_line_is_refused(here, run, words):
    assert run("plugins", "new", "my-voice", "--kind", "vocoder", *words)[0] == 2


def test_an_unknown_kind_lists_those_there_are(here, run):
    code, _, err = run("plugins", "new", "my-voice", "--kind", "vocodr")
    assert code == 5 and "outlier-detector" in err and not list(here.iterdir())


@pytest.mark.parametrize("name", ["xy", "abcdefghij-abcdefghij-abcdefghij-abcdefg"])
def test_what_is_written_is_clean(tmp_path, name):
    pytest.importorskip("ruff")
    for kind in KINDS:
        write_package(derive_names(name), kind, tmp_path / kind, author="Ann Bee", summary='It\'s "said" with \\ and $')
    for words in (("check", "--quiet"), ("format", "--check", "--quiet")):
        done = subprocess.run([sys.executable, "-m", "ruff", *words, str(tmp_path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_it_imports_nothing_heavy_and_no_plugin(tmp_path):
    script = (
        "import sys; from ossicle.cli.app import main; code = main(sys.argv[1:]); "
        "print([m for m in ('torch', 'numpy', 'ossicle_istftnet.plugin') if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    words = ("plugins", "new", "my-voice", "--kind", "vocoder", "-o", str(tmp_path / "new"), "--quiet")
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr.strip() == "[]"
