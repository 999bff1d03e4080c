"""Narrow types are measured before they are taken, and exact fast paths are exact."""

import pytest
import torch

import ossicle
from ossicle.audio.mel import MelSettings
from ossicle.errors import ConfigError, OssicleError
from ossicle_istftnet import engines, upsampling
from ossicle_istftnet.calibration import calibration_mels
from ossicle_istftnet.config import GeneratorConfig, variant
from ossicle_istftnet.cpu import fused
from ossicle_istftnet.cpu.int8 import Range
from ossicle_istftnet.generator import Generator
from ossicle_istftnet.vocoder import ISTFTNetVocoder

CPU = torch.device("cpu")
NARROW = [name for name in engines.dtypes_on(CPU) if name != "fp32"]
V1_THIN = GeneratorConfig(upsample_initial_channel=256)  # stages of 128 and 64 channels


@pytest.fixture(scope="module")
def generator():
    return Generator(V1_THIN).eval().requires_grad_(False)


def mel(frames, batch=1):
    return calibration_mels(80)[:batch, :, :frames]


@pytest.mark.parametrize("frames", [1, 2, 17, 64])
def test_the_exact_fast_path_is_exact(generator, frames, monkeypatch):
    monkeypatch.delenv("OSSICLE_KERNELS", raising=False)
    engine = engines.make_engine(generator, "fp32", CPU, mel(64, 8))
    assert engine.plan == "Toom-Cook convolutions and fused convolutions"
    torch.testing.assert_close(engine.speak(mel(frames, 2)), generator(mel(frames, 2)), atol=1e-6, rtol=0)


def test_the_exact_fast_path_can_be_forbidden(generator, monkeypatch):
    monkeypatch.setenv("OSSICLE_KERNELS", "reference")
    assert engines.make_engine(generator, "fp32", CPU, mel(64, 8)).plan == "plain torch"


