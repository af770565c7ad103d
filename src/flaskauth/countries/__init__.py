"""Countries and regions of the world, with their data files."""
