"""What must hold whatever the data: each of these breaks when the property is broken."""

import copy
import math

import pytest
import torch
from small import CLASSES, batch_for, gradients, guess, images, loss_of, make_network, targets

from ossicle.errors import ConfigError
from ossicle_semisup import align, js_divergence, mixup, sharpen
from ossicle_semisup.methods.base import together, without_trace
from ossicle_semisup.methods.co_training import DeepCoTraining, attack
from ossicle_semisup.methods.fixmatch import FixMatch
from ossicle_semisup.methods.mean_teacher import MeanTeacher
from ossicle_semisup.methods.mixmatch import MixMatch
from ossicle_semisup.methods.remixmatch import ReMixMatch, flip
from ossicle_semisup.methods.supervised import Supervised
from ossicle_semisup.mixing import draw_weights
from ossicle_semisup.probability import brier, cross_entropy
from ossicle_semisup.ramps import Progress, Ramp


def drawn(seed=0):
    return torch.Generator().manual_seed(seed)


def probabilities(rows, seed=0):
    return torch.softmax(3 * torch.randn(rows, CLASSES, generator=drawn(seed)), dim=1)


def statistics(network):
    return [b.clone() for b in network.buffers()]


def unchanged(network, before):
    return all(torch.equal(a, b) for a, b in zip(network.buffers(), before, strict=True))


# --- mixup


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 0.75, 8.0])
@pytest.mark.parametrize("per_example", [True, False])
def test_the_heavier_weight_comes_first(alpha, per_example):
    weights = draw_weights(500, alpha, drawn(), keep_first=True, per_example=per_example)
    assert weights.shape == (500,) and float(weights.min()) >= 0.5 and float(weights.max()) <= 1.0
    assert (len(weights.unique()) == 1) == (alpha == 0 or not per_example)


def test_weights_follow_their_beta_distribution():
    weights = draw_weights(20_000, 0.75, drawn(), keep_first=False, per_example=True)
    assert float(weights.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(weights.var()) == pytest.approx(1 / (4 * (2 * 0.75 + 1)), abs=0.005)


def test_a_negative_alpha_is_refused():
    with pytest.raises(ConfigError, match="alpha"):
        draw_weights(3, -1.0, drawn(), keep_first=True, per_example=True)


def test_mixed_labels_sum_to_one_and_follow_the_inputs():
    x, y = images(5), probabilities(5)
    weights, partners = torch.rand(5, generator=drawn()), torch.randperm(5, generator=drawn())
    mixed, mixed_y = mixup(x, y, weights, partners)
    torch.testing.assert_close(mixed_y.sum(dim=1), torch.ones(5))
    for i in range(5):
        torch.testing.assert_close(mixed[i], weights[i] * x[i] + (1 - weights[i]) * x[partners[i]])
        torch.testing.assert_close(mixed_y[i], weights[i] * y[i] + (1 - weights[i]) * y[partners[i]])


# --- probabilities


def test_sharpening_keeps_the_order_and_the_sum():
    p = probabilities(6)
    sharp = sharpen(p, 0.5)
    torch.testing.assert_close(sharp.sum(dim=1), torch.ones(6))
    assert torch.equal(sharp.argmax(dim=1), p.argmax(dim=1)) and bool((sharp.amax(1) >= p.amax(1)).all())
    torch.testing.assert_close(sharpen(p, 1.0), p)
    assert bool(torch.isfinite(sharpen(torch.tensor([[1.0, 0.0, 0.0]]), 0.01)).all())


def test_alignment_with_what_the_model_says_anyway_is_the_identity():
    shares = probabilities(1, seed=1)[0]
    torch.testing.assert_close(align(probabilities(6), shares, shares), probabilities(6))


def test_js_is_a_bounded_symmetric_distance():
    p, q = probabilities(50), probabilities(50, seed=1)
    assert float(js_divergence(p, p).abs().max()) < 1e-6
    torch.testing.assert_close(js_divergence(p, q), js_divergence(q, p))
    assert float(js_divergence(p, q).max()) <= math.log(2) and float(js_divergence(p, q).min()) >= 0
    far = js_divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    assert float(far) == pytest.approx(math.log(2), abs=1e-5)


def test_brier_is_a_mean_over_the_classes():
    logits, target = torch.zeros(1, 4), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    assert float(brier(logits, target)) == pytest.approx((0.75**2 + 3 * 0.25**2) / 4)


# --- guesses leave no trace


def test_a_guess_has_no_gradient_and_leaves_statistics_alone():
    network = make_network(0).train()
    before = statistics(network)
    (p,) = guess(network, [images(4)])
    assert not p.requires_grad and unchanged(network, before)
    with without_trace(network):
        together = network(images(4))
    torch.testing.assert_close(p, torch.softmax(together, dim=1))  # by the batch's own statistics, as in training
    assert all(m.track_running_stats for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))


