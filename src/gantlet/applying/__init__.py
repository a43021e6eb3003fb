"""`gantlet apply`: what a model does to pictures of a person's own, as classes (`classes`) or pictures (`pictures`)."""
