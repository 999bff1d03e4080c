"""Somebody else's plugin: it conforms, it says what the published code says, and it runs nothing that a file names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

vocos = pytest.importorskip("vocos", reason="the package vocos is not installed (pip install vocos)")
pytest.importorskip("ossicle_vocos", reason="the example is not installed (pip install -e examples/ossicle-vocos)")

from ossicle.audio import files  # noqa: E402
from ossicle.cli.app import main  # noqa: E402
from ossicle.errors import CheckpointError, ConfigError, MelError  # noqa: E402
from ossicle.registry import default_registry  # noqa: E402
from ossicle.testing import parametrize_checks  # noqa: E402
from ossicle_vocos.config import VocosConfig, parse_config, read_config  # noqa: E402
from ossicle_vocos.example import SMALL, small  # noqa: E402
from ossicle_vocos.vocoder import VocosVocoder  # noqa: E402

SPEECH = Path(__file__).parents[2] / "speech.flac"
YAML = """
feature_extractor:
  class_path: vocos.feature_extractors.MelSpectrogramFeatures
  init_args:
    sample_rate: 24000
    n_fft: 1024
    hop_length: 256
    n_mels: 100
    padding: {padding}
backbone:
  class_path: vocos.models.VocosBackbone
  init_args:
    input_channels: 100
    dim: 32
    intermediate_dim: 64
    num_layers: 2
head:
  class_path: vocos.heads.ISTFTHead
  init_args:
    dim: 32
    n_fft: 1024
    hop_length: 256
    padding: {padding}
"""


@pytest.fixture(params=["center", "same"])
def published(request, tmp_path):
    """A folder in the published layout, and the published package's model of it."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "config.yaml").write_text(YAML.format(padding=request.param))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = vocos.Vocos.from_hparams(str(folder / "config.yaml")).eval()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder, model


@parametrize_checks("vocoder", lambda: small(Path()), expected={"sample_rate": 24000, "n_mels": 100})
def test_it_keeps_the_contract(check):
    check()


@parametrize_checks("vocoder", lambda: VocosVocoder.from_config(VocosConfig(**{**vars(SMALL), "padding": "same"})))
def test_it_keeps_the_contract_with_frames_that_are_not_centred(check):
    check()


def test_it_says_what_the_published_package_says(published):
    folder, model = published
    vocoder = VocosVocoder(folder)
    wave = torch.randn(2, 24000, generator=torch.Generator().manual_seed(1)) * 0.1
    mel = vocoder.mel(wave)
    torch.testing.assert_close(mel, model.feature_extractor(wave), atol=2e-4, rtol=0)
    torch.testing.assert_close(vocoder(mel), model.decode(mel), atol=1e-6, rtol=0)


def test_a_file_is_taken_with_its_configuration_beside_it_or_named(published, tmp_path):
    folder, _ = published
    beside = VocosVocoder(folder / "pytorch_model.bin")
    moved = (folder / "pytorch_model.bin").rename(tmp_path / "weights.bin")
    named = VocosVocoder(moved, config=folder / "config.yaml")
    mel = beside.mel(torch.zeros(1, 4096))
    assert torch.equal(beside(mel), named(mel))


def test_the_defaults_are_the_published_model_of_13_million_weights():
    vocoder = VocosVocoder.from_config()
    assert sum(weight.numel() for weight in vocoder.network.parameters()) == 13_531_650
    assert (vocoder.sample_rate, vocoder.hop_length, vocoder.front_end.floor) == (24000, 256, 1e-7)


def test_vocode_analyses_and_speaks_through_it(published, tmp_path, capsys):
    if "vocos" not in default_registry().names("vocoder"):
        pytest.skip("the example is not installed (pip install -e examples/ossicle-vocos)")
    folder, _ = published
    out = tmp_path / "out.wav"
    words = ["vocode", SPEECH, "-o", out, "--vocoder", "vocos", "--checkpoint", folder]
    assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    spoken, heard = files.read(out), files.read(SPEECH)
    assert spoken.sample_rate == 24000
    assert abs(spoken.seconds - heard.seconds) < 1e-3