@pytest.mark.parametrize("method", [MixMatch, ReMixMatch, FixMatch])
def test_each_step_updates_the_statistics_once(method):
    made = method(make_network, classes=CLASSES).train()
    loss_of(made, batch_for(made))
    counts = [int(b) for name, b in made.student.named_buffers() if name.endswith("num_batches_tracked")]
    assert counts and set(counts) == {1}


def test_an_attack_leaves_statistics_and_gradients_alone():
    network = make_network(0).train()
    before = statistics(network)
    attacked = attack(network, images(4), targets(4), 0.02)
    assert unchanged(network, before) and network.training and not attacked.requires_grad
    assert all(p.grad is None for p in network.parameters())


def test_one_pass_equals_two_in_evaluation_mode():
    network = make_network(0).eval()
    joined = together(network, images(3), images(5, seed=1))
    apart = together(network, images(3), images(5, seed=1), separate=True)
    for a, b in zip(joined, apart, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


# --- each method at its edge


@pytest.mark.parametrize(("kind", "distance"), [("cross-entropy", cross_entropy), ("brier", brier)])
def test_mixmatch_without_mixing_or_sharpening_learns_its_own_prediction(kind, distance):
    method = MixMatch(
        make_network, classes=CLASSES, guess_views=1, temperature=1.0, alpha=0.0, unlabeled_loss=kind, weight=0.7,
        ramp=Ramp("none"), separate=False,
    ).train()  # fmt: skip
    batch = batch_for(method)
    network = copy.deepcopy(method.student)
    (q,) = guess(network, [batch["unlabeled-0"]])
    logits_x, logits_u = together(network, batch["labeled"], batch["unlabeled-0"])
    wanted = cross_entropy(logits_x, batch["labeled/targets"]).mean() + 0.7 * distance(logits_u, q).mean()
    torch.testing.assert_close(loss_of(method, batch).loss, wanted)


def test_mixmatch_gives_every_view_the_same_guess():
    method = MixMatch(make_network, classes=CLASSES, alpha=0.0).train()
    batch = batch_for(method)
    views = torch.stack(guess(method.student, [batch["unlabeled-0"], batch["unlabeled-1"]]))
    out = loss_of(method, batch)
    torch.testing.assert_close(out.guesses, sharpen(views.mean(dim=0), 0.5))


@pytest.mark.parametrize("weight", [0.0])
def test_mixmatch_loses_nothing_at_zero_weight(weight):
    method = MixMatch(make_network, classes=CLASSES, alpha=0.0, weight=weight, separate=True).train()
    batch = batch_for(method)
    wanted = cross_entropy(copy.deepcopy(method.student)(batch["labeled"]), batch["labeled/targets"]).mean()
    torch.testing.assert_close(loss_of(method, batch).loss, wanted)


def supervised_gradient(network, batch):
    alone = Supervised(lambda seed: network, classes=CLASSES).train()
    return gradients(alone, loss_of(alone, batch).loss)


def test_fixmatch_with_a_threshold_above_one_has_the_supervised_gradient():
    method = FixMatch(make_network, classes=CLASSES, threshold=1.1).eval()  # evaluation: rows do not see each other
    batch = batch_for(method)
    out = loss_of(method, batch)
    assert float(out.metrics["mask"]) == 0
    wanted = supervised_gradient(copy.deepcopy(method.student), batch)
    # In evaluation mode on both sides, so that batch statistics do not differ.
    reference = Supervised(lambda seed: copy.deepcopy(method.student), classes=CLASSES).eval()
    wanted = gradients(reference, loss_of(reference, batch).loss)
    for found, expected in zip(gradients(method, out.loss), wanted, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_fixmatch_that_takes_all_learns_its_own_argmax():
    method = FixMatch(make_network, classes=CLASSES, threshold=0.0).eval()
    batch = batch_for(method, same_views=True)
    logits = method.student(batch["unlabeled-strong"])
    own = torch.nn.functional.cross_entropy(logits, logits.argmax(dim=1))
    labeled = cross_entropy(method.student(batch["labeled"]), batch["labeled/targets"]).mean()
    torch.testing.assert_close(loss_of(method, batch).loss, labeled + own)


def test_fixmatch_divides_by_all_rows_and_not_by_those_that_count():
    method = FixMatch(make_network, classes=CLASSES, threshold=0.0).eval()
    batch = batch_for(method)
    confidence = torch.softmax(method.student(batch["unlabeled-weak"]), dim=1).amax(dim=1)
    method._threshold = float(confidence.detach().median())
    mask = (confidence >= method._threshold).float()
    assert 0 < float(mask.mean()) < 1
    label = method.student(batch["unlabeled-weak"]).argmax(dim=1)
    each = torch.nn.functional.cross_entropy(method.student(batch["unlabeled-strong"]), label, reduction="none")
    found = loss_of(method, batch).metrics["unlabeled"]
    torch.testing.assert_close(found, ((each * mask).sum() / len(mask)).detach())


@pytest.mark.parametrize("mixing", ["paper", "union"])
@pytest.mark.parametrize("unlabeled", [3, 6, 13])
def test_fixmatch_mixes_batches_of_any_two_sizes(mixing, unlabeled):
    method = FixMatch(make_network, classes=CLASSES, mixing=mixing, threshold=0.0).train()
    out = loss_of(method, batch_for(method, unlabeled=unlabeled))
    assert bool(torch.isfinite(out.loss))


def test_the_teacher_is_the_student_after_the_first_step_and_whenever_nothing_decays():
    for decay, step in ((0.999, 0), (0.0, 500)):
        method = MeanTeacher(make_network, classes=CLASSES, decay=decay)
        with torch.no_grad():
            for p in method.student.parameters():
                p.add_(1.0)
        method.after_step(step)
        for mine, its in zip(method.teacher.parameters(), method.student.parameters(), strict=True):
            torch.testing.assert_close(mine, its)


def test_a_noisier_student_is_compared_with_a_teacher_that_hears_weak_views():
    method = MeanTeacher(make_network, classes=CLASSES, student_strength="strong")
    assert {v.name: v.strength for v in method.views if v.source == "unlabeled"} == {
        "unlabeled": "strong",
        "unlabeled-teacher": "weak",
    }
    assert all(v.strength == "weak" for v in MeanTeacher(make_network, classes=CLASSES).views)


def test_the_students_consistency_does_not_come_from_the_teacher_itself():
    # A known fault elsewhere: the student's branch read the teacher's outputs, so this loss was always zero.
    method = MeanTeacher(make_network, classes=CLASSES, weight=1.0, ramp=Ramp("none")).train()
    with torch.no_grad():
        for p in method.student.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=drawn()))
    out = loss_of(method, batch_for(method))
    assert float(out.metrics["consistency"]) > 1e-6
    without = MeanTeacher(make_network, classes=CLASSES, weight=0.0).train()
    without.load_state_dict(method.state_dict())
    plain = gradients(without, loss_of(without, batch_for(without)).loss)
    both = gradients(method, loss_of(method, batch_for(method)).loss)
    assert any(not torch.equal(a, b) for a, b in zip(plain, both, strict=True))


