"""Short trainings that find something out: a learning rate, a batch size, where the time goes."""
