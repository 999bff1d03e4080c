"""The entry point: records only, so that listing plugins costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ossicle.plugin import Component, hookimpl

_COMPONENTS = (
    ("ssl-method", "supervised", "methods.supervised:Supervised", "labelled clips alone, with or without mixup"),
    ("ssl-method", "mixmatch", "methods.mixmatch:MixMatch", "sharpened mean guesses, then mixup of everything"),
    (
        "ssl-method",
        "remixmatch",
        "methods.remixmatch:ReMixMatch",
        "aligned guesses for strong views, and flips to tell apart",
    ),
    ("ssl-method", "fixmatch", "methods.fixmatch:FixMatch", "confident guesses of weak views label strong views"),
    ("ssl-method", "mean-teacher", "methods.mean_teacher:MeanTeacher", "agreement with a running average of oneself"),
    (
        "ssl-method",
        "deep-co-training",
        "methods.co_training:DeepCoTraining",
        "two networks that agree, kept apart by adversarial clips",
    ),
    ("backbone", "audio-wrn-28-2", "backbones:AudioWideResNet", "Wide-ResNet-28-2 on log-mels, 1.47 M parameters"),
    ("backbone", "audio-resnet-narrow", "backbones:NarrowAudioResNet", "the same, narrow: 175,000 parameters"),
    ("backbone", "audio-resnet-tiny", "backbones:TinyAudioResNet", "the same, tiny: 78,000 parameters"),
    ("dataset", "esc10", "datasets.esc:ESC10", "environmental sounds, 10 classes, 5 folds"),
    ("dataset", "esc50", "datasets.esc:ESC50", "environmental sounds, 50 classes, 5 folds"),
    ("dataset", "urbansound8k", "datasets.urbansound8k:UrbanSound8K", "street sounds, 10 classes, 10 folds"),
    (
        "dataset",
        "speech-commands",
        "datasets.speech_commands:SpeechCommands",
        "spoken words, 35 classes, official lists",
    ),
    ("dataset", "fsdd", "datasets.fsdd:FSDD", "spoken digits, 10 classes, 6 speakers"),
    ("dataset", "class-folders", "datasets.own:ClassFolders", "your own: a folder a class"),
    ("dataset", "manifest", "datasets.own:Manifest", "your own: a CSV file of paths and labels"),
    ("augmentation", "occlusion", "augmentation:Occlusion", "a stretch of the waveform becomes zero"),
    ("augmentation", "stretch", "augmentation:Stretch", "speed and pitch change together"),
    ("augmentation", "noise", "augmentation:Noise", "white noise"),
    ("augmentation", "cutout", "augmentation:CutOut", "a rectangle of the log-mel becomes quiet"),
    ("augmentation", "specaugment", "augmentation:SpecAugment", "bands and spans of the log-mel become quiet"),
    ("mixer", "mixup", "mixing:Mixup", "convex combinations of examples and labels"),
    ("kernel", "ssl-guess", "kernels.guess:GuessKernel", "from views' logits to labels and mask in one pass"),
    ("kernel", "mixup-gather", "kernels.mixup:MixupKernel", "examples, partners and weights read once"),
    ("kernel", "ssl-loss", "kernels.loss:LossKernel", "both losses and the logits' gradient in one pass"),
)


@hookimpl
def ossicle_components() -> Iterator[Component]:
    """Yield methods, backbones, data sets, augmentations, mixup and kernels."""
    for kind, name, target, summary in _COMPONENTS:
        example = f"ossicle_semisup.examples:{name.replace('-', '_')}" if kind == "dataset" else ""
        yield Component(kind, name, f"ossicle_semisup.{target}", summary, example=example)