@pytest.mark.parametrize("statistics_", ["own", "average", "copy"])
def test_the_teachers_statistics_are_what_they_are_said_to_be(statistics_):
    method = MeanTeacher(make_network, classes=CLASSES, statistics=statistics_).train()
    assert method.teacher.training == (statistics_ == "own")
    for step in range(3):
        loss_of(method, batch_for(method))
        method.after_step(step)
    mine, its = method.teacher.stages[0].bn1, method.student.stages[0].bn1
    assert int(mine.num_batches_tracked) == 3
    equal = torch.equal(mine.running_mean, its.running_mean)
    assert equal == (statistics_ == "copy")


def test_interpolation_compares_mixtures_with_mixtures():
    method = MeanTeacher(make_network, classes=CLASSES, mixing="interpolate", alpha=0.0, ramp=Ramp("none")).eval()
    plain = MeanTeacher(make_network, classes=CLASSES, ramp=Ramp("none")).eval()
    plain.load_state_dict(method.state_dict())
    batch = batch_for(method)
    torch.testing.assert_close(loss_of(method, batch).loss, loss_of(plain, batch).loss)  # weight 1 mixes nothing


def test_an_attack_moves_every_value_by_epsilon_and_raises_the_loss():
    linear = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(384, CLASSES))
    x, y = images(5), targets(5)
    attacked = attack(linear, x, y, 0.01)
    torch.testing.assert_close((attacked - x).abs(), torch.full_like(x, 0.01), atol=1e-6, rtol=0)
    before, after = (cross_entropy(linear(z), y) for z in (x, attacked))
    assert bool((after > before).all())


