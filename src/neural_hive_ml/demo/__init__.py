"""The whole loop on the shipped sample, in minutes."""
