"""In which order: candidates, features, a model."""
