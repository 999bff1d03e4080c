"""The methods: each a module that holds its networks and computes one step's loss."""
