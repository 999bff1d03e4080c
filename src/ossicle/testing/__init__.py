"""The conformance kit that authors of plugins import: the checks that every component of a kind must pass.

Without pytest::

    for outcome in check_component("vocoder", lambda: MyVocoder()):
        print(outcome.status, outcome.check, outcome.detail)

With pytest::

    @parametrize_checks("vocoder", lambda: MyVocoder())
    def test_conforms(check):
        check()

A whole plugin, as it is installed: ``check_plugin("my-plugin")``, or with pytest ``parametrize_plugin("my-plugin")``.
"""

from ossicle.testing.plugin import check_plugin, parametrize_plugin
from ossicle.testing.runner import CheckOutcome, check_component, checks_of, parametrize_checks

__all__ = ["CheckOutcome", "check_component", "check_plugin", "checks_of", "parametrize_checks", "parametrize_plugin"]
