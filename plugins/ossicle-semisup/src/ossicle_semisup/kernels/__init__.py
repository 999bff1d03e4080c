"""Fast paths of a semi-supervised step: guesses, mixup and the joint loss, each beside its plain reference."""
