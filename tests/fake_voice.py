"""A vocoder for tests of the command line: no weights, quick, and its output is easily recognised."""

import torch

from ossicle.audio.mel import MelFrontEnd, MelSettings


class FakeVoice:
    """Each frame becomes one hop of a constant: half the frame's mean mel above the floor, as an amplitude."""

    def __init__(self, loud: float = 0.01, interrupt_at: int = 0, rate: int = 22050):
        self._front_end = MelFrontEnd(MelSettings.hifigan(sample_rate=rate))
        self.front_end = self._front_end.settings
        self.sample_rate, self.hop_length, self.n_mels = rate, 256, 80
        self.loud, self.calls, self.interrupt_at = loud, 0, interrupt_at

    def to(self, device):
        return self

    def mel(self, wave):
        return self._front_end(wave)

    def __call__(self, mel):
        self.calls += 1
        if self.calls == self.interrupt_at:
            raise KeyboardInterrupt
        level = (mel.mean(dim=1) + 11.6) * self.loud
        return torch.repeat_interleave(level, self.hop_length, dim=1)


class Interrupting(FakeVoice):
    """Is interrupted by the person at the keyboard in its third call."""

    def __init__(self):
        super().__init__(interrupt_at=3)


class Loud(FakeVoice):
    """Goes far beyond full scale."""

    def __init__(self):
        super().__init__(loud=1.0)
