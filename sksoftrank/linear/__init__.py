"""What the linear estimators stand on: coordinates, optimiser, robust scale."""
