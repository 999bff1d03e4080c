"""Every property of the methods, broken on purpose in the source, makes the test of that property fail."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = "ossicle_semisup"

# (what is broken, module, a line of its source, the line in its place, the test, its arguments)
RESUMES = "test_a_resumed_run_is_the_unbroken_one_to_the_bit"
BROKEN = [
    ("the weight is not at least a half", "mixing", "weights = torch.maximum(weights, 1 - weights)", "pass", "test_the_heavier_weight_comes_first", {"alpha": 0.75, "per_example": True}),
    ("labels are mixed by another weight", "mixing", "return blend(x, x[permutation], lam), blend(y, y[permutation], lam)", "return blend(x, x[permutation], lam), blend(y, y[permutation], 1 - lam)", "test_mixed_labels_sum_to_one_and_follow_the_inputs", {}),
    ("labels are mixed with another partner", "mixing", "blend(y, y[permutation], lam)", "blend(y, y.flip(0), lam)", "test_mixed_labels_sum_to_one_and_follow_the_inputs", {}),
    ("sharpening does not scale to one", "probability", "return torch.softmax(torch.log(p.clamp(min=torch.finfo(p.dtype).tiny)) / temperature, dim=-1)", "return p ** (1 / temperature)", "test_sharpening_keeps_the_order_and_the_sum", {}),
    ("alignment forgets the data's distribution", "probability", "weighed = p * (p_data + epsilon) / (p_model + epsilon)", "weighed = p / (p_model + epsilon)", "test_alignment_with_what_the_model_says_anyway_is_the_identity", {}),
    ("only one entropy is taken off", "probability", "(_entropy(p) + _entropy(q)) / 2", "_entropy(p)", "test_js_is_a_bounded_symmetric_distance", {}),
    ("a gradient flows through guesses", "methods.base", "with torch.no_grad():", "with torch.enable_grad():", "test_a_guess_has_no_gradient_and_leaves_statistics_alone", {}),
    ("guesses move the running statistics", "methods.base", "norm.track_running_stats = False", "pass", "test_a_guess_has_no_gradient_and_leaves_statistics_alone", {}),
    ("an attack moves the running statistics", "methods.base", "network.eval()", "network.train()", "test_an_attack_leaves_statistics_and_gradients_alone", {}),
    ("an attack leaves gradients in the weights", "methods.co_training", "(gradient,) = torch.autograd.grad(loss, inputs)", "loss.backward(); gradient = inputs.grad", "test_an_attack_leaves_statistics_and_gradients_alone", {}),
    ("an attack goes downhill", "methods.co_training", "return x.detach() + epsilon * gradient.sign()", "return x.detach() - epsilon * gradient.sign()", "test_an_attack_moves_every_value_by_epsilon_and_raises_the_loss", {}),
    ("an attack's size follows the gradient's", "methods.co_training", "epsilon * gradient.sign()", "epsilon * gradient", "test_an_attack_moves_every_value_by_epsilon_and_raises_the_loss", {}),
    ("epsilon ignores the inputs' scale", "methods.co_training", "epsilon / input_scale", "epsilon", "test_epsilon_is_in_the_inputs_unit_before_standardising", {}),
    ("both networks start equal", "methods.co_training", "make_network(seed + 1_000_003)", "make_network(seed)", "test_co_training_starts_from_two_networks_and_needs_two_draws", {}),
    ("the joint pass mixes up its parts", "methods.base", "call(torch.cat(batches))", "call(torch.cat(batches[::-1]))", "test_one_pass_equals_two_in_evaluation_mode", {}),
    ("MixMatch weighs the unlabelled loss twice", "methods.mixmatch", "return StepOutput(loss_x + weight * loss_u", "return StepOutput(loss_x + 2 * weight * loss_u", "test_mixmatch_without_mixing_or_sharpening_learns_its_own_prediction", {"kind": "cross-entropy"}),
    ("squared errors are summed over classes", "probability", ".square().mean(dim=-1)", ".square().sum(dim=-1)", "test_brier_is_a_mean_over_the_classes", {}),
    ("MixMatch sharpens nothing", "methods.mixmatch", "temperature=self._temperature", "temperature=None", "test_mixmatch_gives_every_view_the_same_guess", {}),
    ("views are averaged as logits", "kernels.guess", "torch.softmax(logits, dim=-1).mean(dim=0)", "torch.softmax(logits.mean(dim=0), dim=-1)", "test_mixmatch_gives_every_view_the_same_guess", {}),
    ("unlabelled rows enter the labelled loss", "methods.mixmatch", "sizes = [len(x), len(rows) - len(x)]", "sizes = [len(x) + 1, len(rows) - len(x) - 1]", "test_mixmatch_loses_nothing_at_zero_weight", {"weight": 0.0}),
    ("FixMatch ignores its threshold", "kernels.guess", "(confidence >= threshold)", "(confidence >= 0)", "test_fixmatch_with_a_threshold_above_one_has_the_supervised_gradient", {}),
    ("FixMatch learns soft labels", "methods.fixmatch", "one_hot(label, self.classes).float(), None", "p, None", "test_fixmatch_that_takes_all_learns_its_own_argmax", {}),
    ("FixMatch divides by the rows that count", "methods.fixmatch", "target_x, target_u, counted = y, one_hot(label, self.classes).float(), None", "target_x, target_u, counted = y, one_hot(label, self.classes).float(), mask.sum()", "test_fixmatch_divides_by_all_rows_and_not_by_those_that_count", {}),
    ("the teacher's first step is not a copy", "methods.mean_teacher", "1.0 - 1.0 / (step + 1)", "1.0", "test_the_teacher_is_the_student_after_the_first_step_and_whenever_nothing_decays", {}),
    ("the student hears the teacher's outputs", "methods.mean_teacher", "distance = (said - target).square().mean()", "distance = (target - target).square().mean()", "test_the_students_consistency_does_not_come_from_the_teacher_itself", {}),
    ("the noisier student is not", "methods.mean_teacher", 'View("unlabeled", "unlabeled", student_strength)', 'View("unlabeled", "unlabeled", "weak")', "test_a_noisier_student_is_compared_with_a_teacher_that_hears_weak_views", {}),
    ("the teacher's statistics are never copied", "methods.mean_teacher", "mine.copy_(its)", "pass", "test_the_teachers_statistics_are_what_they_are_said_to_be", {"statistics_": "copy"}),
    ("a batch aligns itself", "methods.remixmatch", "self._history.mean(dim=0), self.p_data", "torch.softmax(logits_of(self.student, [weak])[0], dim=1).mean(dim=0), self.p_data", "test_remixmatch_aligns_by_batches_before_this_one", {}),
    ("the history forgets its oldest last", "methods.remixmatch", "self._written % len(self._history)", "self._written.clamp(max=len(self._history) - 1)", "test_remixmatch_remembers_as_many_batches_as_it_is_told", {}),
    ("flips are always both", "methods.remixmatch", "kinds % 2 == 1", "kinds >= 2", "test_flips_take_a_quarter_of_the_batch_each", {}),
    ("the teacher's decay is forgotten", "methods.mean_teacher", "1.0 - min(1.0 - 1.0 / (step + 1), self._decay)", "1.0 / (step + 1)", "test_the_teacher_is_the_student_after_the_first_step_and_whenever_nothing_decays", {}),
    ("a ramp ignores the run's length", "ramps", "self.share * progress.steps if self.steps is None", "100.0 * progress.steps if self.steps is None", "test_a_ramp_counts_steps_or_a_share_of_the_run", {}),
    ("a resumed run counts from zero", "trainer", 'self.step_number = int(state["step"])', "self.step_number = 0", RESUMES, {"method": "MixMatch"}),
    ("a resumed run's optimizer starts anew", "trainer", 'self.optimizer.load_state_dict(state["optimizer"])', "pass", RESUMES, {"method": "Supervised"}),
    ("a resumed run's average starts anew", "trainer", 'self.average.module.load_state_dict(state["average"])', "pass", RESUMES, {"method": "Supervised"}),
    ("a resumed run draws on from the seed", "trainer", 'generator_for(c.seed, "step", number, *([] if self.ranks.first else [self.ranks.rank]))', 'self.__dict__.setdefault("_draw", generator_for(c.seed))', RESUMES, {"method": "FixMatch"}),
    ("a resumed run's order starts anew", "sampler", "at = torch.arange(", "step = self.__dict__['_seen'] = self.__dict__.get('_seen', -1) + 1; at = torch.arange(", RESUMES, {"method": "Supervised"}),
    ("a resumed ReMixMatch forgets its history", "methods.remixmatch", 'torch.full((history, classes), 1 / classes))', 'torch.full((history, classes), 1 / classes), persistent=False)', RESUMES, {"method": "ReMixMatch"}),
    ("a resumed Mean Teacher's teacher is its student", "trainer", 'self.method.load_state_dict(state["method"])', 'self.method.load_state_dict(state["method"]); self.method.teacher.load_state_dict(self.method.student.state_dict())', RESUMES, {"method": "MeanTeacher"}),
]  # fmt: skip


class _Broken:
    """Loads one module of the package from a changed source."""

    def __init__(self, module, old, new):
        self.name, self.old, self.new = f"{PACKAGE}.{module}", old, new

    def find_spec(self, name, path=None, target=None):
        if name != self.name:
            return None
        spec = next(s for f in sys.meta_path if f is not self and (s := f.find_spec(name, path, target)))
        source = Path(spec.origin).read_text("utf-8")
        assert self.old in source, f"{name} has no {self.old!r}: bring this list up to date"
        changed = compile(source.replace(self.old, self.new), spec.origin, "exec")
        spec.loader.get_code = lambda _: changed
        return spec


@pytest.fixture
def load():
    """Load a file of tests over the package as it is, or over one with a broken module."""
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] in (PACKAGE, "small")}
    finders = list(sys.meta_path)

    def load(file, *broken):
        for name in [name for name in sys.modules if name.split(".")[0] in (PACKAGE, "small")]:
            del sys.modules[name]
        sys.meta_path[:] = [_Broken(*broken), *finders] if broken else finders
        spec = importlib.util.spec_from_file_location("tests_of_the_broken", HERE / file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    sys.meta_path[:] = finders
    for name in [name for name in sys.modules if name.split(".")[0] in (PACKAGE, "small")]:
        del sys.modules[name]
    sys.modules.update(kept)


def call(tests, test, arguments, folder):
    """Call a test; classes and functions are named in the list, as each load of the package has its own."""
    given = {key: getattr(tests, value) if key == "method" else value for key, value in arguments.items()}
    if "kind" in given:
        given["distance"] = getattr(tests, given["kind"].replace("-", "_"))
    getattr(tests, test)(**given, **({"tmp_path": folder} if test == RESUMES else {}))


@pytest.mark.parametrize(
    ("module", "old", "new", "test", "arguments"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_what_is_broken_is_found(module, old, new, test, arguments, load, tmp_path):
    file = "test_trainer.py" if test == RESUMES else "test_properties.py"
    call(load(file), test, arguments, tmp_path)  # whole, it passes
    broken = load(file, module, old, new)
    with pytest.raises(AssertionError):
        call(broken, test, arguments, tmp_path)