def test_epsilon_is_in_the_inputs_unit_before_standardising():
    assert DeepCoTraining(make_network, classes=CLASSES, epsilon=0.02, input_scale=20.0)._epsilon == pytest.approx(1e-3)


def test_co_training_starts_from_two_networks_and_needs_two_draws():
    method = DeepCoTraining(make_network, classes=CLASSES)
    assert any(
        not torch.equal(a, b) for a, b in zip(method.student.parameters(), method.second.parameters(), strict=True)
    )
    assert {view.source for view in method.views} == {"labeled", "labeled-2", "unlabeled"}


def test_flips_take_a_quarter_of_the_batch_each():
    x = images(8)
    flipped, kinds = flip(x)
    assert kinds.bincount().tolist() == [2, 2, 2, 2]
    for row, kind in enumerate(kinds.tolist()):
        dims = [dim for dim, on in ((-1, kind % 2 == 1), (-2, kind >= 2)) if on]
        assert torch.equal(flipped[row], x[row].flip(dims))


def test_remixmatch_aligns_by_batches_before_this_one():
    method = ReMixMatch(make_network, classes=CLASSES, p_data=[0.4, 0.3, 0.2, 0.1]).train()
    batch = batch_for(method)
    (p,) = guess(method.student, [batch["unlabeled-weak"]])
    uniform = torch.full((CLASSES,), 1 / CLASSES)
    first = loss_of(method, batch).guesses
    torch.testing.assert_close(first, sharpen(align(p, uniform, method.p_data), 0.5))
    torch.testing.assert_close(method._history[0], p.mean(dim=0))
    assert int(method._written) == 1


def test_remixmatch_remembers_as_many_batches_as_it_is_told():
    method = ReMixMatch(make_network, classes=CLASSES, history=3)
    for value in range(5):
        method._remember(torch.full((CLASSES,), float(value)))
    assert sorted(method._history[:, 0].tolist()) == [2.0, 3.0, 4.0]


# --- ramps and presets


def test_a_ramp_counts_steps_or_a_share_of_the_run():
    assert Ramp("linear", share=0.5).at(Progress(25, 100)) == pytest.approx(0.5)
    assert Ramp("linear", steps=16_000).at(Progress(2_700, 2_700)) == pytest.approx(0.169, abs=1e-3)
    assert Ramp("none").at(Progress(0, 10)) == 1.0
    with pytest.raises(ConfigError, match="no ramp"):
        Ramp("steep")


@pytest.mark.parametrize("method", [MixMatch, ReMixMatch, FixMatch, MeanTeacher, DeepCoTraining])
def test_an_unknown_preset_is_refused_with_the_known_ones(method):
    with pytest.raises(ConfigError, match="paper, reference, default"):
        method(make_network, classes=CLASSES, preset="best")


@pytest.mark.parametrize("preset", ["paper", "reference"])
@pytest.mark.parametrize("method", [MixMatch, ReMixMatch, FixMatch, MeanTeacher, DeepCoTraining])
def test_presets_learn(method, preset):
    made = method(make_network, classes=CLASSES, preset=preset).train()
    out = loss_of(made, batch_for(made))
    assert bool(torch.isfinite(out.loss)) and all(g is not None for g in gradients(made, out.loss))
