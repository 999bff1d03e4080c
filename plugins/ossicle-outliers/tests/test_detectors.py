"""The detectors, and the defects that others have and these have not."""

import random
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import ossicle
from ossicle.errors import CheckpointError, MissingPackageError, OssicleError, UsageError
from ossicle_outliers import load, mean_shift
from ossicle_outliers.autoencoder import AutoencoderDetector, VarianceCollapseWarning
from ossicle_outliers.base import NotFitted
from ossicle_outliers.distances import KNNDetector, MODDetector
from ossicle_outliers.errors import SettingError, TableError
from ossicle_outliers.pyod_detector import PyODDetector
from ossicle_outliers.standardize import Standardizer
from ossicle_outliers.thresholds import threshold_of

OURS = [AutoencoderDetector(steps=40), MODDetector(), KNNDetector()]
NAMES = [detector.component for detector in OURS]


def table(n=200, d=4, strange=8, seed=0):
    """Return rows of which the last few lie far out, and their labels."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(n, d))
    x[n - strange :] *= 6
    return x, (np.arange(n) >= n - strange).astype(int)


# --- manners of scikit-learn

PYODS_WAY = {
    "check_outliers_train": "higher is more abnormal and labels are 0 and 1, as in PyOD; scikit-learn has both reversed",
    "check_outliers_fit_predict": "labels are 0 and 1, as in PyOD",
}


def expected_failures(estimator):
    return PYODS_WAY


@parametrize_with_checks([clone(d) for d in OURS], expected_failed_checks=expected_failures)
def test_scikit_learns_estimator_checks(estimator, check):
    check(estimator)


# --- defects that others have


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_fewer_rows_than_a_batch_or_than_neighbours(detector, n):
    x = table(n, strange=0)[0]
    fitted = clone(detector).fit(x)
    assert fitted.decision_scores_.shape == (n,) and np.isfinite(fitted.decision_scores_).all()
    assert np.isfinite(fitted.decision_function(table(5, strange=0)[0])).all()


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_one_row_and_one_column(detector):
    fitted = clone(detector).fit(table(60, 1, strange=2)[0])
    assert fitted.decision_function([[0.1]]).shape == (1,)


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_a_second_fit_of_the_same_object_is_equal_whatever_was_drawn_between(detector):
    x, _ = table()
    fitted = clone(detector).fit(x)
    first = fitted.decision_scores_.copy()
    torch.rand(7), np.random.rand(7), random.random()
    assert np.array_equal(first, fitted.fit(x).decision_scores_)
    assert np.array_equal(first, clone(detector).fit(x).decision_scores_)


@pytest.mark.parametrize("name", [*NAMES, "pyod"])
def test_the_global_random_state_is_left_alone(name):
    if name == "pyod":
        pytest.importorskip("pyod")
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    settings = {"steps": 20} if name == "autoencoder" else {}
    ossicle.build("outlier-detector", name, **settings).fit(table()[0])
    assert torch.equal(states[0], torch.get_rng_state()) and np.array_equal(states[1], np.random.get_state()[1])
    assert states[2] == random.getstate()


def test_contamination_changes_after_fit_without_a_new_fit():
    fitted = MODDetector(contamination=0.1).fit(table()[0])
    assert fitted.labels_.sum() == 20
    assert fitted.set_params(contamination=0.04).labels_.sum() == 8
    assert fitted.predict(table()[0]).sum() <= 10
    for none in (0, None):
        fitted.contamination = none
        assert fitted.labels_.sum() == 0 and fitted.predict([[99.0] * 4]) == [1]
    fitted.contamination = "auto"
    assert 4 <= fitted.labels_.sum() <= 16
    for wrong in (0.6, -0.1, "a tenth", True, np.nan):
        fitted.contamination = wrong
        with pytest.raises(SettingError, match="contamination"):
            _ = fitted.threshold_


def test_the_rule_of_auto():
    gaussian = np.random.default_rng(0).normal(size=200_000)
    assert threshold_of(gaussian, "auto") == pytest.approx(3.0, abs=0.03)
    assert threshold_of(np.array([1.0]), "auto") == 1.0


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_what_is_not_finite_is_named_by_row_and_column(detector):
    x, _ = table()
    for value, word in ((np.nan, "NaN"), (np.inf, "infinity")):
        bad = x.copy()
        bad[17, 2] = value
        for call in (lambda bad=bad: clone(detector).fit(bad), lambda bad=bad: clone(detector).fit(x).predict(bad)):
            with pytest.raises(TableError, match=f"row 17, column 2 is {word}"):
                call()


def test_many_rows_are_scored_piece_by_piece(monkeypatch):
    from ossicle_outliers import base

    monkeypatch.setattr(base, "BATCH_ROWS", 64)
    x, _ = table()
    for detector in (MODDetector(), AutoencoderDetector(steps=20)):
        fitted = detector.fit(x)
        pieces = fitted.decision_function(x)
        np.testing.assert_allclose(pieces, fitted.decision_function(x.tolist()), rtol=1e-9)
        bad = torch.from_numpy(x.copy())
        bad[150, 1] = np.nan
        with pytest.raises(TableError, match="row 150, column 1 is NaN"):
            fitted.decision_function(bad)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_more_rows_than_the_reference_sample_with_any_number_of_steps(steps):
    x, y = table(400)
    fitted = AutoencoderDetector(steps=60, shift_steps=steps, reference_size=100).fit(x)
    assert [len(shifter.clouds) for shifter in fitted.shifters_] == [steps] * (3 if steps else 1)
    assert roc_auc_score(y, fitted.decision_scores_) > 0.9 and roc_auc_score(y, fitted.decision_function(x)) > 0.9


def test_a_column_of_a_data_frame_is_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(table()[0], columns=["a", "b", "c", "d"])
    frame.loc[3, "c"] = None
    with pytest.raises(TableError, match=r"row 3, column 2 \('c'\) is NaN"):
        MODDetector().fit(frame)


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_unequal_rows_have_unequal_scores(detector):
    x, _ = table(400)
    fitted = clone(detector).fit(x)
    assert len(np.unique(fitted.decision_function(table(400, seed=1)[0]))) == 400
    # Rows that differ in the seventh digit differ in score.
    near = np.tile(x[0], (20, 1)) + 1e-7 * np.arange(20)[:, None]
    assert len(np.unique(fitted.decision_function(near))) == 20


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_a_new_value_in_a_constant_column_shows(detector):
    x, _ = table()
    x[:, 3] = 5.0
    fitted = clone(detector).fit(x)
    usual, strange = np.array([[0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 50.0]])
    assert fitted.decision_function([strange]) > fitted.decision_function([usual])


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_offsets_and_scales_change_nothing(detector):
    x, _ = table()
    plain = clone(detector).fit(x).decision_scores_
    for moved in (x + 1e4, x * 1e-8, x * np.array([1e-6, 1.0, 1e3, 1e9])):
        np.testing.assert_allclose(clone(detector).fit(moved).decision_scores_, plain, rtol=1e-3, atol=1e-3)


# --- the scores themselves


def test_mod_is_the_distance_to_the_shifted_row():
    x, _ = table()
    z = Standardizer.of(x)(x)
    fitted = MODDetector(neighbors=9, shift_steps=2).fit(x)
    np.testing.assert_allclose(fitted.decision_scores_, np.linalg.norm(z - mean_shift(z, 9, 2)[-1], axis=1))


def test_knn_is_the_distance_to_the_kth_other_row():
    x, _ = table()
    z = Standardizer.of(x)(x)
    distances = np.sort(np.linalg.norm(z[:, None] - z[None], axis=-1), axis=1)
    np.testing.assert_allclose(KNNDetector(neighbors=6).fit(x).decision_scores_, distances[:, 6])
    np.testing.assert_allclose(
        KNNDetector(neighbors=6, method="mean").fit(x).decision_scores_, distances[:, 1:7].mean(1)
    )
    with pytest.raises(SettingError, match="k is 200, and n is 199"):
        KNNDetector(neighbors=200).fit(x)


@pytest.mark.parametrize(
    "detector", [MODDetector(reference_size=64), KNNDetector(reference_size=64)], ids=["mod", "knn"]
)
def test_a_reference_sample_finds_them_too(detector):
    x, y = table(600, strange=20)
    fitted = detector.fit(x)
    assert roc_auc_score(y, fitted.decision_scores_) > 0.95
    assert roc_auc_score(y, fitted.decision_function(x)) > 0.95


def test_without_labels_every_network_and_preset_finds_what_is_far_out():
    x, y = table(400)
    for settings in ({"steps": 200}, {"network": "ae", "steps": 200}, {"preset": "paper", "epochs": 150}):
        found = AutoencoderDetector(**settings).fit(x).decision_scores_
        assert roc_auc_score(y, found) > 0.95, settings


def test_variances_that_collapse_to_a_low_floor_are_warned_of():
    # Columns that never move are reconstructed as well as anything can be.
    x = table(100, 3)[0] * np.array([1.0, 0.0, 0.0])
    settings = {"preset": "paper", "epochs": 200, "learning_rate": 0.03, "shift_steps": 0, "variance_floor": 0.05}
    with pytest.warns(VarianceCollapseWarning, match="raise variance_floor"):
        collapsed = AutoencoderDetector(**settings).fit(x)
    assert collapsed.diagnostics_["variance_at_floor"] > 0.2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        AutoencoderDetector(**settings | {"variance_floor": 0.3}).fit(x)


def test_the_paper_preset_is_the_published_one():
    used = AutoencoderDetector(preset="paper").settings()
    assert (used.alpha, used.beta, used.variance_floor, used.scale_offset) == (0.5, 2.0, 1e-5, 1e-5)
    assert used.training.batch_size is None and used.training.learning_rate == 1e-3 and used.distance_weight == 0


def test_alpha_and_beta_act_on_the_score_alone():
    x, _ = table()
    parts = AutoencoderDetector(steps=40, shift_steps=0).fit(x).score_parts(x)
    for alpha, beta in ((1.0, 0.0), (0.0, 1.0), (0.5, 2.0)):
        fitted = AutoencoderDetector(steps=40, shift_steps=0, alpha=alpha, beta=beta).fit(x)
        wanted = alpha * parts.bias.sum(1) + beta * parts.uncertainty.sum(1)
        np.testing.assert_allclose(fitted.decision_scores_, wanted, rtol=1e-9, atol=1e-9)


def test_parts_say_which_column_is_strange():
    x, _ = table(400, 5, strange=0)
    fitted = AutoencoderDetector("ae", steps=100).fit(x)
    row = np.zeros((1, 5))
    row[0, 3] = 9.0
    parts = fitted.score_parts(row)
    assert parts.bias.shape == (1, 5) and parts.distance.argmax() == 3 and not parts.uncertainty.any()


def test_training_stops_early_on_rows_held_out():
    x, _ = table(120, 3)
    fitted = AutoencoderDetector(steps=5_000, learning_rate=0.03, held_out=0.3).fit(x)
    assert fitted.history_.steps < 5_000 and fitted.history_.kept_step < fitted.history_.steps


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": -1.0}, {"variance_floor": 0.0}, {"shift_steps": -1}, {"neighbors": 0}, {"distance_weight": 2.0},
        {"batch_size": -1}, {"learning_rate": 0.0}, {"held_out": 1.0}, {"preset": "papre"}, {"network": "vae"},
        {"reference_size": "most"}, {"reference_size": 0}, {"neighbors": 201}, {"search": "kd"},
    ],
    ids=str,
)  # fmt: skip
def test_a_setting_out_of_range_is_refused_by_name(settings):
    with pytest.raises((SettingError, OssicleError)) as error:
        AutoencoderDetector(**({"steps": 5} | settings)).fit(table()[0])
    assert isinstance(error.value, ValueError) and str(next(iter(settings.values()))) in str(error.value)


def test_scoring_before_a_fit_is_refused():
    for call in (lambda d: d.predict([[0.0]]), lambda d: d.threshold_, lambda d: d.save("nowhere")):
        with pytest.raises(NotFitted, match=r"call fit\(X\) first"):
            call(MODDetector())


# --- model folders


@pytest.mark.parametrize("detector", OURS, ids=NAMES)
def test_a_saved_detector_is_the_same_when_loaded(detector, tmp_path):
    x, _ = table()
    fitted = clone(detector).fit(x)
    fitted.contamination = 0.04
    fitted.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert sorted(path.suffix for path in (tmp_path / "model").iterdir()) == [".safetensors", ".toml"]
    assert np.array_equal(loaded.decision_function(x), fitted.decision_function(x))
    assert np.array_equal(loaded.labels_, fitted.labels_) and loaded.get_params() == fitted.get_params()
    with pytest.raises(TableError, match="4 features"):
        loaded.predict(x[:, 1:])


def test_folders_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no model folder"):
        load(tmp_path)
    MODDetector().fit(table()[0]).save(tmp_path)
    good = (tmp_path / "detector.toml").read_text()
    for text, word in (
        (good.replace("version = 1", "version = 2"), "version 2"),
        (good.replace('component = "mod"', 'component = "os.system"'), "no detector is named"),
        (good.replace("shift_steps", "steps_of_shift"), "damaged"),
        ("not [ TOML", "not valid TOML"),
    ):
        (tmp_path / "detector.toml").write_text(text)
        with pytest.raises(CheckpointError, match=word):
            load(tmp_path)
    (tmp_path / "detector.toml").write_text(good)
    arrays = (tmp_path / "detector.safetensors").read_bytes()
    (tmp_path / "detector.safetensors").write_bytes(arrays[: len(arrays) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path)


# --- PyOD


def test_any_detector_of_pyod_by_its_name(monkeypatch):
    pytest.importorskip("pyod")
    x, y = table()
    for name, options in (("ECOD", None), ("LOF", {"n_neighbors": 10}), ("PCA", None)):
        assert roc_auc_score(y, PyODDetector(detector=name, options=options).fit(x).decision_scores_) > 0.9
    with pytest.raises(SettingError, match="no detector 'IFrost'"):
        PyODDetector(detector="IFrost").fit(x)
    with pytest.raises(SettingError, match="takes no neighbours"):
        PyODDetector(detector="LOF", options={"neighbours": 3}).fit(x)
    with pytest.raises(UsageError, match="pickles"):
        PyODDetector(detector="ECOD").fit(x).save("nowhere")


def test_without_pyod_it_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyod", None)
    monkeypatch.setitem(sys.modules, "pyod.models", None)
    with pytest.raises(MissingPackageError, match="PyOD"):
        PyODDetector().fit(table()[0])
