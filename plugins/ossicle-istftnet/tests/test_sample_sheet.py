"""A sample sheet is one page with sound and pictures inside."""

import base64
import io
import re

import soundfile
import torch

from ossicle.audio.picture import spectrogram_png
from ossicle_istftnet.sample_sheet import write_sheet


def test_a_sheet_holds_both_sounds_and_both_pictures(tmp_path):
    wave, mel = 0.1 * torch.randn(4000), torch.linspace(-11.5, 2, 80 * 15).reshape(80, 15)
    write_sheet(tmp_path / "step.html", 7, [(wave, 2 * wave, mel, mel)], 22050)
    page = (tmp_path / "step.html").read_text()
    sounds = re.findall(r"data:audio/flac;base64,([^\"]+)", page)
    assert [soundfile.read(io.BytesIO(base64.b64decode(s)))[0].shape for s in sounds] == [(4000,), (4000,)]
    assert page.count("data:image/png;base64,") == 2 and "Step 7" in page
    assert "http" not in page


def test_a_picture_is_a_png_of_the_mels_size():
    data = spectrogram_png(torch.zeros(80, 33).numpy(), darkest=-11.5, brightest=2.0)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")) == (33, 80)
