"""`ossicle doctor`: what is wrong is found, named, and mendable."""

import pytest

from ossicle.testing.fake_distributions import component_plugin


def check_plugin(body):
    hooks = """
        from ossicle.plugin import Check, hookimpl

        @hookimpl
        def ossicle_checks():
            yield Check("strings", "strings_impl:look", "are the strings in tune")
    """
    return hooks, {"strings_impl": f"from ossicle.plugin import CheckResult\ndef look():\n    {body}\n"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("return CheckResult('ok', 'in tune')", "ok", "in tune"),
        ("return CheckResult('warn', 'a little flat', 'tune them')", "warn", "flat"),
        ("return CheckResult('fail', 'one is broken', 'buy one')", "fail", "broken"),
        ("raise RuntimeError('no strings at all')", "fail", "no strings at all"),
        ("return 'fine'", "fail", "not a CheckResult"),
    ],
)
def test_plugins_check_themselves(site, run_json, body, status, words):
    code, modules = check_plugin(body)
    site.add("fiddle", code, modules=modules)
    exit_code, results = run_json("doctor")
    (result,) = [r for r in results if r["name"] == "strings"]
    assert result["status"] == status and words in result["detail"]
    assert exit_code == (5 if any(r["status"] == "fail" for r in results) else 0)


def test_a_broken_plugin_fails_and_others_are_still_looked_at(site, run):
    site.add("bad", "raise RuntimeError('out of order')")
    code, out, _ = run("doctor")
    assert code == 5
    assert "plugin bad: broken: RuntimeError: out of order" in out
    assert "torch:" in out and "devices:" in out


def test_a_torchaudio_that_cannot_be_imported_is_named_with_its_cause(run_json, monkeypatch):
    import importlib

    real = importlib.import_module

    def fake(name, *rest):
        if name == "torchaudio":
            raise OSError("libcudart.so.13: cannot open shared object file")
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", fake)
    code, results = run_json("doctor")
    (result,) = [r for r in results if r["name"] == "torchaudio"]
    assert code == 5 and result["status"] == "fail"
    assert "libcudart" in result["detail"] and "torchaudio>=2.11" in result["hint"]


def test_the_kernels_chosen_are_shown(site, run):
    site.add(
        "fast",
        component_plugin("kernel", "twice", "twice_impl:Twice"),
        modules={"twice_impl": "class Twice:\n    op = 'twice'\n    def supports(self, *_): return False\n"},
    )
    assert "kernel twice: reference: the fast path does not run on" in run("doctor")[1]


def test_an_unknown_kernel_wish_is_found(run, monkeypatch):
    monkeypatch.setenv("OSSICLE_KERNELS", "warp-drive")
    code, out, _ = run("doctor")
    assert code == 5 and "warp-drive" in out
