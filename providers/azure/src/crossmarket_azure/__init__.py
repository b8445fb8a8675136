"""The crossmarket provider."""
