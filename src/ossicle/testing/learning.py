"""Checks of the kinds that learning is made of: `backbone`, `ssl-method`, `augmentation`, `mixer`."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ossicle.testing.subject import ConformanceCheck, Skipped, Subject

_MELS, _FRAMES, _CLASSES = 16, 24, 4
_ROWS = {"labeled": 6, "labeled-2": 6, "unlabeled": 10}


def make_images(rows: int, frames: int = _FRAMES, *, seed: int = 0) -> Tensor:
    """Return plausible standardised log-mels (B, 1, M, T)."""
    return torch.randn(rows, 1, _MELS, frames, generator=torch.Generator().manual_seed(seed))


def make_batch(method: Any, *, seed: int = 0) -> dict[str, Tensor]:
    """Return a batch for every view of a method, and targets of its labelled sources; views of a source resemble each other."""
    batch: dict[str, Tensor] = {}
    draw = torch.Generator().manual_seed(seed)
    clean = {source: make_images(rows, seed=seed + at) for at, (source, rows) in enumerate(_ROWS.items())}
    for view in method.views:
        batch[view.name] = clean[view.source] + 0.1 * torch.randn(clean[view.source].shape, generator=draw)
        if view.source != "unlabeled":
            labels = torch.arange(_ROWS[view.source]) % _CLASSES
            batch[f"{view.source}/targets"] = torch.nn.functional.one_hot(labels, _CLASSES).float()
    return batch


def step_loss(method: Any, batch: dict[str, Tensor], *, seed: int = 0) -> Any:
    """Return what a method computes for a batch, halfway through a run of a hundred steps."""
    draw = torch.Generator().manual_seed(seed)
    return method.train().loss(batch, draw=draw, progress=SimpleNamespace(step=50, steps=100))


# --- backbone


def exercise_backbone(network: Any) -> list[Tensor]:
    """Classify once, in evaluation mode."""
    with torch.no_grad():
        return [copy.deepcopy(network).eval()(make_images(3))]


def _is_its_two_halves(subject: Subject) -> None:
    network = copy.deepcopy(subject.instance).eval()
    features = network.features(make_images(3))
    assert features.shape == (3, network.n_features), (
        f"features are {tuple(features.shape)}, not (3, {network.n_features})"
    )
    assert torch.allclose(network.classifier(features), network(make_images(3)), atol=1e-6), "they give other logits"


def _takes_any_length(subject: Subject) -> None:
    network = copy.deepcopy(subject.instance).eval()
    for frames in (8, 9, 33):
        logits = network(make_images(2, frames))
        assert logits.dim() == 2 and len(logits) == 2, f"{frames} frames give {tuple(logits.shape)}"
        assert bool(torch.isfinite(logits).all()), f"{frames} frames give logits that are not finite"


def _rows_do_not_see_each_other(subject: Subject) -> None:
    network = copy.deepcopy(subject.instance).eval()
    images = make_images(3)
    alone = torch.cat([network(image[None]) for image in images])
    difference = float((network(images) - alone).detach().abs().max())
    assert difference <= 1e-4, f"in evaluation mode they differ by {difference:.2e} from one by one"


def _gradient_reaches_all(subject: Subject) -> None:
    network = copy.deepcopy(subject.instance).train().requires_grad_(True)
    network(make_images(4)).square().sum().backward()
    unreached = [name for name, p in network.named_parameters() if p.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached[:3])}"


def _takes_silence(subject: Subject) -> None:
    for network in (copy.deepcopy(subject.instance).train(), copy.deepcopy(subject.instance).eval()):
        logits = network(torch.full((2, 1, _MELS, _FRAMES), -5.0))
        assert bool(torch.isfinite(logits).all()), "equal inputs give logits that are not finite"


def _can_be_built_again(subject: Subject) -> None:
    again = type(subject.instance)(**dict(subject.instance.config))
    wanted, found = ({n: p.shape for n, p in m.named_parameters()} for m in (subject.instance, again))
    assert wanted == found, "its config builds another network"


BACKBONE_CHECKS = [
    ConformanceCheck("is its two halves", _is_its_two_halves, "let __call__ be classifier(features(x))"),
    ConformanceCheck("takes any length", _takes_any_length, "pool over time before the classifier"),
    ConformanceCheck(
        "rows do not see each other", _rows_do_not_see_each_other, "mix nothing across the batch in evaluation"
    ),
    ConformanceCheck(
        "a gradient reaches all of it", _gradient_reaches_all, "leave no parameter out of the forward pass"
    ),
    ConformanceCheck("takes silence", _takes_silence, "divide by nothing that can be zero"),
    ConformanceCheck("can be built again", _can_be_built_again, "keep the constructor's arguments in config"),
]
"""What every backbone must do."""


# --- ssl-method


def exercise_method(method: Any) -> list[Tensor]:
    """Compute one loss and its gradient, on a copy."""
    copied = copy.deepcopy(method)
    loss = step_loss(copied, make_batch(copied)).loss
    loss.backward()
    return [loss.detach(), *(p.grad for p in copied.trainable() if p.grad is not None)]


def _declares_its_views(subject: Subject) -> None:
    views = subject.instance.views
    names = [view.name for view in views]
    assert names and len(set(names)) == len(names), f"views are {names}"
    assert any(view.source == "labeled" for view in views), "no view is of labelled clips"
    for view in views:
        assert view.source in _ROWS, f"view {view.name} is of {view.source!r}"
        assert view.strength in ("none", "weak", "strong"), f"view {view.name} is {view.strength!r}"


def _loss_is_a_number_with_a_gradient(subject: Subject) -> None:
    method = copy.deepcopy(subject.instance)
    out = step_loss(method, make_batch(method))
    assert out.loss.dim() == 0 and bool(torch.isfinite(out.loss)), f"the loss is {out.loss}"
    out.loss.backward()
    trained = list(method.trainable())
    assert trained, "nothing is trainable"
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in trained), (
        "a trainable parameter has no gradient"
    )
    held = [name for name, value in out.metrics.items() if value.requires_grad]
    assert not held, f"metrics hold the graph: {', '.join(held)}"


def _targets_matter(subject: Subject) -> None:
    losses = []
    for shift in (0, 1):
        method = copy.deepcopy(subject.instance)
        batch = make_batch(method)
        batch |= {name: value.roll(shift, 1) for name, value in batch.items() if name.endswith("/targets")}
        losses.append(float(step_loss(method, batch).loss.detach()))
    assert losses[0] != losses[1], "other labels give the same loss"


def _guesses_carry_no_gradient(subject: Subject) -> None:
    method = copy.deepcopy(subject.instance)
    out = step_loss(method, make_batch(method))
    if out.guesses is None:
        return
    rows = _ROWS["unlabeled"]
    assert not out.guesses.requires_grad, "a gradient would flow into the guesses"
    assert out.guesses.shape == (rows, _CLASSES), f"guesses are {tuple(out.guesses.shape)}, not ({rows}, {_CLASSES})"
    assert torch.allclose(out.guesses.sum(dim=1), torch.ones(rows), atol=1e-4), "guesses do not sum to one"


def _loses_nothing_at_zero_weight(subject: Subject) -> None:
    method = copy.deepcopy(subject.instance)
    if not isinstance(getattr(method, "unlabeled_weight", None), (int, float)):
        raise Skipped("it has no number unlabeled_weight to set to zero")
    method.unlabeled_weight = 0.0
    out = step_loss(method, make_batch(method))
    labeled = out.metrics.get("labeled")
    assert labeled is not None, "metrics do not say the labelled clips' part, 'labeled'"
    difference = abs(float(out.loss.detach()) - float(labeled))
    assert difference <= 1e-6 * max(1.0, abs(float(labeled))), f"unlabelled clips of no weight add {difference:.2e}"


def _averages_are_not_trained(subject: Subject) -> None:
    method = subject.instance
    frozen = {id(p) for network in method.evaluated().values() for p in network.parameters() if not p.requires_grad}
    assert not frozen & {id(p) for p in method.trainable()}, "the optimizer would move a network that is an average"
    assert method.evaluated(), "no network is worth evaluating"


def _trains_its_student(subject: Subject) -> None:
    student = getattr(subject.instance, "student", None)
    assert isinstance(student, torch.nn.Module), "it has no network called student"
    left_out = {id(p) for p in student.parameters()} - {id(p) for p in subject.instance.trainable()}
    assert not left_out, f"{len(left_out)} parameters of its student are not trainable"


def _state_is_whole(subject: Subject) -> None:
    first = copy.deepcopy(subject.instance)
    optimizer = torch.optim.SGD(first.trainable(), lr=0.01)
    for step in range(2):
        step_loss(first, make_batch(first, seed=step), seed=step).loss.backward()
        optimizer.step()
        first.after_step(step)
    second = copy.deepcopy(subject.instance)
    second.load_state_dict(first.state_dict())
    batch = make_batch(first, seed=9)
    one, two = step_loss(first, batch).loss, step_loss(second, batch).loss
    assert torch.equal(one, two), "a copy with the same state_dict goes on differently"


def _leaves_its_batch_alone(subject: Subject) -> None:
    method = copy.deepcopy(subject.instance)
    batch = make_batch(method)
    kept = {name: value.clone() for name, value in batch.items()}
    step_loss(method, batch)
    changed = [name for name, value in batch.items() if not torch.equal(value, kept[name])]
    assert not changed, f"it wrote into {', '.join(changed)}"


METHOD_CHECKS = [
    ConformanceCheck(
        "declares its views", _declares_its_views, "give `views` unique names, known sources and strengths"
    ),
    ConformanceCheck(
        "the loss is a number with a gradient", _loss_is_a_number_with_a_gradient, "return a scalar; detach metrics"
    ),
    ConformanceCheck("targets matter", _targets_matter, "use the labelled clips' targets"),
    ConformanceCheck("guesses carry no gradient", _guesses_carry_no_gradient, "guess under torch.no_grad()"),
    ConformanceCheck(
        "loses nothing at zero weight",
        _loses_nothing_at_zero_weight,
        "multiply what unlabelled clips add by unlabeled_weight",
    ),
    ConformanceCheck("averages are not trained", _averages_are_not_trained, "leave them out of trainable()"),
    ConformanceCheck("trains its student", _trains_its_student, "call the trained network student"),
    ConformanceCheck("its state is whole", _state_is_whole, "hold every state in parameters and buffers"),
    ConformanceCheck("leaves its batch alone", _leaves_its_batch_alone, "write into new tensors"),
]
"""What every semi-supervised method must do."""


# --- augmentation


def _sound_for(augmentation: Any, rows: int = 5) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    if augmentation.domain == "waveform":
        return 0.1 * torch.randn(rows, 800, generator=draw)
    return -30 + 10 * torch.randn(rows, _MELS, _FRAMES, generator=draw)


def exercise_augmentation(augmentation: Any) -> list[Tensor]:
    """Change one batch."""
    return [augmentation(_sound_for(augmentation), draw=torch.Generator().manual_seed(2))]


def _declares_its_domain(subject: Subject) -> None:
    assert subject.instance.domain in ("waveform", "log-mel"), f"domain is {subject.instance.domain!r}"


def _keeps_the_shape(subject: Subject) -> None:
    for rows in (0, 1, 5):
        x = _sound_for(subject.instance, rows)
        y = subject.instance(x, draw=torch.Generator().manual_seed(0))
        assert y.shape == x.shape and y.dtype == x.dtype, f"{tuple(x.shape)} became {tuple(y.shape)} of {y.dtype}"
        assert bool(torch.isfinite(y).all()), "values are not finite"


def _does_something(subject: Subject) -> None:
    x = _sound_for(subject.instance)
    seen = [subject.instance(x, draw=torch.Generator().manual_seed(seed)) for seed in range(4)]
    assert any(not torch.equal(y, x) for y in seen), "nothing changes"
    assert any(not torch.equal(seen[0], y) for y in seen[1:]), "other draws give the same"


def _rows_differ(subject: Subject) -> None:
    x = _sound_for(subject.instance)[:1]
    x = x.expand(5, *x.shape[1:]).clone()
    seen = [subject.instance(x, draw=torch.Generator().manual_seed(seed)) for seed in range(4)]
    assert any(not torch.equal(y[0], row) for y in seen for row in y[1:]), "equal rows stay equal"


def _leaves_its_input(subject: Subject) -> None:
    x = _sound_for(subject.instance)
    kept = x.clone()
    subject.instance(x, draw=torch.Generator().manual_seed(0))
    assert torch.equal(x, kept), "the input was changed"


def _augments_silence(subject: Subject) -> None:
    x = torch.zeros_like(_sound_for(subject.instance)) - (100.0 if subject.instance.domain == "log-mel" else 0.0)
    assert bool(torch.isfinite(subject.instance(x, draw=torch.Generator().manual_seed(0))).all()), "silence gives NaN"


AUGMENTATION_CHECKS = [
    ConformanceCheck("declares its domain", _declares_its_domain, "set domain to 'waveform' or 'log-mel'"),
    ConformanceCheck("keeps the shape", _keeps_the_shape, "crop or pad what changes length; take an empty batch"),
    ConformanceCheck("does something", _does_something, "draw from the generator given"),
    ConformanceCheck("changes each row in its own way", _rows_differ, "draw anew for every row"),
    ConformanceCheck("leaves its input alone", _leaves_its_input, "return a new tensor"),
    ConformanceCheck("takes silence", _augments_silence, "divide by nothing that can be zero"),
]
"""What every augmentation must do."""


# --- mixer


def _examples(rows: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    return torch.rand(rows, 1, 4, 6, generator=draw), torch.softmax(torch.randn(rows, _CLASSES, generator=draw), dim=1)


def exercise_mixer(mixer: Any) -> list[Tensor]:
    """Mix one batch."""
    return list(mixer(*_examples(7), draw=torch.Generator().manual_seed(4)))


def _labels_sum_to_one(subject: Subject) -> None:
    _, y = subject.instance(*_examples(7), draw=torch.Generator().manual_seed(0))
    assert torch.allclose(y.sum(dim=1), torch.ones(7), atol=1e-5), "label probabilities do not sum to one"
    assert float(y.min()) >= 0, "a label probability is below zero"


def _labels_follow(subject: Subject) -> None:
    rows = 6
    y = torch.eye(rows)
    # Each class in turn is an image of ones among images of zeros: what is mixed in shows where its label should.
    for k in range(rows):
        x = y[:, k].view(rows, 1, 1, 1).expand(rows, 1, 4, 6).clone()
        mixed_x, mixed_y = subject.instance(x, y.clone(), draw=torch.Generator().manual_seed(0))
        heard, said = mixed_x.mean(dim=(1, 2, 3)) > 1e-6, mixed_y[:, k] > 1e-6
        assert torch.equal(heard, said), "an example and its label come from different rows"


def _mixer_keeps_shapes(subject: Subject) -> None:
    for rows in (0, 1, 7):
        x, y = _examples(rows)
        mixed_x, mixed_y = subject.instance(x, y, draw=torch.Generator().manual_seed(0))
        assert mixed_x.shape == x.shape and mixed_y.shape == y.shape, f"{rows} rows became {tuple(mixed_x.shape)}"


def _stays_within(subject: Subject) -> None:
    x, y = _examples(7)
    mixed, _ = subject.instance(x, y, draw=torch.Generator().manual_seed(0))
    inside = bool((mixed >= x.min() - 1e-6).all()) and bool((mixed <= x.max() + 1e-6).all())
    assert inside, "mixed examples leave the range of the batch"


def _mixer_draws(subject: Subject) -> None:
    first, *others = (subject.instance(*_examples(7), draw=torch.Generator().manual_seed(seed))[0] for seed in range(4))
    assert any(not torch.equal(first, other) for other in others), "other draws give the same mix"


def _mixer_leaves_inputs(subject: Subject) -> None:
    x, y = _examples(7)
    kept = x.clone(), y.clone()
    subject.instance(x, y, draw=torch.Generator().manual_seed(0))
    assert torch.equal(x, kept[0]) and torch.equal(y, kept[1]), "it wrote into its input"


MIXER_CHECKS = [
    ConformanceCheck("labels sum to one", _labels_sum_to_one, "weigh labels as examples are weighed"),
    ConformanceCheck("labels follow their examples", _labels_follow, "mix labels with the partners of their examples"),
    ConformanceCheck("keeps the shapes", _mixer_keeps_shapes, "take empty batches and single rows"),
    ConformanceCheck("stays within the batch", _stays_within, "let weights lie in [0, 1] and sum to one"),
    ConformanceCheck("draws from the generator", _mixer_draws, "draw partners or weights from the generator given"),
    ConformanceCheck("leaves its input alone", _mixer_leaves_inputs, "return new tensors"),
]
"""What every mixer must do."""