@pytest.mark.skipif(not fused.usable(torch.float32), reason="torch is built without oneDNN")
@pytest.mark.parametrize("name", ["v2-c8c8i", "v3-c8c8i"])
@pytest.mark.parametrize("frames", [2, 17])
def test_narrow_networks_and_type_2_blocks_are_fused_and_exact(name, frames):
    network = Generator(variant(name)).eval().requires_grad_(False)
    engine = engines.make_engine(network, "fp32", CPU, mel(64, 8))
    assert engine.plan == "fused convolutions"
    torch.testing.assert_close(engine.speak(mel(frames, 2)), network(mel(frames, 2)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("frames", [1, 2, 9])
@pytest.mark.parametrize(("rate", "kernel"), [(8, 16), (2, 4), (5, 15), (4, 4)])
def test_upsampling_by_matrix_products_is_exact(rate, kernel, frames, batch):
    up = torch.nn.ConvTranspose1d(6, 3, kernel, rate, padding=(kernel - rate) // 2).requires_grad_(False)
    assert upsampling.usable(up)
    x = torch.randn(batch, 6, frames, generator=torch.Generator().manual_seed(0))
    expected = up(torch.nn.functional.leaky_relu(x, 0.1))
    torch.testing.assert_close(upsampling.PolyphaseUpsampling(up)(x), expected, atol=1e-6, rtol=0)


def test_upsamplings_of_another_shape_stay_with_torch():
    assert not upsampling.usable(torch.nn.ConvTranspose1d(6, 3, 11, 5, padding=3))


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize(
    "config", [V1_THIN, GeneratorConfig(upsample_initial_channel=64, resblock="2")], ids=["1", "2"]
)
def test_narrow_types_reach_their_floor(config, dtype):
    network = Generator(config).eval().requires_grad_(False)
    engine = engines.make_engine(network, dtype, CPU, mel(64, 8))
    assert engine.snr_db is not None and engine.snr_db >= engines.FLOORS[dtype]
    held_out = torch.randn(1, 80, 50, generator=torch.Generator().manual_seed(1)) - 5
    assert engines.snr_db(network(held_out), engine.speak(held_out)) > engines.FLOORS[dtype] - 6


@pytest.mark.parametrize("dtype", NARROW)
def test_the_shipped_voice_reaches_the_floors(dtype):
    voice = ossicle.build("vocoder", "istftnet", dtype=dtype)
    assert voice.precision.dtype == dtype
    assert voice.precision.snr_db >= engines.FLOORS[dtype]
    assert "dB" in voice.precision.describe()


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_streams_equal_narrow_chunks(dtype):
    voice = ossicle.build("vocoder", "istftnet", dtype=dtype)
    whole, streamed = voice(mel(64)), torch.cat(list(voice.stream(mel(64).split(5, dim=2), chunk_frames=16)), 1)
    assert streamed.shape == whole.shape
    assert engines.snr_db(whole, streamed) > engines.FLOORS[dtype]


def test_the_first_stages_are_widened_first():
    plans = engines.mixtures("bf16", 3)
    assert plans == [("bf16",) * 3, ("fp32", "bf16", "bf16"), ("fp32", "fp32", "bf16")]
    assert engines.mixtures("int8", 2)[0] == ("int8", "int8")
    assert all("int8" in plan or "bf16" in plan for plan in engines.mixtures("int8", 2))


@pytest.mark.skipif(not NARROW, reason="this processor computes no narrow type natively")
def test_the_best_plan_is_kept_where_none_is_good_enough(generator, monkeypatch):
    monkeypatch.setitem(engines.FLOORS, NARROW[0], 1000.0)
    engine = engines.make_engine(generator, NARROW[0], CPU, mel(64, 8))
    assert engine.snr_db is not None and engine.snr_db < 1000


def test_types_that_do_not_exist_or_run_are_named():
    with pytest.raises(ConfigError, match="fp64"):
        ossicle.build("vocoder", "istftnet", dtype="fp64")
    with pytest.raises(ConfigError, match="fp16 is not offered on cpu"):
        ossicle.build("vocoder", "istftnet", dtype="fp16")


def test_auto_is_native(monkeypatch):
    monkeypatch.setattr(engines.fused, "usable", lambda dtype: False)
    assert engines.resolve_dtype("auto", CPU) == "fp32"
    monkeypatch.setattr(engines.fused, "usable", lambda dtype: True)
    assert engines.resolve_dtype("auto", CPU) == "bf16"


def test_a_byte_keeps_zero_exact():
    for low, high in ((-0.3, 4.0), (0.0, 1.0), (-2.0, 0.0), (0.5, 1.0), (0.0, 0.0)):
        found = Range.covering(low, high)
        assert 0 <= found.zero <= 255
        assert found.scale > 0


def test_other_front_ends_are_calibrated_too():
    assert calibration_mels(100).shape == (8, 100, 64)
    config = GeneratorConfig(n_mels=100, upsample_initial_channel=32)
    settings = MelSettings.hifigan(n_mels=100)
    for dtype in NARROW:
        voice = ISTFTNetVocoder.from_config(config, settings, dtype=dtype)
        assert torch.isfinite(voice(calibration_mels(100)[:1])).all()


def test_concurrent_calls_agree(generator):
    from concurrent.futures import ThreadPoolExecutor

    engine = engines.make_engine(generator, "fp32", CPU, mel(64, 8))
    wanted = engine.speak(mel(20))
    with ThreadPoolExecutor(3) as pool:
        for wave in pool.map(lambda _: engine.speak(mel(20)), range(6)):
            torch.testing.assert_close(wave, wanted, atol=1e-6, rtol=0)


def test_errors_are_ours():
    with pytest.raises(OssicleError):
        engines.resolve_dtype("bf16", torch.device("meta"))


def test_torchs_threads_stay_as_they_are():
    import subprocess
    import sys

    # A process of its own: the compiled kernels' threads start once.
    script = (
        "import torch; torch.set_num_threads(1)\n"
        "from ossicle_istftnet.config import GeneratorConfig; from ossicle_istftnet.generator import Generator\n"
        "from ossicle_istftnet.engines import make_engine\n"
        "engine = make_engine(Generator(GeneratorConfig(upsample_initial_channel=256)), 'fp32', torch.device('cpu'), None)\n"
        "engine.speak(torch.full((1, 80, 8), -8.0)); print(torch.get_num_threads())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
