"""The command line's door: finds the command, runs it, and turns every fault into three lines and an exit code."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Sequence

from ossicle.cli.console import STDIO, say, show_bug, show_error
from ossicle.errors import OssicleError, UsageError
from ossicle.plugin import Command
from ossicle.registry import default_registry

COMMANDS = {
    "vocode": ("ossicle.cli.vocode:vocode", "Turn sound or mel spectrograms into speech."),
    "mel": ("ossicle.cli.mel:mel", "Analyse sound into mel files that vocode takes."),
    "classify": ("ossicle.cli.classify:classify", "Name what is heard in sound files."),
    "corrupt": ("ossicle.cli.corrupt:corrupt", "Make sound worse, as rooms, devices, codecs and noise do."),
    "compare": ("ossicle.cli.compare:compare", "Tell whether one run is better than another."),
    "report": ("ossicle.cli.report:report", "Show a run, or several side by side, on a page."),
    "data": ("ossicle.cli.data:app", "List data sets and check a copy of one."),
    "plugins": ("ossicle.cli.plugins:app", "List plugins and look into one."),
    "recipe": ("ossicle.cli.recipe:app", "List, show and run recipes."),
    "bench": ("ossicle.cli.bench:app", "Measure vocoders and kernels."),
    "doctor": ("ossicle.cli.doctor:doctor", "Check the installation and say what mends it."),
    "info": ("ossicle.cli.info:info", "Show versions and settings, for a report."),
}
"""Commands of the core, each imported when it is called; a plugin cannot take these names."""

_EPILOGUE = """\
Exit codes: 0 all fine, 1 bug, 2 usage or configuration, 3 some inputs failed, 4 no usable input,
5 plugin missing, broken or refused, 130 interrupted. ossicle COMMAND --help tells more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    if "--debug" in tokens:
        tokens.remove("--debug")
        os.environ["OSSICLE_DEBUG"] = "1"
    try:
        return _dispatch(tokens)
    except OssicleError as error:
        show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; a second failure at interpreter exit would be noise.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        show_bug(error)
        return 1


def _dispatch(tokens: list[str]) -> int:
    if not tokens or tokens[0] in ("--help", "-h", "help"):
        print(_help())
        return 0
    if tokens[0] in ("--version", "-V"):
        import ossicle

        print(ossicle.__version__)
        return 0
    words = tuple(token for token in tokens if token != "--json")
    if words[:1] in (("plugins",), ("info",)):
        from ossicle.cli.plain import QUICK

        if words in QUICK:
            return QUICK[words]("--json" in tokens)
    # Known names first: with an unknown one, cyclopts would import every command to look for it.
    name = tokens[0]
    target = COMMANDS[name][0] if name in COMMANDS else _plugin_command(name)
    return _run(name, target, tokens[1:])


def _run(name: str, target: str, tokens: list[str]) -> int:
    from cyclopts import App, CycloptsError

    from ossicle.errors import BrokenPluginError
    from ossicle.loading import describe_fault
    from ossicle.targets import load_target

    try:
        found = load_target(target)
    except (ImportError, AttributeError) as error:
        if name in COMMANDS:
            raise
        raise BrokenPluginError(f"the command {name} cannot be loaded", why=describe_fault(error)) from error
    if isinstance(found, App):
        app = found
    else:
        app = App(name=f"ossicle {name}", version_flags=[])
        app.default(found)
    app.suppress_keyboard_interrupt = False  # Ours to report: cyclopts would exit from within.
    try:
        result = app(
            [STDIO if token == "-" else token for token in tokens],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        text = " ".join(str(error).split())
        raise UsageError(f"ossicle {name}: {text}", hint=f"see: ossicle {name} --help") from error
    return result if isinstance(result, int) else 0


def _plugin_commands() -> dict[str, Command]:
    found: dict[str, Command] = {}
    for _, record in default_registry().host.records("ossicle_commands"):
        if isinstance(record, Command) and record.name not in COMMANDS:
            found.setdefault(record.name, record)
    return found


def _plugin_command(name: str) -> str:
    commands = _plugin_commands()
    if name in commands:
        return commands[name].target
    known = [*COMMANDS, *commands]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    what = f"there is no option {name}" if name.startswith("-") else f"there is no command {name!r}"
    raise UsageError(what, hint=f"did you mean {' or '.join(close)}?" if close else f"commands: {', '.join(known)}")


def _help() -> str:
    lines = ["Usage: ossicle COMMAND ...", "", "A plugin host for audio and signal research.", "", "Commands:"]
    rows = [(name, summary) for name, (_, summary) in COMMANDS.items()]
    rows += [(name, command.summary) for name, command in sorted(_plugin_commands().items())]
    lines += [f"  {name:<12} {summary}" for name, summary in rows]
    lines += [
        "",
        "Options:",
        "  --help, -h    this text",
        "  --version     the version",
        "  --debug       show tracebacks",
        "",
        _EPILOGUE,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
