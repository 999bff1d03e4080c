"""Training: the gradients written out are autograd's, and a network leaves training as it came."""

import pytest
import torch

from ossicle_outliers.direct_step import DirectStep
from ossicle_outliers.networks import Autoencoder, make_network
from ossicle_outliers.training import Training, loss_of, train


def rows_of(n, width=12):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("rows", [1, 33, 500])
@pytest.mark.parametrize("kind", ["ae", "pae"])
@pytest.mark.parametrize("width", [1, 12, 130])
def test_a_direct_step_has_the_loss_and_the_gradients_of_autograd(kind, width, rows):
    x, (reference, direct) = rows_of(rows, width), [make_network(width, kind, seed=1) for _ in range(2)]
    wanted = loss_of(reference, x, 0.3)
    wanted.backward()
    torch.testing.assert_close(DirectStep(direct, 0.3)(x), wanted.detach())
    for p, q in zip(direct.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad)


@pytest.mark.parametrize("training", [Training(epochs=3, batch_size=32), Training(epochs=40, held_out=0.2, looks=10)])
@pytest.mark.parametrize("kind", ["ae", "pae"])
def test_a_network_learns_the_same_either_way(kind, training):
    networks = [make_network(12, kind, seed=1) for _ in range(2)]
    one, other = (
        train(n, rows_of(200), training, direct=d, variance_floor=0.3)
        for n, d in zip(networks, (True, False), strict=True)
    )
    assert one.loss == pytest.approx(other.loss, rel=1e-4)
    assert (one.steps, one.kept_step) == (other.steps, other.kept_step)
    for p, q in zip(*(n.parameters() for n in networks), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-5)


def test_a_trained_networks_parameters_share_no_memory():
    network = make_network(12, "pae")
    train(network, rows_of(50), Training(epochs=2))
    homes = {p.untyped_storage().data_ptr() for p in network.parameters()}
    assert len(homes) == len(list(network.parameters())) and all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("option", [{"dropout": 0.2}, {"batch_norm": True}])
def test_a_network_of_other_layers_is_trained_by_autograd(option):
    network = Autoencoder(12, "ae", [12, 6, 3], **option)
    assert not DirectStep.takes(network)
    history = train(network, rows_of(100), Training(epochs=20))
    assert history.loss[-1] < history.loss[0]
