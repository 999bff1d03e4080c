"""Sections that a recipe adds, kept in the run's folder as plain JSON, so that a later report has them too.

``sections.json`` holds ``format``, ``version``, ``title`` and ``sections``. Sounds lie inside it, as FLAC or WAV in base64: nothing in it names
another file, so that a folder from elsewhere can lead nowhere. Whatever is read is checked field by field.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle.errors import OssicleError
from ossicle.runs.folder import write_json
from ossicle.runs.report import sections as kinds
from ossicle.runs.report.sections import Section
from ossicle.runs.report.sounds import encoded, left_out

SECTIONS = "sections.json"
_FORMAT, _VERSION = "ossicle-report-sections", 1
_LONGEST_S = 60.0
"""A stored sound that is longer is refused: a page would not be kept small by what a folder from elsewhere says."""


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a file held: `faults` names the sections that could not be understood."""

    title: str | None = None
    sections: tuple[Section, ...] = ()
    faults: tuple[str, ...] = ()


def store_sections(folder: Path, sections: Sequence[Section], *, title: str | None = None) -> Path:
    """Write a run's sections, whole or not at all; of sounds no more than a page shows."""
    plain = [{"kind": _NAMES[type(section)], **_plain(section)} for section in sections]
    return write_json(folder / SECTIONS, {"format": _FORMAT, "version": _VERSION, "title": title, "sections": plain})


def read_sections(path: Path) -> Stored:
    """Read what `store_sections` wrote; a section that cannot be understood is named, the others are returned.

    Raises
    ------
    ValueError
        If the file is damaged, no file of sections, or of a version that is not known.
    OSError
        If it cannot be read.
    """
    document = json.loads(path.read_text("utf-8"))
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise ValueError(f"it is no file of the format {_FORMAT}")
    if document.get("version") != _VERSION:
        raise ValueError(f"its version is {document.get('version')!r}, and {_VERSION} is known here")
    listed = document.get("sections")
    if not isinstance(listed, list):
        raise ValueError("it holds no list of sections")
    found, faults = [], []
    for number, one in enumerate(listed, start=1):
        try:
            found.append(_section(one))
        except (ValueError, TypeError, OssicleError) as error:
            reason = error.what if isinstance(error, OssicleError) else error
            faults.append(f"{SECTIONS}: section {number} is left out: {reason}")
    title = document.get("title")
    return Stored(title if isinstance(title, str) else None, tuple(found), tuple(faults))


def _plain(record: Any) -> dict[str, Any]:
    if isinstance(record, kinds.Sounds):
        clips = {name: list(sounds) for name, sounds in list(record.clips.items())[: record.limit]}
        note = " ".join(filter(None, (record.note, left_out(record))))
        kept = {name: [_sound_plain(sound, record.seconds) for sound in sounds] for name, sounds in clips.items()}
        return {"title": record.title, "clips": kept, "seconds": record.seconds, "limit": record.limit, "note": note}
    return {field.name: _value(getattr(record, field.name)) for field in dataclasses.fields(record)}


def _sound_plain(sound: kinds.Sound, seconds: float) -> dict[str, Any]:
    # A sound that cannot be shown is kept as none: the page names its fault, each time.
    try:
        data, _ = encoded(sound, seconds)
    except OssicleError:
        data = b""
    return {"label": sound.label, "data": base64.b64encode(data).decode()}


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"png": base64.b64encode(value).decode()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(value)
    if isinstance(value, Mapping):
        return {str(key): _value(one) for key, one in value.items()}
    if hasattr(value, "tolist"):
        return _value(value.tolist())
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_value(one) for one in value]


Reader = Callable[[Any], Any]


def _section(value: Any) -> Section:
    if not isinstance(value, dict) or value.get("kind") not in _KINDS:
        raise ValueError(f"its kind is {value.get('kind')!r}" if isinstance(value, dict) else "it has no fields")
    kind = _KINDS[value["kind"]]
    section: Section = _record(kind, _FIELDS[kind])({key: one for key, one in value.items() if key != "kind"})
    return section


def _record(kind: type, fields: Mapping[str, Reader]) -> Reader:
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def read(value: Any) -> Any:
        given = _expect(value, dict)
        if missing := sorted(required - set(given)):
            raise ValueError(f"{kind.__name__.lower()} has no {', '.join(missing)}")
        if unknown := sorted(set(given) - set(fields)):
            raise ValueError(f"{kind.__name__.lower()} has {', '.join(unknown)}, which is not known")
        return kind(**{name: _named(name, fields[name], one) for name, one in given.items()})

    return read


