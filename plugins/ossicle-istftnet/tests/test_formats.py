"""Checkpoints that load, and those that do not and say why."""

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ossicle.errors import CheckpointError, ConfigError
from ossicle_istftnet.config import GeneratorConfig, variant, variant_names
from ossicle_istftnet.folder import load_folder, save_folder
from ossicle_istftnet.formats import load_state
from ossicle_istftnet.generator import Generator
from ossicle_istftnet.public_config import parse_public_config, read_public_config
from ossicle_istftnet.vocoder import HiFiGANVocoder, ISTFTNetVocoder

GOLDEN = Path(__file__).parent / "golden" / "istftnet_c8c8i_w64"
FOLDED = GOLDEN / "alt" / "g_folded"


@pytest.fixture
def state():
    return load_state(FOLDED)


@pytest.fixture
def beside(tmp_path):
    """A folder with the golden config.json, for a checkpoint to lie in."""
    (tmp_path / "config.json").write_bytes((GOLDEN / "config.json").read_bytes())
    return tmp_path


def same(a, b):
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], atol=1e-6) for k in a)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: {"generator": s},
        lambda s: {"model_g": s},
        lambda s: {"state_dict": {f"generator.{k}": v for k, v in s.items()}, "epoch": 3},
        lambda s: {"model": {f"module.generator.{k}": v for k, v in s.items()}},
        lambda s: {"model": {**{f"dec.{k}": v for k, v in s.items()}, "enc_p.weight": torch.zeros(1)}},
        lambda s: {"generator": {k: v.half() for k, v in s.items()}},
        lambda s: s,
    ],
    ids=["generator", "model_g", "state_dict", "module", "whole VITS", "half", "bare"],
)
def test_wrappers_and_prefixes_are_seen_through(tmp_path, state, wrap):
    torch.save(wrap(state), tmp_path / "g")
    loaded = load_state(tmp_path / "g")
    assert loaded.keys() == state.keys()
    assert all(v.dtype == torch.float32 and torch.allclose(v, state[k], atol=2e-3) for k, v in loaded.items())


def test_safetensors_and_old_pickles_load(tmp_path, state):
    save_file({f"generator.{k}": v for k, v in state.items()}, tmp_path / "g.safetensors")
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert same(load_state(tmp_path / "g.safetensors"), state)
    assert same(load_state(tmp_path / "old.pt"), state)


def test_weight_norm_is_folded_as_torch_folds_it(tmp_path):
    torch.manual_seed(0)
    network = Generator(GeneratorConfig(upsample_initial_channel=16, n_mels=8)).add_weight_norm()
    torch.save(network.state_dict(), tmp_path / "g")
    loaded = load_state(tmp_path / "g")
    assert same(loaded, network.fold_weight_norm().state_dict())


