"""The entry point: records only, so that listing plugins costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ossicle.plugin import Component, hookimpl

_ADAPTERS: tuple[tuple[str, str, str], ...] = (
    ("source", "adapters.rivals:Source", "no adaptation: training statistics"),
    ("tbn", "adapters.rivals:TBN", "every batch by its own statistics"),
    ("alpha-bn", "adapters.rivals:AlphaBN", "a blend of the batch's statistics with the source's"),
    ("ema-bn", "adapters.rivals:EMABN", "running statistics that go on running, in two passes"),
    ("rbn", "adapters.rivals:RBN", "statistics that follow the stream slowly"),
    ("iabn", "adapters.rivals:IABN", "the source's statistics, corrected where an instance is far from them"),
    ("tent", "adapters.tent:Tent", "batch statistics, and affine parameters that lower the entropy"),
    ("lame", "adapters.lame:Lame", "labels corrected within a batch by their neighbours"),
    ("unmix-tns", "adapters.unmix:UnMixTNSAdapter", "a mixture of components that follows the stream"),
    ("unmix-tns+tent", "adapters.tent:UnMixTNSTent", "unmix-tns, and affine parameters that lower the entropy"),
    ("unmix-tns+lame", "adapters.lame:UnMixTNSLame", "unmix-tns, and labels corrected within a batch"),
)

_CORRUPTIONS: tuple[tuple[str, str, str], ...] = (
    ("white-noise", "corruptions.noise:WhiteNoise", "gaussian noise, 20 to 0 dB"),
    ("pink-noise", "corruptions.noise:PinkNoise", "noise of equal power in every octave, 20 to 0 dB"),
    ("environment", "corruptions.noise:Environment", "recorded or synthetic surroundings, 20 to 0 dB"),
    ("babble", "corruptions.noise:Babble", "three to seven talkers, 20 to 0 dB"),
    ("reverb", "corruptions.room:Reverb", "a room, 0.2 to 1.5 s"),
    ("low-pass", "corruptions.spectrum:LowPass", "half to a sixteenth of the band"),
    ("clipping", "corruptions.amplitude:Clipping", "5 to 60 % of the samples cut off"),
    ("mp3", "corruptions.codecs:MP3", "64 to 8 kbit/s at 16 kHz"),
    ("opus", "corruptions.codecs:Opus", "32 to 6 kbit/s at 16 kHz"),
    ("telephone", "corruptions.codecs:Telephone", "band limits, mu-law, ADPCM, GSM, losses"),
    ("packet-loss", "corruptions.gaps:PacketLoss", "2 to 40 % of the packets, in bursts"),
    ("resample", "corruptions.spectrum:Resample", "down to 3/4 to 1/8 of the rate and up again"),
    ("pitch", "corruptions.tempo:Pitch", "1 to 7 semitones, either way"),
    ("tempo", "corruptions.tempo:Tempo", "1.1 to 2 times as fast or as slow"),
    ("gain", "corruptions.amplitude:Gain", "6 to 30 dB quieter"),
    ("equalizer", "corruptions.spectrum:Equalizer", "another device, 3 to 18 dB"),
    ("bit-depth", "corruptions.amplitude:BitDepth", "12 to 5 bits"),
    ("dropout", "corruptions.gaps:Dropout", "a gap of 5 to 40 % of the clip"),
)

_KERNELS: tuple[tuple[str, str, str], ...] = (
    ("unmix-statistics", "kernels:StatisticsKernel", "mean and variance of every instance"),
    ("unmix-moments", "kernels:MomentsKernel", "shares of the components, and what to normalise by"),
    ("unmix-normalize", "kernels:NormalizeKernel", "normalisation and optional ReLU"),
    ("unmix-update", "kernels:UpdateKernel", "the components' step"),
    ("unmix-layer", "kernels:LayerKernel", "the whole layer, for one thread of a CPU"),
)


@hookimpl
def ossicle_components() -> Iterator[Component]:
    """Yield adapters, corruptions and kernels."""
    for kind, rows in (("adapter", _ADAPTERS), ("corruption", _CORRUPTIONS), ("kernel", _KERNELS)):
        for name, target, summary in rows:
            yield Component(kind, name, f"ossicle_unmix_tns.{target}", summary)
