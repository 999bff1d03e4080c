"""Checks of the kind `adapter`, on a small classifier with BatchNorms and a stream that drifts."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ossicle.testing.networks import SmallClassifier
from ossicle.testing.subject import ConformanceCheck, Subject

_CLASSES = 5


def make_classifier() -> SmallClassifier:
    """Return the same classifier every time, with statistics of its own kind of input, as training leaves them."""
    return copy.deepcopy(_classifier())


@lru_cache(maxsize=1)
def _classifier() -> SmallClassifier:
    network = SmallClassifier(_CLASSES).train()
    with torch.no_grad():
        for batch in make_stream(30, rows=16):
            network(batch)
    return network.eval()


def make_stream(batches: int, *, rows: int = 6, drift: float = 0.0, seed: int = 0) -> list[Tensor]:
    """Return batches (B, 1, M, T) of standardised log-mels that grow louder and wider by `drift` with every batch."""
    draw = torch.Generator().manual_seed(seed)
    clips = [torch.randn(rows, 1, 10, 14, generator=draw) for _ in range(batches)]
    return [clip * (1 + drift * at) + drift * at for at, clip in enumerate(clips)]


def exercise_adapter(adapter: Any) -> list[Tensor]:
    """Adapt a network and send it a stream."""
    network = adapter.adapt(make_classifier())
    return [network(x).detach() for x in make_stream(3, drift=0.3)]


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _same_state(one: dict[str, Tensor], other: dict[str, Tensor]) -> list[str]:
    """Return what differs."""
    assert one.keys() == other.keys(), f"other names: {sorted(one.keys() ^ other.keys())[:3]}"
    return [name for name in one if not torch.equal(one[name], other[name])]


def _leaves_the_model_alone(subject: Subject) -> None:
    model = make_classifier()
    before, x = _state(model), make_stream(1)[0]
    wanted = model(x)
    network = subject.instance.adapt(model)
    for batch in make_stream(3, drift=0.5):
        network(batch)
    assert not _same_state(before, _state(model)), "adapting or calling the copy changed the model given"
    assert torch.equal(model(x), wanted) and not model.training, "the model given behaves differently"


def _gives_logits(subject: Subject) -> None:
    network = subject.instance.adapt(make_classifier())
    for rows in (6, 1, 0, 9):
        logits = network(make_stream(1, rows=rows)[0])
        assert logits.shape == (rows, _CLASSES), f"{rows} clips give {tuple(logits.shape)}"
        assert bool(torch.isfinite(logits).all()), f"{rows} clips give logits that are not finite"


def _train_and_eval_are_alike(subject: Subject) -> None:
    logits = []
    for training in (True, False):
        network = subject.instance.adapt(make_classifier()).train(training)
        logits.append([network(x).detach() for x in make_stream(3, drift=0.3)])
    assert all(torch.equal(a, b) for a, b in zip(*logits, strict=True)), "train and eval mode give other logits"


def _restores_the_model(subject: Subject) -> None:
    model = make_classifier()
    network = subject.instance.adapt(model)
    for x in make_stream(3, drift=0.5):
        network(x)
    plain = subject.instance.restore(network)
    assert not _same_state(_state(model), _state(plain)), "what restore gives has other weights or statistics"
    x = make_stream(1)[0]
    assert torch.equal(plain(x), model(x)), "what restore gives has other logits"
    assert torch.equal(plain(x), plain(x)), "what restore gives still adapts"
    kinds = [[type(m) for m in net.modules()] for net in (model, plain)]
    assert kinds[0] == kinds[1], "what restore gives has other layers"


def _resets_to_the_bit(subject: Subject) -> None:
    network = subject.instance.adapt(make_classifier())
    before = _state(network)
    first = [network(x).detach() for x in make_stream(3, drift=0.5)]
    subject.instance.reset(network)
    assert not (left := _same_state(before, _state(network))), f"after reset, {left[0]} is not as right after adapt"
    again = [network(x).detach() for x in make_stream(3, drift=0.5)]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), "after reset the stream goes otherwise"


def _freezes(subject: Subject) -> None:
    network = subject.instance.adapt(make_classifier())
    network(make_stream(1)[0])
    subject.instance.freeze(network)
    before, x = _state(network), make_stream(1, seed=1)[0] * 2 + 1
    one, two = network(x), network(x)
    assert not (moved := _same_state(before, _state(network))), f"frozen, {moved[0]} changed"
    assert torch.equal(one, two), "frozen, the same clips give other logits"
    subject.instance.freeze(network, False)
    twin = copy.deepcopy(network)
    assert torch.equal(network(x), twin(x)), "a copy of a thawed network behaves differently"


def _state_is_whole(subject: Subject) -> None:
    stream = make_stream(6, drift=0.3)
    whole = subject.instance.adapt(make_classifier())
    for x in stream[:3]:
        whole(x)
    resumed = subject.factory().adapt(make_classifier())
    resumed.load_state_dict(_state(whole))
    for x in stream[3:]:
        assert torch.equal(whole(x), resumed(x)), "a stream saved and resumed gives other logits than the unbroken one"


def _survives_bad_clips(subject: Subject) -> None:
    network = subject.instance.adapt(make_classifier())
    good = make_stream(1)[0]
    network(good)
    bad = good.clone()
    bad[1], bad[2], bad[3, 0, 0, 0] = torch.nan, 0.0, torch.inf
    logits = network(bad)
    assert bool(torch.isfinite(logits[[0, 4, 5]]).all()), "a clip that is not a number spoils the others of its batch"
    network(torch.full_like(good, torch.nan))
    network(torch.zeros_like(good))
    lost = [name for name, value in network.state_dict().items() if not bool(torch.isfinite(value).all())]
    assert not lost, f"after NaN, {lost[0]} is not finite"
    assert bool(torch.isfinite(network(good)).all()), (
        "after NaN and silence, good clips give logits that are not finite"
    )


def _says_whether_weights_change(subject: Subject) -> None:
    claim = subject.instance.changes_weights
    assert isinstance(claim, bool), f"changes_weights is {claim!r}"
    network = subject.instance.adapt(make_classifier())
    before = [parameter.detach().clone() for parameter in network.parameters()]
    for x in make_stream(3, drift=0.5):
        network(x)
    changed = any(not torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    assert changed == claim, f"weights {'change' if changed else 'stay'}, but changes_weights is {claim}"


def _a_batch_of_one_works(subject: Subject) -> None:
    network = subject.instance.adapt(make_classifier())
    for x in make_stream(4, rows=1, drift=0.3):
        logits = network(x)
        assert logits.shape == (1, _CLASSES), f"one clip gives {tuple(logits.shape)}"
        assert bool(torch.isfinite(logits).all()), "clips one by one give logits that are not finite"
    lost = [name for name, value in network.state_dict().items() if not bool(torch.isfinite(value).all())]
    assert not lost, f"after clips one by one, {lost[0]} is not finite"


def _works_without_gradients(subject: Subject) -> None:
    logits = []
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        network = subject.instance.adapt(make_classifier())
        with mode():
            logits.append([network(x).detach().clone() for x in make_stream(2, drift=0.3)])
    for other in logits[1:]:
        close = all(torch.allclose(a, b, atol=1e-5) for a, b in zip(logits[0], other, strict=True))
        assert close, "logits depend on whether gradients are recorded"


CHECKS = [
    ConformanceCheck("leaves the model alone", _leaves_the_model_alone, "convert a deep copy"),
    ConformanceCheck("gives logits", _gives_logits, "take batches of any size, none and one among them"),
    ConformanceCheck("a batch of one works", _a_batch_of_one_works, "take no spread over a single row"),
    ConformanceCheck("train and eval are alike", _train_and_eval_are_alike, "look at no `training` flag"),
    ConformanceCheck("restores the model", _restores_the_model, "keep what is needed to undo adapt"),
    ConformanceCheck("resets to the bit", _resets_to_the_bit, "keep the first state, and copy it back"),
    ConformanceCheck("freezes", _freezes, "change nothing while frozen"),
    ConformanceCheck("its state is whole", _state_is_whole, "hold every state in parameters and buffers"),
    ConformanceCheck("survives bad clips", _survives_bad_clips, "learn from no clip that is not finite"),
    ConformanceCheck("says whether weights change", _says_whether_weights_change, "set changes_weights"),
    ConformanceCheck("works without gradients", _works_without_gradients, "turn gradients on where they are needed"),
]
"""What every adapter must do."""
