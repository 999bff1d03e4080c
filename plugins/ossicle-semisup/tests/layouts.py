"""Small copies of the data sets in their exact layouts on disk, made of tones."""

import csv
import zlib
from pathlib import Path

import numpy as np
import soundfile


def write_tone(path, rate, seconds, hz):
    path.parent.mkdir(parents=True, exist_ok=True)
    at = np.arange(round(rate * seconds)) / rate
    noise = np.random.default_rng(zlib.crc32(f"{path.name}{hz}".encode())).standard_normal(len(at))
    soundfile.write(path, (0.3 * np.sin(2 * np.pi * hz * at) + 0.02 * noise).astype(np.float32), rate, subtype="PCM_16")


def write_table(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


def make_esc50(folder: Path, *, sound=True, per_class=1, rate=8000):
    """Three classes, two of them ESC-10's; five folds."""
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


def make_urbansound8k(folder: Path):
    rows = []
    for fold in range(1, 11):
        for number, name in ((1, "car_horn"), (3, "dog_bark")):
            file = f"{fold}00-{number}-0-0.wav"
            write_tone(folder / "audio" / f"fold{fold}" / file, 8000, 0.2, 300 * number)
            rows.append((file, f"{fold}00", 0.0, 0.2, 1, fold, number, name))
    columns = ("slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class")
    write_table(folder / "metadata" / "UrbanSound8K.csv", columns, rows)
    return folder


def make_speech_commands(folder: Path):
    for hz, word in ((300, "no"), (900, "yes")):
        for speaker in ("0a1b", "2c3d", "4e5f"):
            write_tone(folder / word / f"{speaker}_nohash_0.wav", 8000, 0.2, hz)
    write_tone(folder / "_background_noise_" / "hiss.wav", 8000, 1.0, 50)
    (folder / "validation_list.txt").write_text("no/2c3d_nohash_0.wav\nyes/2c3d_nohash_0.wav\n", "utf-8")
    (folder / "testing_list.txt").write_text("no/4e5f_nohash_0.wav\nyes/4e5f_nohash_0.wav\n", "utf-8")
    return folder


def make_fsdd(folder: Path, *, takes=(0, 5, 6, 7), speakers=("ann", "bob"), below="recordings", digits=range(10)):
    for digit in digits:
        for speaker in speakers:
            for take in takes:
                write_tone(folder / below / f"{digit}_{speaker}_{take}.wav", 8000, 0.3, 200 + 150 * digit)
    return folder


def make_class_folders(folder: Path):
    for part, count in (("train", 3), ("test", 2)):
        for hz, name in ((300, "low"), (1500, "high")):
            for at in range(count):
                write_tone(folder / part / name / f"{at}.wav", 8000, 0.2, hz)
    return folder


def make_manifest(folder: Path):
    rows = []
    for at in range(8):
        write_tone(folder / "sounds" / f"{at}.wav", 8000, 0.2, 300 if at % 2 else 1500)
        label = "" if at == 7 else ("low" if at % 2 else "high")
        rows.append((f"sounds/{at}.wav", label, "test" if at < 2 else "train", f"tape{at // 2}", ""))
    write_table(folder / "manifest.csv", ("path", "label", "split", "source", "speaker"), rows)
    return folder


MAKERS = {
    "esc10": make_esc50,
    "esc50": make_esc50,
    "urbansound8k": make_urbansound8k,
    "speech-commands": make_speech_commands,
    "fsdd": make_fsdd,
    "class-folders": make_class_folders,
    "manifest": make_manifest,
}
