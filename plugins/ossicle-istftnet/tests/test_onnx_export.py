"""The exported graph speaks as the generator does, at every length and in batches."""

from dataclasses import replace

import pytest
import torch

from ossicle_istftnet.config import variant
from ossicle_istftnet.generator import Generator
from ossicle_istftnet.onnx_export import OPSET, ExportedGenerator, export_onnx

NAMES = ["v2-c8c8i", "v2-c8i", "v3-c8c8c2i", "v3"]


def small(name, **changes):
    return Generator(replace(variant(name), upsample_initial_channel=32, **changes)).eval().requires_grad_(False)


def mel(frames, batch=1):
    return torch.randn(batch, 80, frames, generator=torch.Generator().manual_seed(frames)) - 5


@pytest.mark.parametrize("changes", [{}, {"phase": "full"}], ids=["sin", "full"])
@pytest.mark.parametrize("name", NAMES)
def test_real_arithmetic_equals_torchs_inverse_stft(name, changes):
    generator = small(name, **changes)
    for frames in (2, 9):
        torch.testing.assert_close(
            ExportedGenerator(generator)(mel(frames, 2)), generator(mel(frames, 2)), atol=2e-6, rtol=0
        )


@pytest.mark.parametrize("name", NAMES)
def test_onnxruntime_speaks_the_same(tmp_path, name):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    generator = small(name)
    export_onnx(generator, tmp_path / "voice.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "voice.onnx", providers=["CPUExecutionProvider"])
    for frames, batch in ((3, 1), (40, 2)):
        wave = session.run(None, {"mel": mel(frames, batch).numpy()})[0]
        torch.testing.assert_close(torch.from_numpy(wave), generator(mel(frames, batch)), atol=3e-6, rtol=0)


def test_the_file_is_opset_17_without_complex_numbers(tmp_path):
    onnx = pytest.importorskip("onnx")
    export_onnx(small("v2-c8c8i"), tmp_path / "voice.onnx")
    model = onnx.load(tmp_path / "voice.onnx")
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]
    assert not {node.op_type for node in model.graph.node} & {"DFT", "STFT", "ComplexMul"}
    assert not (tmp_path / "voice.onnx.part").exists()