class Hostile:
    """A pickle that touches a file when it is loaded."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.mark.parametrize("save", [lambda o, p: torch.save(o, p), lambda o, p: p.write_bytes(pickle.dumps(o))])
def test_a_pickle_that_would_run_code_is_refused_and_nothing_is_run(beside, save):
    save({"generator": Hostile(beside / "it-ran")}, beside / "g_evil")
    with pytest.raises(CheckpointError, match="refused") as caught:
        ISTFTNetVocoder(beside / "g_evil")
    assert "nothing was run" in caught.value.why
    assert not (beside / "it-ran").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text and no checkpoint", "damaged"),
        (FOLDED.read_bytes()[:5000], "damaged"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{broken", "damaged"),
    ],
    ids=["empty", "text", "cut off", "broken safetensors"],
)
def test_a_damaged_file_is_named(beside, content, words):
    (beside / "g").write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        ISTFTNetVocoder(beside / "g")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        ISTFTNetVocoder(tmp_path / "g")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"mpd": {}, "msd": {}, "optim_g": {}}, "discriminators"),
        ({"backbone.embed.weight": torch.zeros(1)}, "Vocos"),
        ({"generator": {"some.weight": torch.zeros(1)}}, "no HiFi-GAN or iSTFTNet generator"),
        ([1, 2, 3], "no HiFi-GAN"),
    ],
)
def test_other_checkpoints_are_recognised(tmp_path, found, words):
    torch.save(found, tmp_path / "g")
    with pytest.raises(CheckpointError) as caught:
        load_state(tmp_path / "g")
    assert words in str(caught.value)


def test_weights_that_are_not_numbers_are_refused(tmp_path, state):
    torch.save({**state, "conv_post.bias": state["conv_post.bias"] * float("nan")}, tmp_path / "g")
    with pytest.raises(CheckpointError, match="not numbers") as caught:
        load_state(tmp_path / "g")
    assert "conv_post.bias" in caught.value.why


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_mels": 100}, ("conv_pre.weight", "num_mels")),
        ({"upsample_initial_channel": 128}, ("shapes differ", "upsample_initial_channel")),
        ({"resblock": "2"}, ("missing", "resblock to '1'")),
        (
            {"resblock_kernel_sizes": [3, 7], "resblock_dilation_sizes": [[1, 3, 5]] * 2},
            ("unexpected", "resblock_kernel_sizes"),
        ),
        ({"gen_istft_n_fft": 32}, ("conv_post.weight", "gen_istft_n_fft")),
    ],
)
def test_a_configuration_that_does_not_fit_names_keys_shapes_and_the_suspect(beside, change, words):
    config = json.loads((GOLDEN / "config.json").read_text())
    (beside / "config.json").write_text(json.dumps({**config, **change}))
    (beside / "g").write_bytes(FOLDED.read_bytes())
    with pytest.raises(CheckpointError, match="does not fit") as caught:
        ISTFTNetVocoder(beside / "g")
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_an_old_configuration_without_istft_settings_is_an_istftnet(beside):
    config = json.loads((GOLDEN / "config.json").read_text())
    old = {k: v for k, v in config.items() if not k.startswith("gen_istft")}
    (beside / "config.json").write_text(json.dumps(old))
    (beside / "g").write_bytes(FOLDED.read_bytes())
    assert ISTFTNetVocoder(beside / "g").generator.config.istft_n_fft == 16


def test_the_wrong_architecture_names_the_right_one():
    with pytest.raises(CheckpointError, match="istftnet, not of hifigan") as caught:
        HiFiGANVocoder(GOLDEN / "g_00000001")
    assert "'istftnet'" in caught.value.hint


def test_no_configuration_says_what_to_do(tmp_path):
    (tmp_path / "g").write_bytes(FOLDED.read_bytes())
    with pytest.raises(ConfigError, match=r"config\.json") as caught:
        ISTFTNetVocoder(tmp_path / "g")
    assert "--config" in caught.value.hint
    assert ISTFTNetVocoder(tmp_path / "g", GOLDEN / "config.json").hop_length == 256


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hop_size": 300}, "8 x 8 x 4 = 256"),
        ({"resblock": "3"}, "resblock"),
        ({"upsample_rates": [8]}, "upsample_rates"),
        ({"upsample_kernel_sizes": [4, 16]}, "gaps"),
        ({"sampling_rate": "fast"}, "wrong type"),
        ({"gen_istft_hop_size": 16}, "overlap"),
        ({"fmax": 99999}, "mel range"),
        ({"resblock_kernel_sizes": [4, 7, 11]}, "odd"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(change, words):
    config = json.loads((GOLDEN / "config.json").read_text())
    with pytest.raises(ConfigError) as caught:
        parse_public_config({**config, **change})
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"n_fft": 1024}'])
def test_a_damaged_configuration_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ConfigError):
        read_public_config(tmp_path / "config.json")


@pytest.mark.parametrize("name", variant_names())
def test_every_variant_makes_256_samples_a_frame(name):
    config = variant(name)
    assert config.hop_length == 256
    assert GeneratorConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("v1", 13.936),
        ("v1-c8c8c2i", 13.802),
        ("v1-c8c8i", 13.262),
        ("v1-c8c1i", 12.937),
        ("v1-c8i", 10.886),
        ("v2", 0.929),
        ("v2-c8c8i", 0.889),
        ("v2-c8i", 0.780),
        ("v3", 1.464),
        ("v3-c8c8i", 1.425),
        ("v3-c8i", 1.278),
    ],
)
def test_variants_have_the_published_sizes(name, millions):
    with torch.device("meta"):
        network = Generator(variant(name)).add_weight_norm()
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=6e-4)


def test_an_unknown_variant_lists_the_known():
    with pytest.raises(ConfigError, match="v9") as caught:
        variant("v9")
    assert "v1-c8c8i" in caught.value.hint


def test_a_model_folder_keeps_everything(tmp_path):
    speak = ISTFTNetVocoder(GOLDEN / "g_00000001")
    speak.save(tmp_path / "model", card={"licence": "CC0-1.0", "steps": 7})
    again = ISTFTNetVocoder(tmp_path / "model")
    mel = torch.randn(1, 80, 9, generator=torch.Generator().manual_seed(0))
    assert torch.equal(speak(mel), again(mel))
    assert again.front_end == speak.front_end and again.generator.config == speak.generator.config
    assert ISTFTNetVocoder(tmp_path / "model" / "model.safetensors").hop_length == 256
    assert not list((tmp_path / "model").glob("*.part"))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("version = 1", "version = 2", "version 2"),
        ('"ossicle-vocoder"', '"other"', "format 'other'"),
        ("n_mels = 80", "n_mels = 'many", "TOML"),
        ("[front_end]", "[front_end]\nspeed = 3", "speed"),
    ],
)
def test_a_model_folder_of_another_kind_is_refused(tmp_path, old, new, words):
    speak = ISTFTNetVocoder(GOLDEN / "g_00000001")
    save_folder(tmp_path, speak.generator.state_dict(), speak.generator.config, speak.front_end)
    text = (tmp_path / "model.toml").read_text()
    assert old in text
    (tmp_path / "model.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(CheckpointError) as caught:
        load_folder(tmp_path)
    assert words in str(caught.value)


def test_a_folder_with_several_checkpoints_asks_for_one(beside):
    for name in ("g_1", "g_2"):
        (beside / name).write_bytes(FOLDED.read_bytes())
    with pytest.raises(CheckpointError, match="2 checkpoints"):
        ISTFTNetVocoder(beside)
