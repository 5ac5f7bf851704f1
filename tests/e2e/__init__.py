"""The story of the README on a real cloud of this computer."""
