"""Augmentations do what they say, row by row, within their ranges."""

import pytest
import torch

from ossicle.audio.log_mel import LogMel, LogMelSettings
from ossicle.errors import ConfigError
from ossicle_semisup.augmentation import CutOut, Noise, Occlusion, SpecAugment, Stretch
from ossicle_semisup.pools import Pool, augmented, strong_pool, weak_pool

SETTINGS = LogMelSettings(sample_rate=8000, n_fft=256, hop_length=100, n_mels=16, n_samples=1600)


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def test_occlusion_zeroes_one_run_within_its_share():
    x = torch.ones(200, 1000)
    quiet = Occlusion(share=(0.2, 0.4))(x, draw=drawn()) == 0
    sizes = quiet.sum(dim=1)
    assert int(sizes.min()) >= 200 and int(sizes.max()) <= 400
    edges = (quiet[:, 1:] != quiet[:, :-1]).sum(dim=1)
    assert int(edges.max()) <= 2


@pytest.mark.parametrize("rate", [0.5, 1.0, 1.5])
def test_stretch_reads_at_its_pace(rate):
    ramp = torch.arange(1, 1001).float()[None]
    y = Stretch(rate=(rate, rate))(ramp, draw=drawn())
    sounding = y[y > 0]
    assert len(sounding) == min(1000, round(1000 * rate))
    steps = sounding[1:] - sounding[:-1]
    assert float(steps.mean()) == pytest.approx(1 / rate, rel=0.01)


def test_stretch_pads_on_both_sides_and_crops_anywhere():
    ramp = torch.arange(1, 1001).float().expand(100, 1000)
    short = Stretch(rate=(0.5, 0.5))(ramp, draw=drawn())
    first = (short > 0).float().argmax(dim=1)
    assert int(first.min()) < 50 and int(first.max()) > 450
    starts = Stretch(rate=(1.5, 1.5))(ramp, draw=drawn())[:, 0]
    assert float(starts.min()) < 40 and float(starts.max()) > 290


def test_noise_has_its_ratio():
    x = torch.sin(torch.arange(8000) / 5)[None].expand(3, -1)
    noise = Noise(snr_db=15)(x, draw=drawn()) - x
    ratio = 10 * torch.log10(x.square().mean(1) / noise.square().mean(1))
    torch.testing.assert_close(ratio, torch.full((3,), 15.0), atol=0.3, rtol=0)


def test_cut_out_is_a_rectangle_within_its_shares():
    x = torch.zeros(300, 20, 40)
    quiet = CutOut(share=(0.1, 0.5))(x, draw=drawn()) == -80.0
    heights, widths = quiet.any(dim=2).sum(dim=1), quiet.any(dim=1).sum(dim=1)
    assert torch.equal(quiet.sum(dim=(1, 2)), heights * widths)
    assert int(heights.min()) >= 2 and int(heights.max()) <= 10 and int(widths.min()) >= 4 and int(widths.max()) <= 20


def test_spec_augment_masks_whole_bands_and_spans():
    quiet = SpecAugment(mels=4, frames=0, bands=1, spans=0)(torch.zeros(50, 20, 40), draw=drawn()) == -80.0
    assert torch.equal(quiet.all(dim=2), quiet.any(dim=2)) and int(quiet[:, :, 0].sum(dim=1).max()) <= 4


@pytest.mark.parametrize(
    "make", [lambda: Occlusion(share=(0.5, 2.0)), lambda: Stretch(rate=(0.0, 1.0)), lambda: CutOut(share=(-1, 0))]
)
def test_ranges_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError):
        make()


# --- pools


def sounds(rows=64):
    return 0.1 * torch.randn(rows, SETTINGS.n_samples, generator=drawn(5))


def test_a_weak_view_is_unchanged_half_of_the_time():
    analyse, wave = LogMel(SETTINGS), sounds(400)
    plain = analyse(wave)
    view = augmented(wave, plain, weak_pool(), analyse, drawn())
    same = (view == plain).flatten(1).all(dim=1)
    assert 0.4 < float(same.float().mean()) < 0.6
    assert bool(
        (augmented(wave, plain, strong_pool(), analyse, drawn()) != plain).flatten(1).any(dim=1).float().mean() > 0.95
    )


def test_rows_whose_waveform_changes_are_analysed_anew_and_no_others():
    analyse, wave = LogMel(SETTINGS), sounds()
    seen = []
    analyse.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    augmented(wave, torch.zeros(64, 16, SETTINGS.frames), weak_pool(), analyse, drawn())
    assert len(seen) == 1 and 8 < seen[0] < 36  # a third of 64, half of two thirds


def test_a_view_equals_its_augmentation_done_alone():
    analyse, wave = LogMel(SETTINGS), sounds(5)
    view = augmented(wave, analyse(wave), Pool((Occlusion(share=(0.3, 0.3)),)), analyse, drawn(1))
    draw = drawn(1)
    torch.randint(1, (5,), generator=draw), torch.rand(5, generator=draw)
    torch.testing.assert_close(view, analyse(Occlusion(share=(0.3, 0.3))(wave, draw=draw)))


def test_strength_lies_between_the_weak_and_the_papers_pool():
    assert strong_pool(1.0).augmentations[2].share == (0.5, 1.0)
    assert strong_pool(0.0).augmentations[2].share == weak_pool().augmentations[2].share
    assert strong_pool(0.5).augmentations[0].share == (0.0, 0.5)
    with pytest.raises(ConfigError):
        strong_pool(1.5)
