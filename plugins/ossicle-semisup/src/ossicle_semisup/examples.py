"""Small copies of the data sets in their exact layouts on disk, made of tones: for checks, and for a first try."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ossicle.testing.sounds import write_class_folders, write_table, write_tone
from ossicle_semisup.datasets.esc import ESC10, ESC50
from ossicle_semisup.datasets.fsdd import FSDD
from ossicle_semisup.datasets.own import ClassFolders, Manifest
from ossicle_semisup.datasets.speech_commands import SpeechCommands
from ossicle_semisup.datasets.urbansound8k import UrbanSound8K


def make_esc50(folder: Path, *, sound: bool = True, per_class: int = 1, rate: int = 8000) -> Path:
    """Write three classes, two of them ESC-10's, in five folds."""
    rows = []
    for fold in range(1, 6):
        for target, name, ten in ((0, "dog", True), (1, "rooster", True), (5, "cat", False)):
            for clip in range(per_class):
                source = f"{fold}{target}{clip}"
                file = f"{fold}-{source}-A-{target}.wav"
                if sound:
                    write_tone(folder / "audio" / file, rate, 0.25, 400 + 500 * target)
                rows.append((file, fold, target, name, ten, source, "A"))
    write_table(
        folder / "meta" / "esc50.csv", ("filename", "fold", "target", "category", "esc10", "src_file", "take"), rows
    )
    return folder


def make_urbansound8k(folder: Path) -> Path:
    """Write two classes in ten folds."""
    rows = []
    for fold in range(1, 11):
        for number, name in ((1, "car_horn"), (3, "dog_bark")):
            file = f"{fold}00-{number}-0-0.wav"
            write_tone(folder / "audio" / f"fold{fold}" / file, 8000, 0.2, 300 * number)
            rows.append((file, f"{fold}00", 0.0, 0.2, 1, fold, number, name))
    columns = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    write_table(folder / "metadata" / "UrbanSound8K.csv", columns, rows)
    return folder


def make_speech_commands(folder: Path) -> Path:
    """Write two words by three speakers, and the official lists."""
    for hz, word in ((300, "no"), (900, "yes")):
        for speaker in ("0a1b", "2c3d", "4e5f"):
            write_tone(folder / word / f"{speaker}_nohash_0.wav", 8000, 0.2, hz)
    write_tone(folder / "_background_noise_" / "hiss.wav", 8000, 1.0, 50)
    (folder / "validation_list.txt").write_text("no/2c3d_nohash_0.wav\nyes/2c3d_nohash_0.wav\n", "utf-8")
    (folder / "testing_list.txt").write_text("no/4e5f_nohash_0.wav\nyes/4e5f_nohash_0.wav\n", "utf-8")
    return folder


def make_fsdd(
    folder: Path,
    *,
    takes: Iterable[int] = (0, 5, 6, 7),
    speakers: Iterable[str] = ("ann", "bob"),
    below: str = "recordings",
    digits: Iterable[int] = range(10),
) -> Path:
    """Write digits by speakers in several takes."""
    takes, speakers = tuple(takes), tuple(speakers)
    for digit in digits:
        for speaker in speakers:
            for take in takes:
                write_tone(folder / below / f"{digit}_{speaker}_{take}.wav", 8000, 0.3, 200 + 150 * digit)
    return folder


def make_class_folders(folder: Path) -> Path:
    """Write a part to train on and one to test on."""
    write_class_folders(folder / "train")
    write_class_folders(folder / "test", clips=2)
    return folder


def make_manifest(folder: Path) -> Path:
    """Write a list of eight clips, one without a label."""
    rows = []
    for at in range(8):
        write_tone(folder / "sounds" / f"{at}.wav", 8000, 0.2, 300 if at % 2 else 1500)
        label = "" if at == 7 else ("low" if at % 2 else "high")
        rows.append((f"sounds/{at}.wav", label, "test" if at < 2 else "train", f"tape{at // 2}", ""))
    write_table(folder / "manifest.csv", ("path", "label", "split", "source", "speaker"), rows)
    return folder


def esc10(folder: Path) -> ESC10:
    """Return a small copy, written into an empty folder."""
    return ESC10(make_esc50(folder))


def esc50(folder: Path) -> ESC50:
    """Return a small copy, written into an empty folder."""
    return ESC50(make_esc50(folder))


def urbansound8k(folder: Path) -> UrbanSound8K:
    """Return a small copy, written into an empty folder."""
    return UrbanSound8K(make_urbansound8k(folder))


def speech_commands(folder: Path) -> SpeechCommands:
    """Return a small copy, written into an empty folder."""
    return SpeechCommands(make_speech_commands(folder))


def fsdd(folder: Path) -> FSDD:
    """Return a small copy, written into an empty folder."""
    return FSDD(make_fsdd(folder))


def class_folders(folder: Path) -> ClassFolders:
    """Return a small copy, written into an empty folder."""
    return ClassFolders(make_class_folders(folder))


def manifest(folder: Path) -> Manifest:
    """Return a small copy, written into an empty folder."""
    return Manifest(make_manifest(folder))
