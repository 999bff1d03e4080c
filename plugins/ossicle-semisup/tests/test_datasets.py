"""Loaders read the official layouts, splits are the official ones, and what is torn or missing is named."""

import pytest

from ossicle.errors import ConfigError, InputError
from ossicle.testing.sounds import write_table
from ossicle_semisup.datasets.esc import ESC10, ESC50
from ossicle_semisup.datasets.fsdd import FSDD
from ossicle_semisup.datasets.own import ClassFolders, Manifest
from ossicle_semisup.datasets.speech_commands import SpeechCommands
from ossicle_semisup.datasets.urbansound8k import UrbanSound8K
from ossicle_semisup.examples import (
    make_class_folders,
    make_esc50,
    make_fsdd,
    make_manifest,
    make_speech_commands,
    make_urbansound8k,
)
from ossicle_semisup.splits import choose_labeled, hold_out, leaks


def test_esc10_is_a_part_of_esc50(tmp_path):
    make_esc50(tmp_path, sound=False)
    whole, part = ESC50(tmp_path), ESC10(tmp_path)
    assert whole.labels == ("dog", "rooster", "cat") and part.labels == ("dog", "rooster")
    assert len(whole.clips()) == 15 and len(part.clips()) == 10
    assert {clip.label for clip in part.clips()} == {0, 1}


def test_a_fold_is_tested_and_the_others_are_learned_from(tmp_path):
    data = ESC10(make_esc50(tmp_path, sound=False))
    parts = data.split(fold=3)
    assert {data.clips()[i].fold for i in parts["test"]} == {3}
    assert {data.clips()[i].fold for i in parts["train"]} == {1, 2, 4, 5}
    for fold in (None, 6):
        with pytest.raises(ConfigError, match="1, 2, 3, 4, 5"):
            data.split(fold=fold)


def test_urbansound8k_lies_in_folders_of_folds(tmp_path):
    data = UrbanSound8K(make_urbansound8k(tmp_path))
    assert data.labels == ("car_horn", "dog_bark") and list(data.folds) == list(range(1, 11))
    assert not data.missing() and data.clips()[0].source == "100"


def test_speech_commands_go_by_their_lists(tmp_path):
    data = SpeechCommands(make_speech_commands(tmp_path))
    assert data.labels == ("no", "yes")
    parts = data.split()
    assert {name: len(found) for name, found in parts.items()} == {"train": 2, "valid": 2, "test": 2}
    assert {data.clips()[i].speaker for i in parts["test"]} == {"4e5f"}
    assert not leaks(parts, data.clips())


@pytest.mark.parametrize("below", ["recordings", "audio"])
def test_fsdd_tests_the_first_takes(tmp_path, below):
    data = FSDD(make_fsdd(tmp_path, below=below))
    parts = data.split()
    assert len(parts["test"]) == 20 and len(parts["train"]) == 60
    assert leaks(parts, data.clips()) == ["train and test share 2 speakers (ann, bob)"]


def test_fsdd_can_hold_speakers_out(tmp_path):
    data = FSDD(make_fsdd(tmp_path))
    parts = data.split(held_out_speakers=["bob"])
    assert {data.clips()[i].speaker for i in parts["test"]} == {"bob"} and not leaks(parts, data.clips())
    with pytest.raises(ConfigError, match="eve"):
        data.split(held_out_speakers=["eve"])
    with pytest.raises(ConfigError, match="all speakers"):
        data.split(held_out_speakers=["ann", "bob"])


def test_ones_own_folders_and_manifests(tmp_path):
    folders = ClassFolders(make_class_folders(tmp_path / "a"))
    assert folders.labels == ("high", "low") and len(folders.split()["train"]) == 6
    manifest = Manifest(make_manifest(tmp_path / "b"))
    assert manifest.labels == ("high", "low") and [c.label for c in manifest.clips()].count(-1) == 1
    assert len(manifest.split()["test"]) == 2


def test_a_clip_without_a_label_is_never_chosen_as_labelled(tmp_path):
    data = Manifest(make_manifest(tmp_path))
    labeled, others = choose_labeled(data.split()["train"], data.clips(), classes=2, per_class=2, seed=0)
    assert all(data.clips()[i].label >= 0 for i in labeled) and 7 in others


@pytest.mark.parametrize("kind", [ESC50, UrbanSound8K, SpeechCommands, FSDD])
def test_a_folder_of_something_else_says_where_to_get_the_right_one(kind, tmp_path):
    with pytest.raises(InputError) as caught:
        kind(tmp_path).clips()
    assert kind.home in str(caught.value.hint)
    with pytest.raises(InputError, match="no folder"):
        kind(tmp_path / "nowhere")


def test_a_table_of_another_shape_names_the_missing_column(tmp_path):
    write_table(tmp_path / "meta" / "esc50.csv", ("filename", "fold"), [("a.wav", 1)])
    with pytest.raises(InputError, match="target"):
        ESC50(tmp_path)


# --- who is labelled


def clips_of(counts, tmp_path):
    rows = [
        (f"{label}-{i}.wav", label, "train", f"{label}tape{i // 2}", "")
        for label, n in counts.items()
        for i in range(n)
    ]
    write_table(tmp_path / "manifest.csv", ("path", "label", "split", "source", "speaker"), rows)
    return Manifest(tmp_path).clips()


def test_shares_are_rounded_as_the_paper_rounds_them(tmp_path):
    clips = clips_of({"a": 32, "b": 32}, tmp_path)
    labeled, others = choose_labeled(range(64), clips, classes=2, share=0.1, seed=0)
    assert len(labeled) == 6 and len(others) == 58 and not set(labeled) & set(others)


def test_labels_are_drawn_by_the_seed(tmp_path):
    clips = clips_of({"a": 30, "b": 30}, tmp_path)
    first, second, other = (choose_labeled(range(60), clips, classes=2, per_class=5, seed=s)[0] for s in (0, 0, 1))
    assert first == second != other


def test_a_class_without_a_labelled_clip_is_an_error(tmp_path):
    clips = clips_of({"a": 30, "b": 3}, tmp_path)
    with pytest.raises(ConfigError, match="class 1 has no labelled clip"):
        choose_labeled(range(33), clips, classes=2, share=0.1, seed=0)
    with pytest.raises(ConfigError, match="3 clips"):
        choose_labeled(range(33), clips, classes=2, per_class=4, seed=0)
    with pytest.raises(ConfigError, match="--labels"):
        choose_labeled(range(33), clips, classes=2, seed=0)


def test_a_held_out_part_keeps_recordings_together(tmp_path):
    clips = clips_of({"a": 40, "b": 20}, tmp_path)
    kept, held = hold_out(range(60), clips, 0.25, seed=0)
    assert not leaks({"train": kept, "valid": held}, clips)
    assert [sum(clips[i].label == label for i in held) for label in (0, 1)] == [10, pytest.approx(5, abs=1)]


def test_torn_recordings_are_reported(tmp_path):
    clips = clips_of({"a": 4}, tmp_path)
    assert leaks({"train": [0, 2], "test": [1, 3]}, clips) == ["train and test share 2 recordings (atape0, atape1)"]
