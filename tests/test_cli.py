"""The command line's door: help, exit codes, and how little it imports."""

import subprocess
import sys

import pytest

from ossicle.cli.app import COMMANDS
from ossicle.testing.fake_distributions import component_plugin

HEAVY = ("torch", "numpy", "librosa", "soundfile", "torchaudio")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["plugins", "list"],
        ["info"],
        ["recipe", "list"],
        ["vocode", "--help"],
        ["mel", "--help"],
        ["classify", "--help"],
        ["compare", "--help"],
        ["data", "check", "--help"],
        ["plugins", "check", "--help"],
        ["plugins", "install", "--help"],
        ["plugins", "list", "--requirements"],
        ["data", "list"],
    ],
)
def test_listing_and_help_import_nothing_heavy(words):
    script = (
        "import sys; from ossicle.cli.app import main; code = main(sys.argv[1:]); "
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip().endswith("[]")


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("words", [[], ["-h"], ["help"]])
def test_help_by_other_names(run, words):
    assert run(*words) == run("--help")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help(run, name):
    code, out, _ = run(name, "--help")
    assert code == 0 and "Usage" in out


def test_an_unknown_command_is_usage_and_suggests(run):
    code, _, err = run("vocoed", "x.wav")
    assert code == 2 and "did you mean vocode" in err


def test_version(run):
    import ossicle

    assert run("--version")[1].strip() == ossicle.__version__


def test_a_plugin_that_raises_on_import_leaves_every_command_working(site, run, run_json):
    site.add("bad", "raise RuntimeError('out of order')")
    code, statuses = run_json("plugins", "list")
    (status,) = [s for s in statuses if s["name"] == "bad"]
    assert code == 0 and status["state"] == "broken" and "out of order" in status["cause"]
    assert run("plugins", "show", "bad")[0] == 0
    assert run("info")[0] == 0
    assert run("recipe", "list")[0] == 0
    assert run("--help")[0] == 0


def test_plugins_list_without_any(run, monkeypatch, site):
    monkeypatch.setenv("OSSICLE_PLUGINS", "")
    code, out, _ = run("plugins", "list")
    assert code == 0 and "loaded" not in out.replace("loaded by", "")


def test_show_of_an_unknown_plugin_suggests(site, run):
    site.add("my-good-plugin", component_plugin("vocoder", "v", "json:loads"))
    code, _, err = run("plugins", "show", "my-god-plugin")
    assert code == 5 and "my-good-plugin" in err


def command_plugin(body):
    return f"""
        from ossicle.plugin import Command, hookimpl

        @hookimpl
        def ossicle_commands():
            {body}
    """


def test_a_plugin_brings_a_command(site, run):
    site.add(
        "hummer",
        command_plugin("yield Command('hum', 'hum_impl:hum', 'Hum a tone')"),
        modules={"hum_impl": "def hum(pitch: int, /):\n    print('hmm' * pitch)\n    return 3\n"},
    )
    assert "Hum a tone" in run("--help")[1]
    assert run("hum", "2")[:2] == (3, "hmmhmm\n")
    assert run("hum", "high")[0] == 2


def test_a_plugin_cannot_take_a_core_command(site, run):
    site.add(
        "taker",
        command_plugin("yield Command('info', 'taker_impl:info', 'mine')"),
        modules={"taker_impl": "def info(): return 77"},
    )
    assert run("info")[0] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise RuntimeError('unforeseen')", 1),
        ("raise KeyboardInterrupt", 130),
        ("from ossicle.errors import NoInputError; raise NoInputError('none')", 4),
        ("return None", 0),
    ],
)
def test_exit_codes(site, run, body, code):
    site.add(
        "faulty",
        command_plugin("yield Command('fail', 'fail_impl:fail')"),
        modules={"fail_impl": f"def fail():\n    {body}\n"},
    )
    got, _, err = run("fail")
    assert got == code
    assert "Traceback" not in err


def test_debug_shows_the_traceback(site, run, monkeypatch):
    monkeypatch.setenv("OSSICLE_DEBUG", "0")
    site.add(
        "faulty",
        command_plugin("yield Command('fail', 'fail_impl:fail')"),
        modules={"fail_impl": "def fail():\n    raise RuntimeError('unforeseen')\n"},
    )
    code, _, err = run("fail", "--debug")
    assert code == 1 and "Traceback" in err and "fail_impl" in err


def test_info_is_json_too(run_json):
    code, facts = run_json("info")
    assert code == 0 and facts["contract"] == "ossicle.v1" and facts["packages"]["torch"]


def test_recipes_are_listed_shown_and_run(run, run_json, tmp_path, monkeypatch):
    folder = tmp_path / "recipes" / "mydata" / "task"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text('[recipe]\nsummary = "count the arguments"\n')
    (folder / "README.md").write_text("# What it does\n")
    (folder / "run.py").write_text("import sys; sys.exit(len(sys.argv) - 1)")
    monkeypatch.chdir(tmp_path)
    assert run_json("recipe", "list")[1][0]["name"] == "mydata/task"
    assert "What it does" in run("recipe", "show", "mydata/task")[1]
    assert run("recipe", "run", "mydata/task", "--one", "two")[0] == 2
    assert run("recipe", "run", "mydata/tsk")[0] == 5


def test_without_any_plugin_vocode_says_what_is_missing(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "ossicle.cli.app", "vocode", str(tmp_path / "a.npy"), "-o", str(tmp_path / "o.wav")],
        env={"OSSICLE_PLUGINS": "", "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 5, done.stderr
    assert "default vocoder" in done.stderr and "do:" in done.stderr