def _named(name: str, reader: Reader, value: Any) -> Any:
    try:
        return reader(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from error


def _expect(value: Any, *wanted: type) -> Any:
    # True is an int to Python, and no number to us.
    if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
        raise ValueError(f"{type(value).__name__} is not {' or '.join(one.__name__ for one in wanted)}")
    return value


def _text(value: Any) -> str:
    found: str = _expect(value, str)
    return found


def _flag(value: Any) -> bool:
    found: bool = _expect(value, bool)
    return found


def _whole(value: Any) -> int:
    found: int = _expect(value, int)
    return found


def _number(value: Any) -> float:
    found: float = _expect(value, int, float)
    return found


def _or_nan(value: Any) -> float:
    # Errors of a stream may be yes and no.
    return math.nan if value is None else float(_expect(value, int, float, bool))


def _or_none(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


def _many(reader: Reader) -> Reader:
    return lambda value: [reader(one) for one in _expect(value, list)]


def _by_name(reader: Reader) -> Reader:
    return lambda value: {key: reader(one) for key, one in _expect(value, dict).items()}


def _cell(value: Any) -> kinds.Value:
    if isinstance(value, dict):
        link: kinds.Link = _record(kinds.Link, {"text": _text, "href": _text})(value)
        return link
    return None if value is None else _expect(value, str, int, float, bool)


def _mark(value: Any) -> tuple[float, str]:
    at, name = _expect(value, list)
    return _number(at), _text(name)


def _sound(value: Any) -> kinds.Sound:
    given = _expect(value, dict)
    label, data = _text(given.get("label")), base64.b64decode(_text(given.get("data")), validate=True)
    if not data:
        return kinds.Sound(label, [], 1)
    from ossicle.audio.files import decode

    clip = decode(data, name=label)
    if clip.seconds > _LONGEST_S:
        raise ValueError(f"the sound {label!r} is {clip.seconds:.0f} s long, above {_LONGEST_S:g}")
    return kinds.Sound(label, clip.mono().samples[0], clip.sample_rate)


def _picture(value: Any) -> str | bytes:
    if isinstance(value, str):
        return value
    return base64.b64decode(_text(_expect(value, dict).get("png")), validate=True)


_LINE = _record(
    kinds.Line,
    {"name": _text, "x": _many(_or_nan), "y": _many(_or_none(_number)), "colour": _or_none(_whole)},
)
_CHART = _record(
    kinds.Chart,
    {
        "title": _text,
        "lines": _many(_LINE),
        "x_label": _text,
        "y_label": _text,
        "marks": _many(_mark),
        "x_log": _flag,
    },
)
_FIELDS: dict[type, dict[str, Reader]] = {
    kinds.Text: {"title": _text, "paragraphs": _many(_text), "code": _or_none(_text), "notice": _flag},
    kinds.Facts: {"title": _text, "items": _by_name(_cell), "note": _text},
    kinds.Table: {"title": _text, "columns": _many(_text), "rows": _many(_many(_cell)), "note": _text},
    kinds.Curves: {"title": _text, "charts": _many(_CHART), "note": _text},
    kinds.Stream: {
        "title": _text,
        "errors": _by_name(_many(_or_nan)),
        "window": _whole,
        "marks": _many(_mark),
        "note": _text,
    },
    kinds.Confusion: {"title": _text, "labels": _many(_text), "counts": _many(_many(_whole)), "note": _text},
    kinds.Histogram: {
        "title": _text,
        "groups": _by_name(_many(_or_nan)),
        "bins": _whole,
        "x_label": _text,
        "threshold": _or_none(_number),
        "note": _text,
    },
    kinds.Sounds: {
        "title": _text,
        "clips": _by_name(_many(_sound)),
        "seconds": _number,
        "limit": _whole,
        "note": _text,
    },
    kinds.Figure: {"title": _text, "picture": _picture, "alt": _text, "note": _text},
}
_NAMES: dict[type, str] = {kind: kind.__name__.lower() for kind in _FIELDS}
_KINDS: dict[str, type] = {name: kind for kind, name in _NAMES.items()}
