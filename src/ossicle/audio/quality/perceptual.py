"""Models of hearing: PESQ and STOI, from the packages that carry them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy.typing as npt

from ossicle.audio.quality.align import align
from ossicle.audio.resample import resample_array
from ossicle.errors import AudioError, MissingPackageError

_RATE = 16000


def pesq_wb(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int) -> dict[str, float]:
    """Return wide-band PESQ, 1.0 (bad) to 4.64 (equal), at 16 kHz.

    Source: ITU-T P.862.2, by the package pesq.

    Raises
    ------
    AudioError
        If there is too little sound, or no speech in it.
    MissingPackageError
        If the package is not installed.
    """
    try:
        import pesq
    except ImportError as error:
        raise _missing("pesq") from error
    wanted, found = _at_16k(reference, estimate, sample_rate)
    try:
        return {"pesq_wb": float(pesq.pesq(_RATE, wanted, found, "wb"))}
    except Exception as error:
        raise AudioError("PESQ cannot be measured here", why=f"{type(error).__name__}: {_text(error)}") from error


def stoi(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int) -> dict[str, float]:
    """Return short-time objective intelligibility, up to 1 (equal), at 16 kHz.

    Source: Taal et al. (2011), by the package pystoi.

    Raises
    ------
    AudioError
        If too little of the sound is above silence.
    MissingPackageError
        If the package is not installed.
    """
    try:
        import pystoi
    except ImportError as error:
        raise _missing("pystoi") from error
    wanted, found = _at_16k(reference, estimate, sample_rate)
    try:
        # pystoi warns and returns 1e-5 where it has too few frames: that is no measurement.
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            return {"stoi": float(pystoi.stoi(wanted, found, _RATE))}
    except (RuntimeWarning, ValueError) as error:
        raise AudioError("STOI cannot be measured here", why=_text(error)) from error


def _at_16k(reference: npt.ArrayLike, estimate: npt.ArrayLike, sample_rate: int) -> tuple[Any, Any]:
    wanted, found = align(reference, estimate)
    for wave, name in ((wanted, "reference"), (found, "estimate")):
        if not wave.any():
            raise AudioError("hearing cannot be measured here", why=f"the {name} is silent")
    return resample_array(wanted[None], sample_rate, _RATE)[0], resample_array(found[None], sample_rate, _RATE)[0]


def _text(error: BaseException) -> str:
    first = error.args[0] if error.args else error
    return (first.decode() if isinstance(first, bytes) else str(first)).strip() or type(error).__name__


def _missing(package: str) -> MissingPackageError:
    return MissingPackageError(f"the package {package} is not installed", hint="pip install 'ossicle[quality]'")