def test_it_is_somebody_elses_and_takes_no_names_from_the_house():
    found = [f for f in default_registry().all("vocoder") if f.component.name == "vocos"]
    if not found:
        pytest.skip("the example is not installed (pip install -e examples/ossicle-vocos)")
    assert not found[0].status.first_party
    assert default_registry().default("vocoder") == "ossicle-istftnet/istftnet"


def test_listing_it_imports_neither_torch_nor_vocos():
    script = "import sys, ossicle_vocos.plugin; assert not {'torch', 'vocos', 'yaml'} & set(sys.modules)"
    subprocess.run(
        [sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_without_a_checkpoint_it_says_where_to_get_one():
    with pytest.raises(CheckpointError) as caught:
        VocosVocoder()
    assert "carries no weights" in caught.value.why and "charactr/vocos-mel-24khz" in caught.value.hint


class Trap:
    """Touches a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_not_run(published, tmp_path):
    folder, _ = published
    torch.save({"backbone.embed.weight": Trap(tmp_path / "ran")}, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="refused"):
        VocosVocoder(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("vocos.heads.ISTFTHead", "os.system", "the head is 'os.system'"),
        ("vocos.models.VocosBackbone", "vocos.models.VocosResNetBackbone", "the backbone is"),
        ("vocos.feature_extractors.MelSpectrogramFeatures", "vocos.feature_extractors.EncodecFeatures", "is 'vocos"),
        ("class_path: vocos.heads.ISTFTHead", "class_path: [1]", "the head is"),
        ("feature_extractor:", "feature_extractor: !!python/object/apply:os.getcwd []\nunused:", "cannot be read"),
        ("    num_layers: 2\n", "", "missing: num_layers"),
        ("    num_layers: 2\n", "    num_layers: two\n", "num_layers is 'two'"),
        ("    num_layers: 2\n", "    num_layers: 2\n    adanorm_num_embeddings: 4\n", "conditional"),
        ("input_channels: 100", "input_channels: 80", "input_channels is 80"),
        ("padding: center\nbackbone", "padding: same\nbackbone", "head.padding is 'center'"),
        ("feature_extractor:", "x: [", "cannot be read"),
    ],
)
def test_a_configuration_is_compared_and_never_imported(tmp_path, old, new, words):
    text = YAML.format(padding="center")
    assert old in text
    path = tmp_path / "config.yaml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("values", [None, [], "text", {}, {"feature_extractor": 3}])
def test_what_is_no_configuration_is_refused(values):
    with pytest.raises(ConfigError):
        parse_config(values)


def test_an_endless_configuration_is_not_read(tmp_path):
    (tmp_path / "config.yaml").write_text("a: b\n" * 20000)
    with pytest.raises(ConfigError, match="more than 65536 bytes"):
        read_config(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("head.out.bias"), "missing, unexpected"),
        (lambda state: state.update({"backbone.more": torch.zeros(1)}), "backbone.more"),
        (lambda state: state.update({"head.out.bias": torch.zeros(3)}), "head.out.bias"),
        (lambda state: state.update({"head.out.bias": "text"}), "head.out.bias"),
        (lambda state: state["head.out.bias"].fill_(float("nan")), "not numbers"),
    ],
)
def test_weights_that_do_not_fit_are_told(published, change, words):
    folder, model = published
    state = model.state_dict()
    change(state)
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError) as caught:
        VocosVocoder(folder)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "spoil", [lambda path: path.write_bytes(b""), lambda path: path.write_bytes(path.read_bytes()[:999]), Path.unlink]
)
def test_a_damaged_or_missing_file_is_told(published, spoil):
    folder, _ = published
    spoil(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError):
        VocosVocoder(folder)


def test_one_centred_frame_has_no_samples_and_is_refused():
    with pytest.raises(MelError, match="shape"):
        VocosVocoder.from_config(SMALL)(torch.zeros(1, 100, 1))
