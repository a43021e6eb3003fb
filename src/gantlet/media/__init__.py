"""Files into arrays and arrays into files; see `image` for pictures."""
